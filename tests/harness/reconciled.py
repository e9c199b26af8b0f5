"""A run whose results are known, to see what the reconciler says of others."""

from __future__ import annotations

import copy
from dataclasses import replace

from progress_worker.generator.generator import GeneratedRecord
from tests.harness.any_order import as_it_may_have_come
from tests.harness.fair import fair_rule_book
from tests.harness.outputs import Outputs
from tests.harness.reconcile import Expected, differences, expect
from tests.harness.traffic import Traffic
from tests.harness.worker import Deployment

CATALOGUE = fair_rule_book()


class Run:
    """A deployment that processed a few hundred records without a fault, and its results."""

    def __init__(self, deployment: Deployment, traffic: Traffic, found: Outputs) -> None:
        self.deployment = deployment
        self.sent: list[GeneratedRecord] = traffic.sent
        self._found = found
        self.excuses = traffic.granted
        self._expected = self.expect(self.sent)

    def expect(self, sent: list[GeneratedRecord]) -> Expected:
        """What must follow, in one of the orders in which completions and excuses may have come."""
        topic = self.deployment.completed
        expected = expect(sent, catalogue=CATALOGUE, topic=topic, excuses=self.excuses)
        events = [record.completion for record in sent if record.completion]
        truth = as_it_may_have_come(
            expected.truth, self._found, events, frozenset(), CATALOGUE, self.excuses
        )
        return replace(expected, truth=truth)

    def findings(self) -> Outputs:
        """A copy of the results, to break."""
        return copy.deepcopy(self._found)

    def differences(self, found: Outputs) -> list[str]:
        return differences(self._expected, found)


class AnyOrder:
    """The run as if the order of one learner's events were unknown."""

    def __init__(self, run: Run) -> None:
        self.found = run.findings()
        self._expected = run.expect(run.sent)
        levels = self.found.rows["skill_level"]
        excused = {excuse.user_id for excuse in run.excuses}
        likely = excused & {row[0] for row in self.found.rows["lost_unlock"]}
        self.learner = next(r[0] for r in levels if r[2] != "beginner" and r[0] in likely)
        self._excuses = [each for each in run.excuses if each.user_id == self.learner]
        said = [record.completion for record in run.sent if record.completion]
        self.events = [event for event in said if event.user_id == self.learner]
        self.stranger = next(event for event in said if event.user_id != self.learner)

    def differences(self) -> list[str]:
        unordered = frozenset({self.learner})
        truth = as_it_may_have_come(
            self._expected.truth, self.found, self.events, unordered, CATALOGUE, self._excuses
        )
        return differences(replace(self._expected, truth=truth), self.found)

    def place(self, table: str) -> int:
        """The place of a row that must exist in any order; the easiest one among unlocks."""
        own = [
            (row[-2] if table == "achievement_unlock" else 0, place)
            for place, row in enumerate(self.found.rows[table])
            if row[0] == self.learner and not (table == "skill_level" and row[2] == "beginner")
        ]
        return min(own)[1]
