"""The tables of learners: the primary key of every one begins with user_id."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import DATEMULTIRANGE, JSONB

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _totals() -> list[Column[int]]:
    """Exact sums; grades in hundredths of a percent."""
    return [
        Column("completions", Integer, nullable=False),
        Column("graded", Integer, nullable=False),
        Column("grade_hundredths", BigInteger, nullable=False),
        Column("time_spent_seconds", BigInteger, nullable=False),
        Column("hints_used", BigInteger, nullable=False),
        Column("passed", Integer, nullable=False, server_default="0"),
    ]


#: One row per learner; whatever changes a learner raises `version`.
#: `counters` holds how many completions match each filter of the learner's rule book.
#: `rule_book` is the version of the rule book by which counters, levels and unlocks are complete.
#: It counts while `rule_book_at` is the row's version: a release that does not know rule books
#: raises the version alone.
#: `completions_kept_from` is null until completions of the learner are deleted.
#: `timezone` is what the latest completion named that names one, and the two columns after it say
#: which one that is. Where none names one, they and `utc_offset_minutes` belong to the latest
#: completion. The same for `day_starts_at`, the hour.
#: `excused_days` is the union of the learner's excuses, and `travel_days` what the travel guard
#: excuses beside them. `least_day_offset` and `most_day_offset` are the bounds of how far the
#: learner's days were ahead of days in UTC, in minutes. All of these are complete while
#: `complete_at` is the row's version: a release before 0007 raises the version alone.
#: `lost_unlocks` has the last generation of unlocks that were lost, by achievement and occurrence.
#: `erased_until` is the barrier of the last erasure: what was done up to it is not stored again.
#: `gamification` is that of the learner's preference, null for `on`, so that whoever reads the row
#: need not read the preference too.
#: `first_version` is the version with which the learner began, or began again after an erasure. It
#: is null if a release before 0006 added the learner.
learner: Final = Table(
    "learner",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("active_days", DATEMULTIRANGE, nullable=False),
    Column("timezone", Text),
    Column("timezone_at", DateTime(timezone=True)),
    Column("timezone_event_id", Uuid),
    Column("counters", JSONB, nullable=False),
    Column("completions_kept_from", DateTime(timezone=True)),
    Column("rule_book", Integer),
    Column("rule_book_at", BigInteger),
    Column("first_version", BigInteger),
    Column("utc_offset_minutes", SmallInteger),
    Column("day_starts_at", SmallInteger),
    Column("day_starts_completed_at", DateTime(timezone=True)),
    Column("day_starts_event_id", Uuid),
    Column("excused_days", DATEMULTIRANGE),
    Column("travel_days", DATEMULTIRANGE),
    Column("least_day_offset", SmallInteger),
    Column("most_day_offset", SmallInteger),
    Column("complete_at", BigInteger),
    Column("lost_unlocks", JSONB),
    Column("erased_until", DateTime(timezone=True)),
    Column("gamification", Text),
    postgresql_with={"fillfactor": "80"},
)

#: Every completion at its highest revision, in full; the key makes repeats harmless.
completion: Final = Table(
    "completion",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("event_id", Uuid, primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("revoked", Boolean, nullable=False),
    Column("exercise_id", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("difficulty", Text, nullable=False),
    Column("grade_hundredths", SmallInteger),
    Column("time_spent_seconds", Integer, nullable=False),
    Column("hints_used", SmallInteger, nullable=False),
    Column("completed_at", DateTime(timezone=True), nullable=False),
    Column("timezone", Text),
    Column("local_day", Date, nullable=False),
    Column("utc_offset_minutes", SmallInteger),
    Column("day_starts_at", SmallInteger),
    Column("cohort", Text),
    Column("stored_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("local_day_hour", SmallInteger),
)

#: Days that the platform excused: an adjustment at its highest revision.
excuse: Final = Table(
    "excuse",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("excuse_id", Uuid, primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("revoked", Boolean, nullable=False),
    Column("issued_at", DateTime(timezone=True), nullable=False),
    Column("kind", Text, nullable=False),
    Column("first_day", Date, nullable=False),
    Column("last_day", Date, nullable=False),
    Column("stored_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

#: What a learner prefers, by the highest revision; without a row, all of it is the default. A goal
#: has a measure and a target, or neither.
learner_preference: Final = Table(
    "learner_preference",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("issued_at", DateTime(timezone=True), nullable=False),
    Column("boards", Text, nullable=False),
    Column("display_name", Text),
    Column("gamification", Text, nullable=False),
    Column("goal_measure", Text),
    Column("goal_target", Integer),
    Column("goal_by", Date),
    Column("stored_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

#: A learner's sums per topic and difficulty, over all days; any other total is a sum of these.
learner_total: Final = Table(
    "learner_total",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("topic", Text, primary_key=True),
    Column("difficulty", Text, primary_key=True),
    *_totals(),
    CheckConstraint("completions >= 0 AND graded >= 0", name="counts"),
    postgresql_with={"fillfactor": "80"},
)

#: The daily snapshot: the same sums for one local day. A sum that came down to zero has no row.
learner_day: Final = Table(
    "learner_day",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("local_day", Date, primary_key=True),
    Column("topic", Text, primary_key=True),
    Column("difficulty", Text, primary_key=True),
    *_totals(),
    CheckConstraint("completions >= 0 AND graded >= 0", name="counts"),
    postgresql_with={"fillfactor": "80"},
)

#: A learner's level in a topic, once it was other than beginner. `learner_version` is the learner's
#: version of the save that changed it last. A release before 0006 leaves it as it is, or null.
skill_level: Final = Table(
    "skill_level",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("topic", Text, primary_key=True),
    Column("level", Text, nullable=False),
    Column("previous_level", Text, nullable=False),
    Column("level_updated_at", DateTime(timezone=True), nullable=False),
    Column("learner_version", BigInteger),
)

#: What a filter with a window counts in each day, week or month, and what a filter over distinct
#: exercises counts for each of them. A count that came down to zero has no row.
learner_counter: Final = Table(
    "learner_counter",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("bucket", Text, primary_key=True),
    Column("n", BigInteger, nullable=False),
    postgresql_with={"fillfactor": "80"},
)

#: At most one row per learner, achievement and occurrence; with what explains it. A row is deleted
#: only where the achievement's `revocation` is `withdraw`. `evidence` is the tree of what was
#: measured, null for a rule that is not made of others. `learner_version` is the learner's version
#: of the save that wrote it. It is null if a release before 0006 did, and the digest and
#: `recorded_at` are null if a release before 0008 did.
achievement_unlock: Final = Table(
    "achievement_unlock",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("achievement_id", Text, primary_key=True),
    Column("occurrence", Integer, primary_key=True, server_default="1"),
    Column("unlocked_at", DateTime(timezone=True), nullable=False),
    Column("local_day", Date, nullable=False),
    Column("triggering_event_id", Uuid, nullable=False),
    Column("rule_version", Integer, nullable=False),
    Column("measure", Text, nullable=False),
    Column("value", BigInteger, nullable=False),
    Column("target", BigInteger, nullable=False),
    Column("backdated", Boolean, nullable=False),
    Column("learner_version", BigInteger),
    Column("generation", Integer, nullable=False, server_default="1"),
    Column("evidence", JSON),
    Column("rules_digest", Text),
    Column("recorded_at", DateTime(timezone=True), server_default=func.now()),
)

#: When a learner's streak is lost unless the learner does something; kept while warnings are on.
#: It is long ago for a learner without a streak. Nobody writes it while warnings are off, so it may
#: be out of date. `warned_for` is the time that a warning was published for, and `warned_on` the
#: learner's day then.
streak_expiry: Final = Table(
    "streak_expiry",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("warned_for", DateTime(timezone=True)),
    Column("warned_on", Date),
    Index(
        "ix_streak_expiry_expires_at",
        "expires_at",
        postgresql_where=text("warned_for IS DISTINCT FROM expires_at"),
    ),
)

#: The tables that Citus distributes by user_id; all others stay local.
LEARNER_TABLES: Final = (
    learner,
    completion,
    excuse,
    learner_preference,
    learner_total,
    learner_day,
    learner_counter,
    skill_level,
    achievement_unlock,
    streak_expiry,
)
