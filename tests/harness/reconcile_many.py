"""Reconciles hundreds of thousands of records, some hundred learners at a time.

Counting again after every event takes about a millisecond each. So only the first slice is compared
in full. For all others, what the order of arrival decides is left out: what triggered an unlock,
and what a level was before.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from progress_worker.demo.read import read_topic
from progress_worker.domain.completion import Completion
from progress_worker.domain.excuses import Excuse
from progress_worker.generator.generator import GeneratedRecord
from tests.harness.any_order import as_it_may_have_come
from tests.harness.reconcile import (
    Expected,
    Outputs,
    PublishedUnlock,
    announcement,
    differences,
    expect,
    find_rows,
    letter,
)
from tests.harness.storage import fetch
from tests.harness.truth import Rows, expected_rows
from tests.harness.worker import Deployment

_READ_SECONDS = 300.0


async def reconcile_many(
    deployment: Deployment,
    sent: Iterable[GeneratedRecord],
    advance: Callable[[int], None] = lambda _learners: None,
    *,
    excuses: Sequence[Excuse] = (),
    slice_size: int = 500,
) -> list[str]:
    """The differences; `sent` is in order, `advance` gets the number of compared learners."""
    settings = deployment.settings()
    read = partial(read_topic, settings, limit_seconds=_READ_SECONDS)
    by_learner, broken = _sorted(sent)
    announced: dict[str, list[PublishedUnlock]] = defaultdict(list)
    for record in await read(settings.unlocked_topic):
        unlock = announcement(record)
        announced[unlock.user_id].append(unlock)
    letters = [letter(r) for r in await read(settings.dead_letter_topic)]
    catalogue = deployment.catalogue.read_text(encoding="utf-8")
    no_rows: Rows = defaultdict(list)
    found = Outputs(no_rows, [], letters)
    wrong = differences(expect(broken, catalogue=catalogue, topic=deployment.completed), found)
    url = deployment.database.owner_url
    stored = {user_id for (user_id,) in fetch(url, "SELECT user_id FROM learner")}
    everybody = sorted(stored | by_learner.keys() | announced.keys())
    for number, learners in enumerate(_slices(everybody, slice_size)):
        events = [event for learner in learners for event in by_learner[learner]]
        rows = find_rows(url, learners)
        granted = [excuse for excuse in excuses if excuse.user_id in learners]
        expected = expected_rows(events, catalogue, granted, stepwise=number == 0)
        of_any = frozenset(learners if number else ())
        expected = as_it_may_have_come(expected, rows, events, of_any, catalogue, granted)
        these = [one for learner in learners for one in announced[learner]]
        wanted = Expected(expected, Counter(), deployment.completed)
        wrong += differences(wanted, Outputs(rows, these, []))
        advance(len(learners))
    return wrong


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
