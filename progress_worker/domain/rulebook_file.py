"""The rule book as it is written in YAML, validated on load."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Annotated, Any, Final, Literal, Self

import yaml
from pydantic import Discriminator, Field, Tag, ValidationError, model_validator
from pydantic_core import ErrorDetails
from yaml.error import MarkedYAMLError

from progress_worker.domain.achievements import Achievement, TieredAchievement
from progress_worker.domain.languages import LanguageTag, TopicName, TranslatedTopicName
from progress_worker.domain.requirements import check_requirements
from progress_worker.domain.rulebook_format import format_of
from progress_worker.domain.vocabulary import NO_NUL, Topic, Weekday
from progress_worker.domain.written import Date, Written, two_decimals

_MOST_EXCUSED_DAYS: Final = 366


class RuleBookError(ValueError):
    """A rule book is wrong; `sentences` says what, one mistake each."""

    def __init__(self, *sentences: str) -> None:
        self.sentences = sentences
        super().__init__("; ".join(sentences))


class LevelThreshold(Written):
    """What a skill level asks for: completed exercises and a mean grade in percent."""

    exercises: int = Field(ge=0, le=1_000_000_000)
    mean_grade: float = Field(ge=0, le=100)

    @model_validator(mode="after")
    def _two_decimals(self) -> Self:
        two_decimals("mean_grade", self.mean_grade)
        return self


class Levels(Written):
    """The thresholds of the three levels above beginner; one that is left out has its default."""

    intermediate: LevelThreshold = LevelThreshold(exercises=10, mean_grade=60)
    advanced: LevelThreshold = LevelThreshold(exercises=30, mean_grade=70)
    expert: LevelThreshold = LevelThreshold(exercises=50, mean_grade=80)

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        for lower, higher in pairwise(type(self).model_fields):
            least, asked = getattr(self, lower), getattr(self, higher)
            for part in LevelThreshold.model_fields:
                if getattr(asked, part) < getattr(least, part):
                    raise ValueError(
                        f"`{higher}` asks for {part} {getattr(asked, part):g} and `{lower}` for "
                        f"{getattr(least, part):g}: a higher level cannot ask for less"
                    )
        return self


class TopicNames(Written):
    """How a topic is shown to people."""

    name: TopicName
    translations: dict[LanguageTag, TranslatedTopicName] = Field(default_factory=dict)


class DayStart(Written):
    """From a date of the wall clock on, days start at this hour."""

    hour: int = Field(ge=0, le=23)
    since: Date = Field(alias="from")


class ExcusedDays(Written):
    """Days on which nobody's streak can break: a holiday, an outage. Both ends are included."""

    first_day: Date
    last_day: Date
    label: str = Field(min_length=1, max_length=128, pattern=NO_NUL)

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if self.first_day > self.last_day:
            raise ValueError("`first_day` lies after `last_day`")
        if (self.last_day - self.first_day).days >= _MOST_EXCUSED_DAYS:
            raise ValueError(f"at most {_MOST_EXCUSED_DAYS} days in one entry")
        return self


class Freezes(Written):
    """A learner earns a freeze with every `earn_every` active days and keeps at most `cap`.

    A freeze pays for one missed day. Without freezes (`cap: 0`) a missed day ends a streak.
    """

    cap: int = Field(default=0, ge=0, le=366)
    earn_every: int = Field(default=7, ge=1, le=366)


class Week(Written):
    """What a week of the weekly streak asks for."""

    starts_on: Weekday = "mon"
    days: int = Field(default=1, ge=1, le=7)


Announce = Literal["all", "digest", "none"]


class StreakRules(Written):
    """The streak policy: freezes for the daily streak, and the week of the weekly one."""

    freezes: Freezes = Freezes()
    week: Week = Week()


def _kind(entry: Any) -> str:
    has_tiers = "tiers" in entry if isinstance(entry, dict) else hasattr(entry, "tiers")
    return "<tiers>" if has_tiers else "<one>"


#: The tags tell the kinds apart; no sentence names them.
_Entry = Annotated[
    Annotated[Achievement, Tag("<one>")] | Annotated[TieredAchievement, Tag("<tiers>")],
    Discriminator(_kind),
]


class RuleBookFile(Written):
    """A whole rule book. `name` is for people; the highest `version` is the active one.

    `announce` says what is published of the unlocks of a back-fill: each one, one digest per
    learner, or nothing.
    `language` is that of the texts which are no translations.
    """

    name: str = Field(default="default", pattern=r"^[a-z][a-z0-9_-]*$", max_length=64)
    version: int = Field(ge=1, le=2**31 - 1)
    language: LanguageTag = "en"
    levels: Levels = Levels()
    passing_grade: float = Field(default=60, ge=0, le=100)
    topics: dict[Topic, TopicNames] = Field(default_factory=dict)
    day_starts_at: Annotated[tuple[DayStart, ...], Field(strict=False)] = ()
    streak: StreakRules = StreakRules()
    excused: Annotated[tuple[ExcusedDays, ...], Field(strict=False)] = ()
    announce: Announce = "all"
    achievements: Annotated[tuple[_Entry, ...], Field(min_length=1, strict=False)]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        two_decimals("passing_grade", self.passing_grade)
        for entries in (self.achievements, self.each_achievement()):
            ids = [entry.id for entry in entries]
            twice = sorted({name for name in ids if ids.count(name) > 1})
            if twice:
                raise ValueError(f"the id {twice[0]!r} stands twice")
        check_requirements(self.each_achievement())
        if self.language in self.translated_into():
            raise ValueError(
                f"`translations` hold {self.language}, which is the `language` of the rule book"
            )
        for before, after in pairwise(start.since for start in self.day_starts_at):
            if before >= after:
                raise ValueError("the dates of `day_starts_at` must ascend")
        return self

    def each_achievement(self) -> tuple[Achievement, ...]:
        """The achievements of all entries as they are judged, those of tiers one by one."""
        found: list[Achievement] = []
        for entry in self.achievements:
            found += entry.each() if isinstance(entry, TieredAchievement) else [entry]
        return tuple(each.with_end() for each in found)

    def translated_into(self) -> set[str]:
        """The languages of all translations."""
        found = {language for names in self.topics.values() for language in names.translations}
        return found.union(*(each.translations for each in self.each_achievement()))

    @property
    def digest(self) -> str:
        """SHA-256 over what the file says, in hexadecimal.

        Comments, the order of keys, and defaults that are written out make no difference.
        """
        said = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()

    @property
    def format(self) -> int:
        """The lowest format that reads this file. A release of an older one refuses its keys."""
        return format_of(self)


def parse_rule_book(text: str) -> RuleBookFile:
    """Read a rule book from YAML; raises RuleBookError with a sentence for every mistake."""
    content = _read(text)
    try:
        return RuleBookFile.model_validate(content)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        raise RuleBookError(*_sentences(content, details)) from error


def _sentences(content: object, details: list[ErrorDetails]) -> Iterator[str]:
    outer = {detail["loc"][:length] for detail in details for length in range(len(detail["loc"]))}
    for detail in details:
        # If every item of a list is wrong, do not also complain that the list is too short.
        if detail["type"] == "too_short" and detail["loc"] in outer:
            continue
        message = detail["msg"].removeprefix("Value error, ")
        yield f"the rule book is wrong at {_place(content, detail['loc'])}: {message}"


class _Loader(yaml.SafeLoader):
    """Refuses a key that is there twice. YAML would drop the first; mostly a dash is missing.

    The keys `on` and `no` (Norwegian) are texts here. YAML would make them booleans.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            if key.value in ("on", "no"):
                key.tag = "tag:yaml.org,2002:str"
            if key.value in seen:
                raise MarkedYAMLError(
                    problem=f"the key {key.value!r} stands twice", problem_mark=key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _read(text: str) -> object:
    try:
        return yaml.load(text, _Loader)  # noqa: S506  it is a safe loader
    except MarkedYAMLError as error:
        line = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise RuleBookError(f"the rule book is not YAML{line}: {error.problem}") from error
    except (yaml.YAMLError, ValueError) as error:
        why = " ".join(str(error).split())
        raise RuleBookError(f"the rule book is not YAML: {why}") from error


def _place(content: object, location: Sequence[int | str]) -> str:
    """The path of the mistake, with the id of the achievement that holds it."""
    path = ".".join(part for part in map(str, location) if not part.startswith("<")) or "its top"
    match content, location:
        case {"achievements": [*written]}, ("achievements", int(position), *_):
            match written[position]:
                case {"id": str(name)}:
                    return f"{path} ({name})"
    return path
