"""Reconciles hundreds of thousands of records, some hundred learners at a time.

Counting again after every event takes about a millisecond each. So only the first slice is compared
in full. For all others, what the order of arrival decides is left out: what triggered an unlock,
whether it was lost in between, and what a level was before.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

from progress_worker.domain.completion import Completion
from progress_worker.domain.excuses import Excuse
from progress_worker.generator.generator import GeneratedRecord
from tests.harness.any_order import as_it_may_have_come
from tests.harness.outputs import Outputs, find_records, find_rows
from tests.harness.reconcile import Expected, differences, expect
from tests.harness.storage import fetch
from tests.harness.truth import Rows, expected_truth
from tests.harness.worker import Deployment


async def reconcile_many(
    deployment: Deployment,
    sent: Iterable[GeneratedRecord],
    advance: Callable[[int], None] = lambda _learners: None,
    *,
    excuses: Sequence[Excuse] = (),
    slice_size: int = 500,
) -> list[str]:
    """The differences; `sent` is in order, `advance` gets the number of compared learners."""
    by_learner, broken = _sorted(sent)
    published = await find_records(deployment.settings())
    catalogue = deployment.catalogue.read_text(encoding="utf-8")
    no_rows: Rows = defaultdict(list)
    found = Outputs(no_rows, letters=published.letters)
    wrong = differences(expect(broken, catalogue=catalogue, topic=deployment.completed), found)
    url = deployment.database.owner_url
    stored = {user_id for (user_id,) in fetch(url, "SELECT user_id FROM learner")}
    told = _by_learner(published)
    everybody = sorted(stored | by_learner.keys() | told.keys())
    for number, learners in enumerate(_slices(everybody, slice_size)):
        events = [event for learner in learners for event in by_learner[learner]]
        granted = [excuse for excuse in excuses if excuse.user_id in learners]
        these = Outputs(find_rows(url, learners))
        for learner in learners:
            these.unlocks += told[learner].unlocks
            these.losses += told[learner].losses
        truth = expected_truth(events, catalogue, granted, stepwise=number == 0)
        of_any = frozenset(learners if number else ())
        truth = as_it_may_have_come(truth, these, events, of_any, catalogue, granted)
        wrong += differences(Expected(truth, Counter(), deployment.completed), these)
        advance(len(learners))
    return wrong


def _by_learner(published: Outputs) -> dict[str, Outputs]:
    told: dict[str, Outputs] = defaultdict(lambda: Outputs({}))
    for unlock in published.unlocks:
        told[unlock.user_id].unlocks.append(unlock)
    for loss in published.losses:
        told[loss.user_id].losses.append(loss)
    return told


def _sorted(
    sent: Iterable[GeneratedRecord],
) -> tuple[dict[str, list[Completion]], list[GeneratedRecord]]:
    by_learner: dict[str, list[Completion]] = defaultdict(list)
    broken = []
    for record in sent:
        if record.completion is None:
            broken.append(record)
        else:
            by_learner[record.completion.user_id].append(record.completion)
    return by_learner, broken


def _slices(learners: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(learners), size):
        yield learners[start : start + size]
