"""Adds the time from which a learner's completions are kept, once older ones were deleted."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("learner", sa.Column("completions_kept_from", sa.DateTime(timezone=True)))


def downgrade() -> None:
    op.drop_column("learner", "completions_kept_from")
