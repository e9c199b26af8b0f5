"""Runs the migrations on the connection that `progress_worker.storage.migrate` hands over."""

from alembic import context

from progress_worker.storage.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transaction_per_migration=True,
    compare_server_default=True,
)
with context.begin_transaction():
    context.run_migrations()
