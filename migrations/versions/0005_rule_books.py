"""Rule books in the database, walks over all learners, and how many exercises were passed.

Learners name the rule book by which they are complete. The new columns may be null or have a
default: workers of the release before, which go on while this one starts, leave them out. They
raise a learner's version but not `rule_book_at`, so that the learner counts as incomplete and the
walk derives it again.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("learner", sa.Column("rule_book", sa.Integer))
    op.add_column("learner", sa.Column("rule_book_at", sa.BigInteger))
    for table in ("learner_total", "learner_day"):
        op.add_column(table, sa.Column("passed", sa.Integer, nullable=False, server_default="0"))
    op.create_table(
        "rule_book",
        sa.Column("version", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("format", sa.Integer, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        _now("activated_at"),
        sa.PrimaryKeyConstraint("version", name="pk_rule_book"),
    )
    op.create_table(
        "running_worker",
        sa.Column("instance", sa.Text, nullable=False),
        sa.Column("release", sa.Text, nullable=False),
        sa.Column("reads_format", sa.Integer, nullable=False),
        _now("seen_at"),
        sa.PrimaryKeyConstraint("instance", name="pk_running_worker"),
    )
    op.create_table(
        "walk",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("rule_book", sa.Integer),
        sa.Column("after_user_id", sa.Text, nullable=False, server_default=""),
        sa.Column("after_event_id", sa.Uuid),
        sa.Column("examined", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("changed", sa.BigInteger, nullable=False, server_default="0"),
        _now("started_at"),
        _now("moved_at"),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("name", name="pk_walk"),
    )


def _now(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now())


def downgrade() -> None:
    for table in ("walk", "running_worker", "rule_book"):
        op.drop_table(table)
    for table in ("learner_total", "learner_day"):
        op.drop_column(table, "passed")
    op.drop_column("learner", "rule_book_at")
    op.drop_column("learner", "rule_book")
