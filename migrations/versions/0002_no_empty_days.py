"""Removes the rows of days whose sums came down to zero."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("DELETE FROM learner_day WHERE completions = 0")


def downgrade() -> None:
    pass
