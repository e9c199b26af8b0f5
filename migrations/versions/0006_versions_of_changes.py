"""Which version of a learner wrote an unlock or a level, and the learner's first version.

The columns may be null: existing rows have no values, and workers of the release before, which go
on while this one starts, leave them out. Such an unlock or level is shown like any other, but no
live update announces it. A learner without a first version was never erased.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("learner", sa.Column("first_version", sa.BigInteger))
    op.add_column("skill_level", sa.Column("learner_version", sa.BigInteger))
    op.add_column("achievement_unlock", sa.Column("learner_version", sa.BigInteger))


def downgrade() -> None:
    op.drop_column("achievement_unlock", "learner_version")
    op.drop_column("skill_level", "learner_version")
    op.drop_column("learner", "first_version")
