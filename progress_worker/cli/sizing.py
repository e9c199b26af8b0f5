"""`progress-worker sizing`: what a platform takes, from what one event costs."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from progress_worker.cli.common import Json, print_json

#: More than there are people.
_MOST_LEARNERS = 10_000_000_000
_MOST_EVENTS = 1_000_000_000_000


def sizing(
    learners: Annotated[
        int, typer.Option(min=1, max=_MOST_LEARNERS, help="How many learners there are.")
    ],
    events_per_day: Annotated[
        int,
        typer.Option(min=1, max=_MOST_EVENTS, help="How many exercises all finish on a day."),
    ],
    peak_factor: Annotated[
        float,
        typer.Option(min=1, max=1_000, help="How many times the average a second at the peak has."),
    ] = 10.0,
    active_share: Annotated[
        float,
        typer.Option(min=0, max=1, help="The share of learners who are active on a day."),
    ] = 0.1,
    page_views: Annotated[
        float,
        typer.Option(min=0, max=10_000, help="How often an active learner looks on a day."),
    ] = 5.0,
    completion_days: Annotated[
        int | None,
        typer.Option(
            min=366, max=36_500, help="PROGRESS_COMPLETION_RETENTION_DAYS, if you will set it."
        ),
    ] = None,
    nodes: Annotated[
        int | None,
        typer.Option(
            min=1, max=1_000, help="Nodes of Citus; by default as many as the disk asks for."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Print how many workers and how much Postgres and Kafka a platform takes."""
    from progress_worker.sizing.estimate import Platform, estimate  # noqa: PLC0415
    from progress_worker.sizing.text import sizing_text  # noqa: PLC0415

    platform = Platform(
        learners=learners,
        events_per_day=events_per_day,
        peak_factor=peak_factor,
        active_share=active_share,
        page_views=page_views,
        completion_days=completion_days,
        nodes=nodes,
    )
    size = estimate(platform)
    if as_json:
        print_json({"platform": dataclasses.asdict(platform), "size": dataclasses.asdict(size)})
    else:
        typer.echo(sizing_text(platform, size))
