"""The command line: every command reads its settings and calls one thing.

May import: app, deadletters, demo, doctor, domain, errors, events, generator, http, kafka,
outbox, published, settings, sizing, storage, trying, walks.
"""

from progress_worker.cli.entry import cli, main

__all__ = ["cli", "main"]
