"""JSON Schemas of all that the feed says, draft 2020-12: the one place where it is described."""

import json
from importlib import resources
from typing import Any

NAMES = (
    "course", "gap", "geo", "groups", "health", "index", "moments", "predictions", "riders",
    "state", "weather",
)  # fmt: skip


def schema_text(name: str) -> bytes:
    """One of `NAMES` as it is served."""
    return (resources.files("truck.serve.schemas") / f"{name}.json").read_bytes()


def schema(name: str) -> dict[str, Any]:
    """One of `NAMES` as a JSON object."""
    document: dict[str, Any] = json.loads(schema_text(name))
    return document
