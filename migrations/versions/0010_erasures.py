"""Erased learners: the list of hashes, receipts, and the barrier in a learner's row.

The column may be null, and workers of the release before leave it as it is. They do not know the
list, so no learner can be erased before they are gone.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    now = sa.func.now()
    op.add_column("learner", sa.Column("erased_until", sa.DateTime(timezone=True)))
    op.create_table(
        "erasure",
        sa.Column("user_hash", sa.LargeBinary, nullable=False),
        sa.Column("barrier", sa.DateTime(timezone=True), nullable=False),
        sa.Column("erasure_id", sa.Uuid, nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=False, server_default=now),
        sa.PrimaryKeyConstraint("user_hash", name="pk_erasure"),
    )
    op.create_table(
        "erasure_receipt",
        sa.Column("erasure_id", sa.Uuid, nullable=False),
        sa.Column("barrier", sa.DateTime(timezone=True), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=False, server_default=now),
        sa.Column("release", sa.Text, nullable=False),
        sa.Column("deleted", JSONB, nullable=False),
        sa.PrimaryKeyConstraint("erasure_id", name="pk_erasure_receipt"),
    )
    op.create_table(
        "erasure_pepper",
        sa.Column("id", sa.SmallInteger, nullable=False, server_default="1"),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_erasure_pepper"),
    )


def downgrade() -> None:
    for table in ("erasure_pepper", "erasure_receipt", "erasure"):
        op.drop_table(table)
    op.drop_column("learner", "erased_until")
