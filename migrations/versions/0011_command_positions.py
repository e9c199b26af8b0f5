"""How far this database has applied the commands of each partition.

Workers of the release before do not write it. What they carry out meanwhile may be read once more,
which changes nothing.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "command_position",
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("next_offset", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("topic", "partition", name="pk_command_position"),
    )


def downgrade() -> None:
    op.drop_table("command_position")
