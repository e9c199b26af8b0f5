"""Compares an unlock as it is stored with what its explanation derives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal, NamedTuple

from progress_worker.domain.explain import Explanation, UnlockRecord
from progress_worker.domain.rule_kinds import takes_filters

#: `contradicts` is what can never differ. `may_differ` is what the order of arrival, corrections or
#: later facts may have decided otherwise.
Verdict = Literal["agrees", "may_differ", "contradicts"]

_BY_ORDER: Final = "the order of arrival or later facts may decide it otherwise"
_CORRECTED: Final = "corrections or deleted completions may decide it otherwise"
_REQUIRED: Final = "achievements_required"


class Finding(NamedTuple):
    """One part of an unlock: as stored, as derived, and what a difference means."""

    part: str
    stored: Any
    derived: Any
    verdict: Verdict
    reason: str = ""


def examine(found: Explanation, *, corrected: bool) -> list[Finding]:
    """Compare every part of the unlock; the explanation is by the rule book that gave it.

    `corrected` says whether any completion of the learner was ever revised or revoked.
    """
    unlock = found.question.unlock
    return [] if unlock is None else list(_Examination(found, unlock, corrected).findings())


class _Examination:
    def __init__(self, found: Explanation, unlock: UnlockRecord, corrected: bool) -> None:
        self._found = found
        self._unlock = unlock
        self._rule = found.question.subject.achievement.rule
        #: Whether every completion that ever counted is there as it was.
        self._whole = found.complete and not corrected
        #: Whether it was derived from all the facts that are there now.
        self._derived_from_all = (
            unlock.backdated
            and found.complete
            and unlock.learner_version == found.question.stored.version
        )

    def findings(self) -> Iterator[Finding]:
        unlock, root, book = self._unlock, self._found.root, self._found.question.subject.book
        if unlock.rules_digest is not None:
            yield _compared("rules_digest", unlock.rules_digest, book.digest, must=True)
        # Of `any`, the nearest part is measured, and today another one may be nearer.
        if not self._rule.any and root.progress.measure != _REQUIRED:
            yield _compared("measure", unlock.progress.measure, root.progress.measure, must=True)
            yield _compared("target", unlock.progress.target, root.progress.target, must=True)
        yield self._reached()
        yield self._holds()
        yield from self._values()
        yield from self._trigger()

    def _reached(self) -> Finding:
        value, target = self._unlock.progress.current, self._unlock.progress.target
        verdict: Verdict = "agrees" if value >= target else "contradicts"
        return Finding("value_reaches_target", value, target, verdict)

    def _holds(self) -> Finding:
        """What only counts completions cannot stop to hold unless one of them is corrected."""
        question = self._found.question
        by_own = question.stored.rule_book == question.subject.book.version
        withdrawn = question.subject.achievement.revocation == "withdraw" and by_own
        must = (self._whole and takes_filters(self._rule)) or (withdrawn and self._found.complete)
        return _compared("rule_holds", True, self._found.root.holds, must=must, reason=_CORRECTED)

    def _values(self) -> Iterator[Finding]:
        stored, most = self._unlock.progress.current, self._found.root.progress.current
        if self._whole and takes_filters(self._rule) and not self._rule.any and stored > most:
            yield Finding("value", stored, most, "contradicts", "no completion was corrected")
            return
        derived = self._found.derived
        yield self._by_order("value", stored, derived and derived.progress.current)

    def _trigger(self) -> Iterator[Finding]:
        unlock, trigger, derived = self._unlock, self._found.trigger, self._found.derived
        event = str(unlock.triggering_event_id)
        stored = None if trigger is None else str(trigger.event_id)
        yield _compared("trigger_is_stored", event, stored, must=self._whole, reason=_CORRECTED)
        if trigger is not None:
            yield _compared(
                "unlocked_at_is_of_trigger",
                unlock.unlocked_at,
                trigger.completed_at,
                must=trigger.revision == 0,
                reason=_CORRECTED,
            )
        yield self._by_order("trigger", event, derived and str(derived.trigger.event_id))
        at = derived and derived.trigger.completed_at
        yield self._by_order("unlocked_at", unlock.unlocked_at, at)

    def _by_order(self, part: str, stored: Any, derived: Any) -> Finding:
        """Only what was derived from the same facts must be the same."""
        return _compared(part, stored, derived, must=self._derived_from_all, reason=_BY_ORDER)


def _compared(part: str, stored: Any, derived: Any, *, must: bool, reason: str = "") -> Finding:
    if stored == derived:
        return Finding(part, stored, derived, "agrees")
    if must:
        return Finding(part, stored, derived, "contradicts")
    return Finding(part, stored, derived, "may_differ", reason)
