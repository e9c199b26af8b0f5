"""Writes the chart's values.schema.json: which values there are, and each process's variables.

The variables come from the settings classes, with their types and limits. Secrets are no values:
only the name of the Secret that holds one is.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, SecretStr
from pydantic.json_schema import GenerateJsonSchema

from progress_worker.doctor.configuration import KINDS, Command, variables
from progress_worker.settings.kafka import KafkaSettings

CHART: Final = Path(__file__).resolve().parent / "progress-worker"
SCHEMA: Final = CHART / "values.schema.json"

_Schema = dict[str, Any]
_TEXT: Final[_Schema] = {"type": "string"}
_NAME: Final[_Schema] = {"type": "string", "minLength": 1}
_FLAG: Final[_Schema] = {"type": "boolean"}
_COUNT: Final[_Schema] = {"type": "integer", "minimum": 0}
_PORT: Final[_Schema] = {"type": "integer", "minimum": 1, "maximum": 65_535}
_TEXTS: Final[_Schema] = {"type": "object", "additionalProperties": _TEXT}
#: Kubernetes checks what is in these.
_OBJECT: Final[_Schema] = {"type": "object"}
_LIST: Final[_Schema] = {"type": "array", "items": _OBJECT}
#: What says nothing about a value.
_NOTES: Final = ("title", "default", "format", "writeOnly")


def values_schema() -> str:
    """The content of values.schema.json."""
    schema = {
        "$schema": GenerateJsonSchema.schema_dialect,
        "$defs": {"secret": _SECRET},
        **_closed(
            {
                "global": _OBJECT,
                "image": _IMAGE,
                "ruleBook": _TEXT,
                "worker": _process(KINDS[Command.WORKER], **_REPLICATED),
                "autoscaling": _AUTOSCALING,
                "api": _process(KINDS[Command.API], **_REPLICATED, ingress=_INGRESS),
                "migrate": _process(KINDS[Command.MIGRATE], enabled=_FLAG),
                "topics": _process(KafkaSettings, enabled=_FLAG),
                "networkPolicy": _NETWORK,
                "monitoring": _MONITORING,
            }
        ),
    }
    return json.dumps(schema, indent=2) + "\n"


def _closed(properties: _Schema) -> _Schema:
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _process(kind: type[BaseModel], **more: _Schema) -> _Schema:
    """The values of a process that reads these settings."""
    return _closed(
        {
            "settings": _closed(_settings(kind)),
            "secrets": _closed(
                {variable.name: {"$ref": "#/$defs/secret"} for variable in variables(kind)}
            ),
            "resources": _OBJECT,
            "volumes": _LIST,
            "volumeMounts": _LIST,
            "podAnnotations": _TEXTS,
            "nodeSelector": _TEXTS,
            "tolerations": _LIST,
            "affinity": _OBJECT,
            "priorityClassName": _TEXT,
            "serviceAccountName": _TEXT,
            **more,
        }
    )


def _settings(kind: type[BaseModel]) -> _Schema:
    described = kind.model_json_schema()["properties"]
    return {
        variable.name: _typed(described[variable.path[0]])
        for variable in variables(kind)
        if not _is_secret(variable.field.annotation)
    }


def _is_secret(annotation: object) -> bool:
    return annotation is SecretStr or SecretStr in getattr(annotation, "__args__", ())


def _typed(described: _Schema) -> _Schema:
    """Without what may be left out: a value that is not set is not written."""
    (kind,) = [part for part in described.get("anyOf", [described]) if part.get("type") != "null"]
    told = {"description": described["description"]}
    return told | {name: part for name, part in kind.items() if name not in _NOTES}


_SECRET: Final = _closed({"name": _NAME, "key": _NAME}) | {"required": ["name"]}
_REPLICATED: Final = {"replicas": _COUNT, "maxUnavailable": {"type": ["integer", "string"]}}
_IMAGE: Final = _closed(
    {
        "repository": _NAME,
        "tag": _TEXT,
        "digest": {"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"},
        "pullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]},
        "pullSecrets": {"type": "array", "items": _NAME},
    }
)
_AUTOSCALING: Final = _closed(
    {
        "enabled": _FLAG,
        "minReplicas": _COUNT,
        "maxReplicas": {"type": ["integer", "null"], "minimum": 1},
        "lagThreshold": {"type": "integer", "minimum": 1},
        "authentication": _TEXT,
    }
)
_INGRESS: Final = _closed(
    {
        "enabled": _FLAG,
        "className": _TEXT,
        "annotations": _TEXTS,
        "host": _TEXT,
        "tlsSecret": _TEXT,
    }
) | {
    "if": {"properties": {"enabled": {"const": True}}},
    "then": {"properties": {"host": _NAME}},
}
_DESTINATION: Final = _closed({"port": _PORT, "to": _LIST})
_NETWORK: Final = _closed(
    {
        "enabled": _FLAG,
        "workerFrom": _LIST,
        "apiFrom": _LIST,
        **dict.fromkeys(("kafka", "postgres", "issuer", "collector"), _DESTINATION),
    }
)
_MONITORING: Final = _closed(
    {
        "labels": _TEXTS,
        "interval": {"type": "string", "pattern": "^[0-9]+(ms|s|m)$"},
        **dict.fromkeys(("podMonitors", "rules", "dashboards"), _FLAG),
        "dashboardLabels": _TEXTS,
    }
)

if __name__ == "__main__":
    SCHEMA.write_text(values_schema(), encoding="utf-8")
