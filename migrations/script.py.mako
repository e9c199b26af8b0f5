"""${message}"""
<%doc>
    Workers of the release before run on while this one is applied, and afterwards. They copy rows in
    by the binary form of their types: a wider number is a new column, not another type of the old one,
    or they wait (08P01) until they are replaced. Nothing may rest on what they do not keep to: rows that
    are deleted here may be in their memory (their UPDATE finds nothing), and are written again. What is made outside
    of a transaction (op.get_context().autocommit_block()) is not taken back when it fails, and is tried
    again: an index made concurrently waits for long readers, so set lock_timeout to 0 before it, and
    drop what an earlier try has left.
</%doc>

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
