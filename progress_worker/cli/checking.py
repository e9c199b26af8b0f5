"""Commands that check a deployment: `doctor`, `config check` and `topics`."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

import typer

from progress_worker.cli.common import Commands, Json, print_json

checking_cli = typer.Typer()
topics_cli = typer.Typer(
    cls=Commands, help="Create and check the Kafka topics.", no_args_is_help=True
)
config_cli = typer.Typer(cls=Commands, help="Check the settings.", no_args_is_help=True)
for name, group in (("topics", topics_cli), ("config", config_cli)):
    checking_cli.add_typer(group, name=name)


@topics_cli.command("create")
def topics_create() -> None:
    """Create the topics that are missing."""
    from progress_worker.kafka.topics import create_topics  # noqa: PLC0415
    from progress_worker.settings.kafka import load_kafka_settings  # noqa: PLC0415

    created = asyncio.run(create_topics(load_kafka_settings()))
    typer.echo(f"Created: {', '.join(created)}." if created else "All topics exist.")


@topics_cli.command("check")
def topics_check(as_json: Json = False) -> None:
    """Compare the topics with what this deployment needs; exit status 1 if they differ."""
    from progress_worker.kafka.topics import check_topics  # noqa: PLC0415
    from progress_worker.settings.kafka import load_kafka_settings  # noqa: PLC0415

    complaints = asyncio.run(check_topics(load_kafka_settings()))
    if as_json:
        print_json({"as_wanted": not complaints, "differences": complaints})
    else:
        typer.echo("\n".join(complaints) or "The topics are as wanted.")
    if complaints:
        raise typer.Exit(1)


@config_cli.command("check")
def config_check(
    command: Annotated[
        Literal["worker", "api", "migrate"],
        typer.Option("--for", help="The command whose settings to check."),
    ] = "worker",
    as_json: Json = False,
) -> None:
    """Print the settings that a command would use; exit status 1 if something is wrong."""
    from progress_worker.doctor.configuration import Command, check_configuration  # noqa: PLC0415

    checked = check_configuration(Command(command))
    if as_json:
        print_json(
            {
                "settings": [
                    {"variable": used.variable, "value": used.value, "source": used.source}
                    for used in checked.settings
                ],
                "rule_book": checked.rules and checked.rules.summary(),
            }
        )
        return
    width = max(len(used.variable) for used in checked.settings)
    for used in checked.settings:
        typer.echo(f"{used.variable:{width}}  {used.source:11}  {used.value}".rstrip())
    if checked.rules is not None:
        typer.echo(str(checked.rules))


@checking_cli.command()
def doctor(
    command: Annotated[
        Literal["worker", "api"] | None,
        typer.Option("--for", help="What to examine; by default what is set."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Connect to everything and print what is wrong; exit status 1 if anything is."""
    if not asyncio.run(_examine(command, as_json=as_json)):
        raise typer.Exit(1)


async def _examine(command: Literal["worker", "api"] | None, *, as_json: bool) -> bool:
    from progress_worker.doctor.examination import examine  # noqa: PLC0415

    findings = []
    async for finding in examine(command):
        findings.append(finding)
        if not as_json:
            typer.echo(f"{'wrong' if finding.wrong else 'ok':5}  {finding.sentence}")
    well = not any(finding.wrong for finding in findings)
    if as_json:
        print_json({"well": well, "findings": [finding._asdict() for finding in findings]})
    return well
