"""How many learners hold each achievement, as it was counted last.

A new table, which nobody else waits for. What it does can be repeated.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "achievement_rarity",
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("learners", sa.BigInteger, nullable=False),
        sa.Column("holders", JSONB, nullable=False),
        sa.Column(
            "stored_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()
        ),
        sa.PrimaryKeyConstraint("state", name="pk_achievement_rarity"),
        if_not_exists=True,
    )


def downgrade() -> None:
    op.drop_table("achievement_rarity")
    op.execute("DELETE FROM walk WHERE name = 'rarity'")
