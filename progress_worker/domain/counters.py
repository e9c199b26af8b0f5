"""Counts completions that match the filters of a rule book, or sums up the time spent on them."""

from __future__ import annotations

from collections.abc import Iterable

from progress_worker.domain.buckets import Bucketing, Buckets, bucket_of
from progress_worker.domain.completion import Completion
from progress_worker.domain.filter_index import FilterIndex, matching
from progress_worker.domain.filters import Filter, grade_of
from progress_worker.domain.state import LearnerState


class Counters:
    """What each filter counts or sums up; every filter has a bit of its own."""

    def __init__(self, filters: Iterable[Filter], first_bit: int) -> None:
        self._bits = {found: first_bit << n for n, found in enumerate(dict.fromkeys(filters))}
        self._zero = {found.key: 0 for found in self._bits}
        self._index = FilterIndex(self._bits.items())
        self._bucketed = [each for each in self._bits if each.bucketed_by is not None]
        self._in_buckets = FilterIndex((each, self._bits[each]) for each in self._bucketed)

    def bits_of(self, filters: Iterable[Filter]) -> int:
        """The bits of these filters, together."""
        return sum(self._bits[found] for found in set(filters))

    def zero(self) -> dict[str, int]:
        """The counts before the first completion."""
        return dict(self._zero)

    def known(self, counts: dict[str, int]) -> dict[str, int]:
        """The counts of these filters only; others would not be counted further."""
        return {key: counts[key] for key in self._zero if key in counts}

    def buckets_of(self, completion: Completion) -> list[tuple[str, str]]:
        """The buckets that a completion is counted in, each by its filter's key and its name."""
        _, asked = self._in_buckets.of(completion.local_day, completion.difficulty)
        return [
            (key, bucket_of(bucketed_by, week_starts_on, completion))
            for _, key, _, bucketed_by, week_starts_on in matching(
                asked, completion, grade_of(completion)
            )
            if bucketed_by is not None
        ]

    @property
    def has_buckets(self) -> bool:
        """Whether any filter counts in buckets."""
        return bool(self._bucketed)

    @property
    def windows(self) -> list[str]:
        """The keys of the filters whose buckets are days, weeks or months."""
        return [each.key for each in self._bucketed if each.bucketed_by != "exercise"]

    def known_buckets(self, buckets: Buckets) -> Buckets:
        """Those of the buckets that these filters count in."""
        return {each.key: dict(buckets[each.key]) for each in self._bucketed if each.key in buckets}

    def count(self, state: LearnerState, completion: Completion, sign: int) -> int:
        """Count the completion under every filter that it matches; returns the filters' bits.

        A filter that has no count is left out: it was not counted from the beginning. The state has
        every bucket of the completion that is stored, and all buckets where a count may fall.
        """
        counts = state.counters
        grade = grade_of(completion)
        topic, hints = completion.topic, completion.hints_used
        matched = 0
        plain, others = self._index.of(completion.local_day, completion.difficulty)
        for least, most, of_topic, bit, key in plain:
            if grade >= least and hints <= most and (of_topic is None or of_topic == topic):
                before = counts.get(key)
                if before is not None:
                    counts[key] = before + sign
                    matched |= bit
        if not others:
            return matched
        for bit, key, sums_time, bucketed_by, week_starts_on in matching(others, completion, grade):
            before = counts.get(key)
            if before is not None:
                amount = sign * completion.time_spent_seconds if sums_time else sign
                if bucketed_by is None:
                    counts[key] = before + amount
                elif amount:
                    name = bucket_of(bucketed_by, week_starts_on, completion)
                    counts[key] = _count_in_bucket(state, key, name, bucketed_by, amount)
                matched |= bit
        return matched


def _count_in_bucket(
    state: LearnerState, key: str, name: str, bucketed_by: Bucketing, amount: int
) -> int:
    """Add to a bucket; returns the learner's count."""
    buckets = state.buckets.setdefault(key, {})
    state.dirty.buckets.setdefault((key, name), name not in buckets)
    before = buckets.get(name, 0)
    after = buckets[name] = before + amount
    count = state.counters[key]
    if bucketed_by == "exercise":
        return count + (after > 0) - (before > 0)
    if amount > 0:
        return max(count, after)
    return max(buckets.values()) if before == count else count
