"""Commands that change the database's tables: `migrate`, `distribute`."""

from __future__ import annotations

from typing import Annotated

import typer

migrating_cli = typer.Typer()


@migrating_cli.command()
def migrate(
    revision: Annotated[
        str, typer.Option(help="The revision to upgrade or downgrade to.")
    ] = "head",
) -> None:
    """Bring the database to this release's schema and grant the roles."""
    from progress_worker.settings.complaints import naming  # noqa: PLC0415
    from progress_worker.settings.migration import load_migration_settings  # noqa: PLC0415
    from progress_worker.storage.schema.migrate import migrate as run  # noqa: PLC0415

    settings = load_migration_settings()
    with naming(settings.owner_variable):
        reached = run(settings.owner_url, revision, settings.worker_role, settings.view_role)
    typer.echo(f"The database is at revision {reached}.")


@migrating_cli.command()
def distribute(
    shards: Annotated[
        int, typer.Option(min=1, help="Shards of each table; never changes again.")
    ] = 32,
) -> None:
    """Distribute the migrated learner tables over a Citus cluster. You may run it again."""
    from progress_worker.settings.complaints import naming  # noqa: PLC0415
    from progress_worker.settings.migration import load_migration_settings  # noqa: PLC0415
    from progress_worker.storage.schema.distribution import distribute as run  # noqa: PLC0415

    settings = load_migration_settings()
    with naming(settings.owner_variable):
        done = run(settings.owner_url, shards)
    typer.echo(f"Distributed: {', '.join(done)}." if done else "All tables are distributed.")
