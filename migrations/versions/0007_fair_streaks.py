"""Starts of days, excuses, the travel guard and warnings of streaks at risk.

The columns may be null: existing rows have no values, and workers of the release before, which go
on while this one starts, leave them out. The walk derives a learner without `complete_at` again.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import DATEMULTIRANGE

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("excused_days", "travel_days"):
        op.add_column("learner", sa.Column(name, DATEMULTIRANGE))
    for name in ("utc_offset_minutes", "day_starts_at", "least_day_offset", "most_day_offset"):
        op.add_column("learner", sa.Column(name, sa.SmallInteger))
    op.add_column("learner", sa.Column("day_starts_completed_at", sa.DateTime(timezone=True)))
    op.add_column("learner", sa.Column("day_starts_event_id", sa.Uuid))
    op.add_column("learner", sa.Column("complete_at", sa.BigInteger))
    op.add_column("completion", sa.Column("local_day_hour", sa.SmallInteger))
    op.create_table(
        "excuse",
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("excuse_id", sa.Uuid, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("revoked", sa.Boolean, nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("first_day", sa.Date, nullable=False),
        sa.Column("last_day", sa.Date, nullable=False),
        sa.Column(
            "stored_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()
        ),
        sa.PrimaryKeyConstraint("user_id", "excuse_id", name="pk_excuse"),
    )
    op.create_table(
        "streak_expiry",
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("warned_for", sa.DateTime(timezone=True)),
        sa.Column("warned_on", sa.Date),
        sa.PrimaryKeyConstraint("user_id", name="pk_streak_expiry"),
    )
    op.create_index(
        "ix_streak_expiry_expires_at",
        "streak_expiry",
        ["expires_at"],
        postgresql_where=sa.text("warned_for IS DISTINCT FROM expires_at"),
    )


def downgrade() -> None:
    op.drop_table("streak_expiry")
    op.drop_table("excuse")
    op.drop_column("completion", "local_day_hour")
    for name in (
        "excused_days",
        "travel_days",
        "utc_offset_minutes",
        "day_starts_at",
        "day_starts_completed_at",
        "day_starts_event_id",
        "least_day_offset",
        "most_day_offset",
        "complete_at",
    ):
        op.drop_column("learner", name)
