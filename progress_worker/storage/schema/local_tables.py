"""The tables that belong to no learner; they stay on one node of a distributed database."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    JSON,
    REAL,
    BigInteger,
    Column,
    DateTime,
    Identity,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    Uuid,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB

from progress_worker.storage.schema.tables import metadata

#: Records that wait to be published; a row is deleted once Kafka has acknowledged it. Row ids are
#: not in commit order, so the relay takes what is there and never skips ahead. `headers` is a list
#: of [name, content], the content's bytes as Latin-1 text or null. `parked` says why Kafka refused
#: a record for good; such a row waits for an operator.
outbox: Final = Table(
    "outbox",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("topic", Text, nullable=False),
    Column("key", LargeBinary),
    Column("value", LargeBinary),
    Column("headers", JSON, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("parked", Text),
)

#: Every rule book that was ever active, as it was written; the highest version is the active one.
rule_book: Final = Table(
    "rule_book",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("format", Integer, nullable=False),
    Column("content", Text, nullable=False),
    Column("activated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

#: The workers that run now, and which format of rule books each can read.
running_worker: Final = Table(
    "running_worker",
    metadata,
    Column("instance", Text, primary_key=True),
    Column("release", Text, nullable=False),
    Column("reads_format", Integer, nullable=False),
    Column("seen_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

#: How far each walk over all learners has come. A pass that has ended has `finished_at`; the next
#: one starts over. `rule_book` is the version that a pass moves learners to. `learners_per_second`
#: is the rate that an operator asked for, null where the settings decide.
walk: Final = Table(
    "walk",
    metadata,
    Column("name", Text, primary_key=True),
    Column("rule_book", Integer),
    Column("after_user_id", Text, nullable=False, server_default=""),
    Column("after_event_id", Uuid),
    Column("examined", BigInteger, nullable=False, server_default="0"),
    Column("changed", BigInteger, nullable=False, server_default="0"),
    Column("started_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("moved_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("finished_at", DateTime(timezone=True)),
    Column("learners_per_second", REAL),
)

#: How many learners have a completion, and how many of these hold each achievement, by id. The row
#: `counted` holds the result of the last pass of the walk, and the row `counting` the sums of the
#: learners whom the present pass has passed.
achievement_rarity: Final = Table(
    "achievement_rarity",
    metadata,
    Column("state", Text, primary_key=True),
    Column("learners", BigInteger, nullable=False),
    Column("holders", JSONB, nullable=False),
    Column("stored_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

#: Erased learners, by HMAC-SHA256 of their ids, and the latest barrier of each.
erasure: Final = Table(
    "erasure",
    metadata,
    Column("user_hash", LargeBinary, primary_key=True),
    Column("barrier", DateTime(timezone=True), nullable=False),
    Column("erasure_id", Uuid, nullable=False),
    Column("erased_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

#: What each erasure deleted, in rows by table; not of whom.
erasure_receipt: Final = Table(
    "erasure_receipt",
    metadata,
    Column("erasure_id", Uuid, primary_key=True),
    Column("barrier", DateTime(timezone=True), nullable=False),
    Column("erased_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("release", Text, nullable=False),
    Column("deleted", JSONB, nullable=False),
)

#: One row: the HMAC of a fixed word, by which another pepper is noticed.
erasure_pepper: Final = Table(
    "erasure_pepper",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False, server_default="1"),
    Column("digest", LargeBinary, nullable=False),
)

#: The offset after the last command that this database has applied, per partition.
command_position: Final = Table(
    "command_position",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("next_offset", BigInteger, nullable=False),
)

#: Every table, those of learners too.
all_tables: Final = metadata
