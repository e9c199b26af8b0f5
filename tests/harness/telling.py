"""A worker's parts by a rule book with freezes, told one fact after the other."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import Any

from progress_worker.generator.wire import Wire
from tests.harness.events import CATALOGUE, Event, records
from tests.harness.storage import Projection, Rows, fetch
from tests.harness.worker import Deployment

_MORE = """
  - {id: four_days, name: Four days, description: Four days in a row., category: streaks,
     tier: silver, points: 30, icon: flame, rule: {streak: {days: 4}}}
"""
_FREEZES = "streak: {freezes: {cap: 2, earn_every: 3}}\n"
WITHOUT_FREEZES = CATALOGUE + _MORE
#: Three active days earn a freeze, and a learner can have two.
FAIR = WITHOUT_FREEZES + _FREEZES
_UNLOCKS = "SELECT achievement_id FROM achievement_unlock WHERE user_id = 'ada' ORDER BY 1"


@dataclass
class Fair:
    """A worker's parts by a rule book with freezes."""

    deployment: Deployment
    parts: Projection

    @property
    def url(self) -> str:
        return self.deployment.database.owner_url

    async def tell(self, *facts: Event | Wire) -> None:
        """Apply them one after the other: a wire is a command, an event a completion."""
        for fact in facts:
            (record,) = records(fact)
            if isinstance(fact, Wire):
                await self.parts.commands.handle(record)
            else:
                await self.parts.retry.run("ingest", partial(self.parts.apply, [record]))

    def rows(self, query: Any, *parameters: object) -> Rows:
        return fetch(self.url, query, *parameters)

    def excused(self, user_id: str = "ada") -> str:
        ((days,),) = self.rows("SELECT excused_days::text FROM learner WHERE user_id = %s", user_id)
        return str(days)

    def unlocked(self) -> list[str]:
        return [name for (name,) in self.rows(_UNLOCKS)]

    def published(self) -> list[dict[str, Any]]:
        return [json.loads(value) for (value,) in self.rows("SELECT value FROM outbox ORDER BY id")]
