"""Occurrences, generations and evidence of unlocks, counts in buckets, and a walk's rate.

Existing unlocks are of the first occurrence and generation. Workers of the release before go on
while this one starts, and know no others: a rule book that repeats achievements waits for them. The
new primary key is made beside the old one, so nobody waits for it. What it does can be repeated,
because it is committed in parts.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_UNLOCK_COLUMNS = {
    "occurrence": "integer NOT NULL DEFAULT 1",
    "generation": "integer NOT NULL DEFAULT 1",
    "evidence": "json",
    "rules_digest": "text",
    "recorded_at": "timestamp with time zone",
}


def upgrade() -> None:
    for name, kind in _UNLOCK_COLUMNS.items():
        op.execute(f"ALTER TABLE achievement_unlock ADD COLUMN IF NOT EXISTS {name} {kind}")
    # Set apart from the column, so that unlocks of before have no time.
    op.execute("ALTER TABLE achievement_unlock ALTER COLUMN recorded_at SET DEFAULT now()")
    with op.get_context().autocommit_block():
        # What is left of an attempt that was interrupted.
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_achievement_unlock_occurrence")
        op.execute(
            "CREATE UNIQUE INDEX CONCURRENTLY ix_achievement_unlock_occurrence"
            " ON achievement_unlock (user_id, achievement_id, occurrence)"
        )
    op.execute("ALTER TABLE achievement_unlock DROP CONSTRAINT pk_achievement_unlock")
    op.execute(
        "ALTER TABLE achievement_unlock ADD CONSTRAINT pk_achievement_unlock"
        " PRIMARY KEY USING INDEX ix_achievement_unlock_occurrence"
    )
    op.execute("ALTER TABLE learner ADD COLUMN lost_unlocks jsonb")
    op.execute("ALTER TABLE walk ADD COLUMN learners_per_second real")
    op.create_table(
        "learner_counter",
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("bucket", sa.Text, nullable=False),
        sa.Column("n", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "key", "bucket", name="pk_learner_counter"),
        postgresql_with={"fillfactor": "80"},
    )


def downgrade() -> None:
    op.drop_table("learner_counter")
    op.drop_column("walk", "learners_per_second")
    op.drop_column("learner", "lost_unlocks")
    # The release before knows one unlock of an achievement: the first is kept.
    op.execute(
        "DELETE FROM achievement_unlock AS u USING achievement_unlock AS earlier"
        " WHERE u.user_id = earlier.user_id AND u.achievement_id = earlier.achievement_id"
        " AND u.occurrence > earlier.occurrence"
    )
    op.execute("ALTER TABLE achievement_unlock DROP CONSTRAINT pk_achievement_unlock")
    op.create_primary_key(
        "pk_achievement_unlock", "achievement_unlock", ["user_id", "achievement_id"]
    )
    for name in _UNLOCK_COLUMNS:
        op.drop_column("achievement_unlock", name)
