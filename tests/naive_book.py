"""What a rule book unlocks, read from its YAML by the words of the rules.

It shares no code with the worker's rules.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import yaml

#: The id of an achievement and the number of the occurrence.
Occurrence = tuple[str, int]


class NaiveAchievement(NamedTuple):
    """An achievement that is judged; `withdraw` says that an unlock lasts while its rule holds."""

    id: str
    rule: Mapping[str, Any]
    repeat: str | None
    requires: tuple[str, ...]
    withdraw: bool


class _Loader(yaml.SafeLoader):
    """Reads the key `on` as it is written. YAML would make it true."""

    yaml_implicit_resolvers = {  # noqa: RUF012  as in the class that it extends
        first: found
        for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
        if first not in ("o", "O")
    }


def read_catalogue(text: str) -> dict[str, Any]:
    """A rule book's YAML as plain values."""
    read: dict[str, Any] = yaml.load(text, _Loader)
    return read


def naive_achievements(catalogue: Mapping[str, Any]) -> dict[str, NaiveAchievement]:
    """Every achievement that is judged, by id: one for each tier, retired ones with their end."""
    return {
        each.id: each
        for written in catalogue["achievements"]
        if written.get("status") not in ("closed", "paused", "withdrawn")
        for each in _each(written)
    }


def _each(written: Mapping[str, Any]) -> Iterator[NaiveAchievement]:
    status = written.get("status")
    rule = _ending(written["rule"], status["retired"]["after"]) if status else written["rule"]
    repeat, requires = written.get("repeat"), tuple(written.get("requires", ()))
    withdraw = written.get("revocation") == "withdraw"
    for tier in written.get("tiers", [{"id": written["id"], "target": None}]):
        own = _asking(rule, tier["target"])
        yield NaiveAchievement(tier["id"], own, repeat, requires, withdraw)


def _asking(part: Any, target: int | None) -> Any:
    """The rule with a number in the place of the word `target`."""
    if isinstance(part, Mapping):
        return {name: _asking(each, target) for name, each in part.items()}
    if isinstance(part, list):
        return [_asking(each, target) for each in part]
    return target if part == "target" else part


def _ending(rule: Mapping[str, Any], last: dt.date) -> Mapping[str, Any]:
    """The rule, of which later days do not count. Only what counts completions can end."""
    ((kind, ask),) = rule.items()
    if kind in ("all", "any"):
        return {kind: [_ending(part, last) for part in ask]}
    return {kind: ask | {"until": min(last, ask.get("until", last))}}


def naive_unlocked(
    achievements: Mapping[str, NaiveAchievement],
    holding: Collection[Occurrence],
    before: Iterable[Occurrence],
) -> set[Occurrence]:
    """What is unlocked while the rules of `holding` hold, after `before` was unlocked."""
    found = {each for each in before if not achievements[each[0]].withdraw}
    while True:
        names = {name for name, _ in found}
        more = {each for each in holding if {*achievements[each[0]].requires} <= names}
        if more <= found:
            return found
        found |= more
