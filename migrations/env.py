"""Runs the migrations on the connection that `progress_worker.storage.schema.migrate` hands over.

A new table that belongs to learners must be one of `LEARNER_TABLES`, and each of its keys must
begin with `user_id`. Then Citus can distribute it: `progress-worker distribute` does so after the
migration.
"""

from alembic import context

from progress_worker.storage.schema.local_tables import all_tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=all_tables,
    transaction_per_migration=True,
    compare_server_default=True,
)
with context.begin_transaction():
    context.run_migrations()
