"""The feed described for machines: OpenAPI 3.1 of what is asked for, AsyncAPI 3 of what is sent.

Both take every document's shape from the JSON Schemas, and nothing is described twice.
"""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from truck.serve.answer import Body, answered
from truck.serve.channels import CHANNELS
from truck.serve.feed import encoded
from truck.serve.schemas import NAMES, schema
from truck.serve.v1 import GEO_TYPE, SCHEMA_TYPE

_VERSION = "1"
_TITLE = "Big Data Truck: the race as it is ridden"
_PROBLEM = {
    "type": "object",
    "properties": {
        "type": {"type": "string"},
        "status": {"type": "integer"},
        "title": {"type": "string"},
        "detail": {"type": "string"},
    },
    "required": ["type", "status", "title", "detail"],
}
_OBJECT: dict[str, Any] = {"type": "object"}
_KNOWN_TAG = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "The ETag of an answer before; 304 where it is still that.",
    "schema": {"type": "string"},
}
_LAST_SEEN = {
    "name": "Last-Event-ID",
    "in": "header",
    "required": False,
    "description": "The number of the last frame seen; those after it come first.",
    "schema": {"type": "string"},
}
_WANTED = {
    "name": "channels",
    "in": "query",
    "required": False,
    "explode": False,
    "style": "form",
    "description": "Which of them; all where it is left out.",
    "schema": {"type": "array", "minItems": 1, "items": {"enum": list(CHANNELS)}},
}


def routes() -> list[Route]:
    """GET /openapi.json and /asyncapi.json."""
    served = {"/openapi.json": openapi(), "/asyncapi.json": asyncapi()}
    return [Route(path, _document(document)) for path, document in served.items()]


def openapi() -> dict[str, Any]:
    """What may be asked for by everybody, as OpenAPI 3.1."""
    asked = {
        **{
            f"/api/v1/{name}{end}": _get(_ref(name), schema(name)["title"], waits=name in CHANNELS)
            for name in (*CHANNELS, "course", "index")
            for end in ("", ".json")
        },
        **{
            f"/api/v1/geo{end}": _get(_ref("geo"), schema("geo")["title"], GEO_TYPE)
            for end in ("", ".json")
        },
        **{
            f"/api/v1/schemas/{name}.json": _get(
                _OBJECT, f"The JSON Schema of {name}", SCHEMA_TYPE, waits=False
            )
            for name in NAMES
        },
        "/api/frame": _get(_OBJECT, "The page's frame"),
        "/api/course": _get(_ref("course"), schema("course")["title"], waits=False),
        "/openapi.json": _get(_OBJECT, "This document", waits=False),
        "/asyncapi.json": _get(_OBJECT, "What the streams send", waits=False),
        "/healthz": _alive(),
        "/api/stream": _stream("Frames of the page"),
        "/api/v1/stream": _stream("The channels' frames, see /asyncapi.json", _WANTED, _LAST_SEEN),
    }
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {"title": _TITLE, "version": _VERSION},
        "servers": [{"url": "/"}],
        "paths": asked,
        "components": {"schemas": _schemas(*(name for name in NAMES if name != "gap"))},
    }


def asyncapi() -> dict[str, Any]:
    """What the stream sends, as AsyncAPI 3.0: an event a channel, named by it."""
    sent = (*CHANNELS, "gap")
    messages = {
        name: {
            "name": name,
            "title": schema(name)["title"],
            "contentType": "application/json",
            "payload": {
                "schemaFormat": "application/schema+json;version=draft-2020-12",
                "schema": {"$ref": f"#/components/schemas/{name}"},
            },
        }
        for name in sent
    }
    return {
        "asyncapi": "3.0.0",
        "info": {"title": _TITLE, "version": _VERSION},
        "defaultContentType": "application/json",
        "channels": {
            "stream": {
                "address": "/api/v1/stream",
                "title": "Server-sent events: a frame a second; its number is the event's id",
                "messages": {n: {"$ref": f"#/components/messages/{n}"} for n in sent},
            }
        },
        "operations": {"send": {"action": "send", "channel": {"$ref": "#/channels/stream"}}},
        "components": {"messages": messages, "schemas": _schemas(*sent)},
    }


def _document(document: dict[str, Any]) -> Any:
    body = Body(encoded(document))

    async def answer(request: Request) -> Response:
        return answered(request, body)

    return answer


def _schemas(*names: str) -> dict[str, Any]:
    """Schemas without their own names: within a document they are found by its references."""
    drop = ("$schema", "$id")
    return {n: {k: v for k, v in schema(n).items() if k not in drop} for n in names}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _get(
    shape: dict[str, Any], summary: str, media_type: str = "application/json", *, waits: bool = True
) -> dict[str, Any]:
    """A document that may be asked for again by its tag; one that `waits` has none at first."""
    answers = {
        "200": {
            "description": summary,
            "headers": {"ETag": {"schema": {"type": "string"}}},
            "content": {media_type: {"schema": shape}},
        },
        "304": {"description": "It is still the one you know"},
        **({"503": _wrong("No frame yet")} if waits else {}),
    }
    return {"get": {"summary": summary, "parameters": [_KNOWN_TAG], "responses": answers}}


def _alive() -> dict[str, Any]:
    shape = {
        "type": "object",
        "properties": {
            "alive": {"type": "boolean"},
            "frame_age_s": {"type": ["number", "null"], "minimum": 0},
        },
        "required": ["alive", "frame_age_s"],
        "additionalProperties": False,
    }
    content = {"application/json": {"schema": shape}}
    answers = {
        "200": {"description": "Frames are fresh", "content": content},
        "503": {"description": "No frame in the last seconds", "content": content},
    }
    return {"get": {"summary": "Whether frames are fresh", "responses": answers}}


def _stream(summary: str, *parameters: dict[str, Any]) -> dict[str, Any]:
    content = {"text/event-stream": {"schema": {"type": "string"}}}
    answers = {
        "200": {"description": "Server-sent events without an end", "content": content},
        **({"400": _wrong("No such channel")} if parameters else {}),
        "503": _wrong("Too many listeners"),
    }
    return {"get": {"summary": summary, "parameters": list(parameters), "responses": answers}}


def _wrong(description: str) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": _PROBLEM}}
    return {"description": description, "content": content}
