"""The view's SQL: one statement per answer, each one row for one learner or none.

Lists come as text with one JSON array per line: a long one can be decoded in portions.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Date,
    FromClause,
    Integer,
    ScalarSelect,
    Select,
    Table,
    Text,
    bindparam,
    case,
    cast,
    column,
    func,
    literal_column,
    select,
)
from sqlalchemy import text as sql

from progress_worker.domain.totals import SUMS
from progress_worker.storage import preferences
from progress_worker.storage.days import COLUMNS, bounds
from progress_worker.storage.rows import LEVEL
from progress_worker.storage.schema.local_tables import achievement_rarity, rule_book
from progress_worker.storage.schema.tables import (
    achievement_unlock,
    learner,
    learner_day,
    learner_preference,
    learner_total,
    skill_level,
)

_LINE_BREAK: Final = literal_column("chr(10)", Text)

#: The runs of active, excused and travel days.
_DAYS: Final = tuple(literal_column(bounds(name), ARRAY(Integer)).label(name) for name in COLUMNS)
_EVER: Final = literal_column("date 'infinity'", Date)
_LAST_ACTIVE_DAY: Final = literal_column("upper(learner.active_days) - 1", Date)


#: The rule book by which the learner is complete, as the row is now.
_RULE_BOOK: Final = case((learner.c.rule_book_at == learner.c.version, learner.c.rule_book))


def _of_learner(table: Table) -> ColumnElement[bool]:
    return table.c.user_id == bindparam("user_id")


def _rows(source: FromClause, *columns: str) -> Select[Any]:
    """The source's rows, one JSON array per line; null when there is none."""
    row = func.json_build_array(*(source.c[name] for name in columns))
    return select(func.string_agg(cast(row, Text), _LINE_BREAK)).select_from(source)


def _cells(table: Table, *keys: str) -> Select[Any]:
    """Rows of sums that hold a completion; a row whose last one was taken back is left out."""
    return _rows(table, *keys, *SUMS).where(_of_learner(table), table.c.completions > 0)


def _levels() -> Select[Any]:
    """The skill level in every topic."""
    return _rows(skill_level, *LEVEL.columns[1:]).where(_of_learner(skill_level))


def _days_before() -> ScalarSelect[Any]:
    """The sums of all days before the window."""
    sums = (func.coalesce(func.sum(learner_day.c[name]), 0) for name in SUMS)
    return (
        select(cast(func.json_build_array(*sums), Text))
        .where(_of_learner(learner_day), learner_day.c.local_day < bindparam("first_day"))
        .scalar_subquery()
    )


def _sums_of_days(first: ColumnElement[Any], last: ColumnElement[Any]) -> ScalarSelect[Any]:
    """The sums of each day from `first` to `last`, both included; null where one of them is."""
    sums = (func.sum(learner_day.c[name]).label(name) for name in SUMS)
    days = (
        select(learner_day.c.local_day, *sums)
        .where(
            _of_learner(learner_day),
            learner_day.c.completions > 0,
            learner_day.c.local_day.between(first, last),
        )
        .group_by(learner_day.c.local_day)
        .subquery("days")
    )
    return _rows(days, "local_day", *SUMS).scalar_subquery()


def _days_within() -> ScalarSelect[Any]:
    """The window's sums per day."""
    return _sums_of_days(bindparam("first_day"), bindparam("last_day"))


def _learner_and(name: str, *columns: ColumnElement[Any]) -> Select[Any]:
    """A learner's stamp and these columns; the name shows up in Postgres's own statistics."""
    return (
        select(
            learner.c.version,
            learner.c.timezone,
            learner.c.utc_offset_minutes,
            learner.c.day_starts_at,
            _LAST_ACTIVE_DAY.label("last_active_day"),
            _RULE_BOOK.label("rule_book"),
            learner.c.gamification,
            *columns,
        )
        .where(_of_learner(learner))
        .prefix_with(sql(f"/* progress-view: {name} */"))
    )


#: The stamp by which an unchanged answer is recognised: one look-up by primary key.
STAMP: Final = _learner_and("stamp")

#: Everything that does not depend on a day: sums, streak, levels, unlocks, counters.
_STATE: Final[tuple[ColumnElement[Any], ...]] = (
    *_DAYS,
    learner.c.counters,
    _cells(learner_total, "topic", "difficulty").scalar_subquery().label("totals"),
    _levels().scalar_subquery().label("levels"),
    _rows(achievement_unlock, "achievement_id", "unlocked_at")
    .where(_of_learner(achievement_unlock))
    .scalar_subquery()
    .label("unlocks"),
)
LEARNER_STATE: Final = _learner_and("learner", *_STATE)

#: The same, and from when on completions are kept.
LEARNER_AND_RETENTION: Final = _learner_and("explanation", *_STATE, learner.c.completions_kept_from)

#: The learner's state, and the sums of each day of a window.
LEARNER_AND_DAYS: Final = _learner_and("page", *_STATE, _days_within().label("days"))

#: The sums and the level of one topic.
TOPIC: Final = _learner_and(
    "topic",
    _cells(learner_total, "topic", "difficulty")
    .where(learner_total.c.topic == bindparam("topic"))
    .scalar_subquery()
    .label("totals"),
    _levels().where(skill_level.c.topic == bindparam("topic")).scalar_subquery().label("levels"),
)

#: The sums over all days, and those of each day of a window, per topic and difficulty.
STATISTICS: Final = _learner_and(
    "statistics",
    _cells(learner_total, "topic", "difficulty").scalar_subquery().label("totals"),
    _cells(learner_day, "local_day", "topic", "difficulty")
    .where(learner_day.c.local_day.between(bindparam("first_day"), bindparam("last_day")))
    .scalar_subquery()
    .label("days"),
)

#: What the learner prefers, column by column; all of them null where nothing was ever set.
_PREFERENCE: Final = tuple(
    learner_preference.c[name].label(f"preferred_{name}") for name in preferences.COLUMNS
)


def _of_goal(day: ColumnElement[Any]) -> ScalarSelect[Any]:
    """A day that follows from the learner's goal; null without one."""
    return (
        select(day)
        .where(_of_learner(learner_preference), learner_preference.c.goal_measure.is_not(None))
        .scalar_subquery()
    )


def _days_of_goal() -> ScalarSelect[Any]:
    """The sums of each day that may count towards the learner's goal; null without a goal."""
    goal = learner_preference.c
    # A learner's day may begin up to 35 hours after the same day in UTC.
    chosen_on = cast(func.timezone("UTC", goal.issued_at), Date) - 2
    first = case((goal.goal_by.is_(None), bindparam("first_day", type_=Date)), else_=chosen_on)
    return _sums_of_days(_of_goal(first), _of_goal(func.coalesce(goal.goal_by, _EVER)))


def _with_preference(name: str, *columns: ColumnElement[Any]) -> Select[Any]:
    """The same with what the learner prefers."""
    return _learner_and(name, *_PREFERENCE, *columns).outerjoin_from(
        learner, learner_preference, learner_preference.c.user_id == learner.c.user_id
    )


#: What the learner prefers.
PREFERENCES: Final = _with_preference("preferences")

#: The days that streaks are made of, what the learner prefers, and the days of the learner's goal.
STREAK: Final = _with_preference("streak", *_DAYS, _days_of_goal().label("goal_days"))

#: The sums of each day of a window, those of all days before it, days of streaks, unlocks' days.
HISTORY: Final = _learner_and(
    "history",
    *_DAYS,
    _days_before().label("before"),
    _days_within().label("days"),
    _rows(achievement_unlock, "achievement_id", "local_day")
    .where(_of_learner(achievement_unlock))
    .scalar_subquery()
    .label("unlocks"),
)


def _newer_than_known(table: Table, *columns: str) -> ScalarSelect[Any]:
    """The rows of a changed learner that a later save wrote than the one that is known."""
    return (
        _rows(table, *columns, "learner_version")
        .where(
            table.c.user_id == learner.c.user_id, table.c.learner_version > _WATCHED.c.newer_than
        )
        .correlate(learner, _WATCHED)
        .scalar_subquery()
    )


def _sum_of_learner(name: str) -> ScalarSelect[Any]:
    return (
        select(func.coalesce(func.sum(learner_total.c[name]), 0))
        .where(learner_total.c.user_id == learner.c.user_id)
        .correlate(learner)
        .scalar_subquery()
    )


def _changes() -> Select[Any]:
    """How many of the watched learners there are, and each that has another version than known."""
    changed = func.json_build_array(
        _WATCHED.c.number,
        learner.c.version,
        learner.c.first_version,
        _RULE_BOOK,
        learner.c.gamification,
        _sum_of_learner("completions"),
        _sum_of_learner("time_spent_seconds"),
        _newer_than_known(achievement_unlock, "achievement_id", "occurrence", "unlocked_at"),
        _newer_than_known(skill_level, *LEVEL.columns[1:]),
    )
    lines = func.string_agg(cast(changed, Text), _LINE_BREAK)
    return (
        select(
            func.count().label("found"),
            lines.filter(learner.c.version != _WATCHED.c.known_version).label("changes"),
        )
        .select_from(_WATCHED.join(learner, learner.c.user_id == _WATCHED.c.user_id))
        .prefix_with(sql("/* progress-view: changes */"))
    )


#: The learners whom somebody watches. Each parameter is an array.
_WATCHED: Final = (
    func.unnest(
        bindparam("user_ids", type_=ARRAY(Text)),
        bindparam("known_versions", type_=ARRAY(BigInteger)),
        bindparam("newer_than", type_=ARRAY(BigInteger)),
    )
    .table_valued(
        column("user_id", Text),
        column("known_version", BigInteger),
        column("newer_than", BigInteger),
        with_ordinality="number",
    )
    .render_derived()
    .alias("watched")
)
#: Whoever of many learners has changed, and what is new.
CHANGES: Final = _changes()

#: Whether the view's tables are there and may be read.
READY: Final = select(learner.c.version).limit(1).prefix_with(sql("/* progress-view: ready */"))

#: The rule book of a version, and the newest version.
RULE_BOOK: Final = select(rule_book.c.content).where(rule_book.c.version == bindparam("version"))
NEWEST_RULE_BOOK: Final = select(func.max(rule_book.c.version).label("version"))

#: How many learners hold what, as it was counted last. Where nobody counts any more, this ends.
RARITY: Final = (
    select(
        achievement_rarity.c.stored_at, achievement_rarity.c.learners, achievement_rarity.c.holders
    )
    .where(
        achievement_rarity.c.state == literal_column("'counted'", Text),
        achievement_rarity.c.stored_at > literal_column("now() - interval '31 days'"),
    )
    .prefix_with(sql("/* progress-view: rarity */"))
)
