"""A completion's offset from UTC, the start of its day and its cohort.

The columns may be null: existing rows have no values, and workers of the release before, which go
on while this one starts, leave them out.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("completion", sa.Column("utc_offset_minutes", sa.SmallInteger))
    op.add_column("completion", sa.Column("day_starts_at", sa.SmallInteger))
    op.add_column("completion", sa.Column("cohort", sa.Text))


def downgrade() -> None:
    op.drop_column("completion", "cohort")
    op.drop_column("completion", "day_starts_at")
    op.drop_column("completion", "utc_offset_minutes")
