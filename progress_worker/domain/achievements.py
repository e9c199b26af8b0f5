"""The models of achievements, as a rule book's YAML holds them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Any, Final, Literal, Self, get_args

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from progress_worker.domain.languages import (
    LanguageTag,
    Name,
    Text,
    Texts,
    TranslatedName,
    Translation,
    fallbacks,
)
from progress_worker.domain.rule_kinds import (
    Rule,
    WholeTarget,
    asks_for_tiers,
    counting,
    reads_levels,
    takes_filters,
    with_target,
    with_until,
)
from progress_worker.domain.vocabulary import Tier
from progress_worker.domain.written import Date, Written

#: An id, a category or a family.
_ID: Final = r"^[a-z][a-z0-9_]*$"
Points = Annotated[int, Field(ge=0, le=100_000)]


class Retirement(Written):
    """The last day on which completions count."""

    after: Date


class Retired(Written):
    """Completions of later days do not count; who did the work until then can still get it."""

    retired: Retirement


def _known_word(status: Any) -> Any:
    if status in get_args(_Word):
        return status
    raise ValueError("write active, paused, closed, withdrawn or {retired: {after: 2026-12-31}}")


#: A paused achievement is not judged. A closed one is shown to those who have it, a withdrawn one
#: to nobody.
_Word = Literal["active", "paused", "closed", "withdrawn"]
_Status = Annotated[
    Annotated[_Word, BeforeValidator(_known_word), Tag("<word>")]
    | Annotated[Retired, Tag("<retired>")],
    Discriminator(lambda status: "<retired>" if isinstance(status, (dict, Retired)) else "<word>"),
]


class Described(Written):
    """What an achievement and a series of tiers share.

    `description` is for those who have it. `goal` is for the others, and says how to earn it.
    Achievements of one `family` belong together. What is `hidden` is not listed before it is
    unlocked; `progress` hides the progress only. It needs every achievement that it `requires`.
    `translations` are by language.
    """

    id: str = Field(pattern=_ID, max_length=64)
    name: Name
    description: Text
    goal: Text | None = None
    translations: dict[LanguageTag, Translation] = Field(default_factory=dict)
    category: str = Field(pattern=_ID, max_length=40)
    icon: str = Field(min_length=1, max_length=64)
    family: str | None = Field(default=None, pattern=_ID, max_length=64)
    hidden: Literal[False, True, "progress"] = False
    requires: Annotated[tuple[str, ...], Field(strict=False)] = ()
    status: _Status = "active"
    revocation: Literal["keep", "withdraw"] = "keep"
    rule: Rule

    @model_validator(mode="after")
    def _can_retire(self) -> Self:
        if isinstance(self.status, Retired):
            if not takes_filters(self.rule):
                raise ValueError(
                    "only rules that take `until` can be retired: its `status` can be `closed`"
                )
            with_until(self.rule, self.status.retired.after)
        return self

    @model_validator(mode="after")
    def _can_be_withdrawn(self) -> Self:
        if self.revocation == "withdraw" and reads_levels(self.rule):
            raise ValueError(
                "a skill level may fall and rise again with every exercise, so its `revocation` "
                "cannot be `withdraw`"
            )
        return self

    @property
    def is_open(self) -> bool:
        """Whether those see it who do not have it."""
        return self.hidden is not True and self.status != "closed"

    @property
    def is_judged(self) -> bool:
        """Whether it can be unlocked."""
        return self.status == "active" or isinstance(self.status, Retired)


Repeat = Literal["each_multiple", "each_week"]


class Achievement(Described):
    """Something to earn: once, or again with each multiple of the target or in each week."""

    tier: Tier
    points: Points
    repeat: Repeat | None = None

    def with_end(self) -> Achievement:
        """The achievement as it is judged: one that is retired has an `until` in its rule."""
        if not isinstance(self.status, Retired):
            return self
        rule = with_until(self.rule, self.status.retired.after)
        return self.model_copy(update={"rule": rule})

    def texts(self, language: str) -> Texts:
        """Its texts in a language. For what is missing in pt-BR, pt stands in, then the default."""
        found = [self.translations[tag] for tag in fallbacks(language) if tag in self.translations]
        own = {name: getattr(self, name) for name in Texts._fields}
        for translation in reversed(found):
            own |= translation.model_dump(exclude_none=True)
        return Texts(**own)

    @model_validator(mode="after")
    def _has_targets(self) -> Self:
        if asks_for_tiers(self.rule):
            raise ValueError("the word `target` stands in the rule, and there are no `tiers`")
        return self

    @model_validator(mode="after")
    def _can_repeat(self) -> Self:
        counted = counting(self.rule)
        if self.repeat is None:
            return self
        if counted is None:
            raise ValueError(
                "only `exercises_completed` and `time_spent` can `repeat`, and not as a part of "
                "`all` or `any`"
            )
        if counted.within is not None:
            raise ValueError("`repeat` and `within` do not go together: leave one out")
        if self.repeat == "each_week" and getattr(counted, "distinct", False):
            raise ValueError("`distinct` counts over all weeks: it cannot repeat with `each_week`")
        if self.repeat == "each_week" and self.requires:
            raise ValueError("what repeats with `each_week` cannot require other achievements")
        return self


class AchievementTier(Written):
    """One achievement of a series: its target, and what differs from the others."""

    id: str = Field(pattern=_ID, max_length=64)
    target: WholeTarget
    tier: Tier
    points: Points
    name: Name | None = None
    translations: dict[LanguageTag, TranslatedName] = Field(default_factory=dict)


class TieredAchievement(Described):
    """One achievement for each tier, all by one rule. Its id is the family where none is given."""

    tiers: Annotated[tuple[AchievementTier, ...], Field(min_length=1, strict=False)]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not asks_for_tiers(self.rule):
            raise ValueError("write the word `target` in the rule: each tier puts its own there")
        for lower, higher in pairwise(self.tiers):
            if lower.target >= higher.target:
                raise ValueError(
                    f"the targets of `tiers` must ascend, and {higher.id} does not ask for more "
                    f"than {lower.id}"
                )
        return self

    def each(self) -> Iterator[Achievement]:
        """The achievements, lowest target first."""
        shared = {name: getattr(self, name) for name in Described.model_fields}
        shared["family"] = self.family or self.id
        for tier in self.tiers:
            own = {"id": tier.id, "tier": tier.tier, "points": tier.points}
            own |= {"name": tier.name or self.name, "rule": with_target(self.rule, tier.target)}
            own |= {"translations": dict(self._translations(tier))}
            yield Achievement(**shared | own)

    def _translations(self, tier: AchievementTier) -> Iterator[tuple[str, Translation]]:
        """A tier with a name of its own has none of the entry's names, in no language."""
        for language in self.translations | tier.translations:
            shared = self.translations.get(language, Translation())
            own = tier.translations.get(language, TranslatedName())
            name = own.name or (None if tier.name else shared.name)
            yield language, shared.model_copy(update={"name": name})
