"""Learners, their completions and what is derived from them; the outbox."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _totals() -> list[sa.Column[int]]:
    return [
        sa.Column("completions", sa.Integer, nullable=False),
        sa.Column("graded", sa.Integer, nullable=False),
        sa.Column("grade_hundredths", sa.BigInteger, nullable=False),
        sa.Column("time_spent_seconds", sa.BigInteger, nullable=False),
        sa.Column("hints_used", sa.BigInteger, nullable=False),
    ]


def upgrade() -> None:
    op.create_table(
        "learner",
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("active_days", postgresql.DATEMULTIRANGE, nullable=False),
        sa.Column("timezone", sa.Text),
        sa.Column("timezone_at", sa.DateTime(timezone=True)),
        sa.Column("timezone_event_id", sa.Uuid),
        sa.Column("counters", postgresql.JSONB, nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_learner"),
        postgresql_with={"fillfactor": "80"},
    )
    op.create_table(
        "completion",
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("event_id", sa.Uuid, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("revoked", sa.Boolean, nullable=False),
        sa.Column("exercise_id", sa.Text, nullable=False),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("difficulty", sa.Text, nullable=False),
        sa.Column("grade_hundredths", sa.SmallInteger),
        sa.Column("time_spent_seconds", sa.Integer, nullable=False),
        sa.Column("hints_used", sa.SmallInteger, nullable=False),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("timezone", sa.Text),
        sa.Column("local_day", sa.Date, nullable=False),
        sa.Column(
            "stored_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()
        ),
        sa.PrimaryKeyConstraint("user_id", "event_id", name="pk_completion"),
    )
    op.create_table(
        "learner_total",
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("difficulty", sa.Text, nullable=False),
        *_totals(),
        sa.PrimaryKeyConstraint("user_id", "topic", "difficulty", name="pk_learner_total"),
        sa.CheckConstraint(
            "completions >= 0 AND graded >= 0", name=op.f("ck_learner_total_counts")
        ),
        postgresql_with={"fillfactor": "80"},
    )
    op.create_table(
        "learner_day",
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("local_day", sa.Date, nullable=False),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("difficulty", sa.Text, nullable=False),
        *_totals(),
        sa.PrimaryKeyConstraint(
            "user_id", "local_day", "topic", "difficulty", name="pk_learner_day"
        ),
        sa.CheckConstraint("completions >= 0 AND graded >= 0", name=op.f("ck_learner_day_counts")),
        postgresql_with={"fillfactor": "80"},
    )
    op.create_table(
        "skill_level",
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("level", sa.Text, nullable=False),
        sa.Column("previous_level", sa.Text, nullable=False),
        sa.Column("level_updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "topic", name="pk_skill_level"),
    )
    op.create_table(
        "achievement_unlock",
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("achievement_id", sa.Text, nullable=False),
        sa.Column("unlocked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("local_day", sa.Date, nullable=False),
        sa.Column("triggering_event_id", sa.Uuid, nullable=False),
        sa.Column("rule_version", sa.Integer, nullable=False),
        sa.Column("measure", sa.Text, nullable=False),
        sa.Column("value", sa.BigInteger, nullable=False),
        sa.Column("target", sa.BigInteger, nullable=False),
        sa.Column("backdated", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "achievement_id", name="pk_achievement_unlock"),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("key", sa.LargeBinary),
        sa.Column("value", sa.LargeBinary),
        sa.Column("headers", sa.JSON, nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()
        ),
        sa.Column("parked", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
    )
    # The outbox is a queue. Its dead rows must be removed before they slow down its reader.
    op.execute(
        "ALTER TABLE outbox SET (autovacuum_vacuum_scale_factor = 0,"
        " autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0)"
    )


def downgrade() -> None:
    for table in (
        "outbox",
        "achievement_unlock",
        "skill_level",
        "learner_day",
        "learner_total",
        "completion",
        "learner",
    ):
        op.drop_table(table)
