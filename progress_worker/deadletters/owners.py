"""Says whose a dead letter is, as far as its key or its value tells."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from typing import Any

from aiokafka import ConsumerRecord


def owners(record: ConsumerRecord) -> set[str]:
    """The learners whom the record's key and its value name; empty where neither tells.

    The value tells if it is JSON: data with a `user_id`, or a structured event that holds such
    data. The two differ in a record that was refused for that.
    """
    named = set(_named(_json(record.value)))
    if record.key is not None:
        named.add(record.key.decode(errors="surrogateescape"))
    return named


def _named(content: Any) -> Iterator[str]:
    if not isinstance(content, dict):
        return
    if isinstance(user_id := content.get("user_id"), str):
        yield user_id
    yield from _named(content.get("data"))
    if isinstance(encoded := content.get("data_base64"), str):
        try:
            yield from _named(_json(base64.b64decode(encoded)))
        except (binascii.Error, ValueError):
            return


def _json(value: bytes | None) -> Any:
    try:
        return json.loads(value or b"null")
    except (ValueError, RecursionError):
        return None
