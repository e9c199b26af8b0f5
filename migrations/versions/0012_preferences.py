"""What learners prefer, and how much of the game, in the learner's row.

The column may be null, and workers of the release before leave it as it is. They refuse the
command.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("learner", sa.Column("gamification", sa.Text))
    op.create_table(
        "learner_preference",
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("boards", sa.Text, nullable=False),
        sa.Column("display_name", sa.Text),
        sa.Column("gamification", sa.Text, nullable=False),
        sa.Column("goal_measure", sa.Text),
        sa.Column("goal_target", sa.Integer),
        sa.Column("goal_by", sa.Date),
        sa.Column(
            "stored_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()
        ),
        sa.PrimaryKeyConstraint("user_id", name="pk_learner_preference"),
    )


def downgrade() -> None:
    op.drop_table("learner_preference")
    op.drop_column("learner", "gamification")
