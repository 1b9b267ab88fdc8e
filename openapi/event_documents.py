"""The documents of the events: a JSON Schema for each, and one AsyncAPI 3 document of their stream.

They are CloudEvents 1.0 in JSON mode, each in the field `event` of an entry of the tenant's Redis stream.
"""

import inspect
import json
from pathlib import Path
from typing import Any

import msgspec

from openapi.documents import FOLDER, Document
from process_api.outbox.event_delivery import stream_of
from shared import events as declared
from shared.events import EVENTS, CloudEvent, EventData

EVENTS_FOLDER = FOLDER / "events"
ASYNCAPI = FOLDER / "asyncapi.json"
EXAMPLES = FOLDER.parent / "process_api" / "examples" / "events"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_DEFINITIONS = "#/$defs/{name}"
_DESCRIPTIONS = {
    "id": "Names the event: one that is delivered again carries the same.",
    "subject": "The record that it is about.",
    "time": "When it happened, RFC 3339 in UTC.",
    "sequence": "Grows with each event of the subject: a consumer that has seen a higher one has nothing to do.",
    "correlationid": "The request that began it, as in every log and trace.",
    "tenant": "Whose event it is.",
    "source": "Where it comes from.",
}


def event_schema(event: type[EventData]) -> Document:
    """Return the JSON Schema of an event with its envelope.

    Consumers must ignore members that they do not know.
    """
    _, definitions = msgspec.json.schema_components((CloudEvent, event), ref_template=_DEFINITIONS)
    described = definitions.pop("CloudEvent")
    body = definitions.pop(event.__name__)
    properties = {
        name: {**schema, **({"description": _DESCRIPTIONS[name]} if name in _DESCRIPTIONS else {})}
        for name, schema in described["properties"].items()
    }
    # A member with a default is always sent, too.
    required = sorted(properties)
    properties["type"] = {"const": event.event_type, "description": event.meaning}
    properties["specversion"] = {"const": "1.0"}
    properties["datacontenttype"] = {"const": "application/json"}
    properties["source"] = {**properties["source"], "format": "uri-reference"}
    properties["time"] = {**properties["time"], "format": "date-time"}
    properties["id"] = {**properties["id"], "format": "uuid"}
    properties["sequence"] = {**properties["sequence"], "pattern": "^[1-9][0-9]*$"}
    properties["data"] = {**body, "description": inspect.cleandoc(event.__doc__ or "")}
    schema: Document = {
        "$schema": _DIALECT,
        "$id": f"urn:quoteway:event:{event.event_type}",
        "title": event.event_type,
        "description": event.meaning,
        "x-quoteway-owner": event.owner,
        "type": "object",
        "required": required,
        "properties": dict(sorted(properties.items())),
    }
    schema = _inlined(schema, definitions)
    examples = recorded_examples(event)
    if examples:
        schema["examples"] = examples
    return schema


def _inlined(value: Any, definitions: Document) -> Any:
    """Return the schema without references, which tools resolve differently: the types of events are small."""
    if isinstance(value, list):
        return [_inlined(inner, definitions) for inner in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        return _inlined(definitions[value["$ref"].rsplit("/", 1)[1]], definitions)
    found = {name: _inlined(inner, definitions) for name, inner in value.items()}
    return {"type": "string", **found} if "enum" in found else found


def recorded_examples(event: type[EventData]) -> list[Any]:
    """Return the events of this kind that a running sandbox published (`python -m sandbox.contract_examples`)."""
    path = EXAMPLES / f"{event.event_type}.json"
    return [json.loads(path.read_bytes())] if path.exists() else []


def asyncapi_document() -> Document:
    """Return the AsyncAPI 3 document: one channel, the tenant's stream, and one message for each event."""
    messages = {_message_name(event): _message(event) for event in EVENTS}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Quoteway events",
            "version": "1.0.0",
            "description": inspect.cleandoc(declared.__doc__ or ""),
            "license": {"name": "Apache-2.0"},
            "contact": {"name": "Quoteway platform team"},
            "tags": [
                {"name": owner, "description": f"Events that {owner} answers for."}
                for owner in sorted({event.owner for event in EVENTS})
            ],
        },
        "defaultContentType": "application/cloudevents+json",
        "servers": {
            "events": {
                "host": "{host}",
                "protocol": "redis",
                "description": "Redis 7, Valkey, or a managed one (`QUOTEWAY_REDIS_URL`).",
                "variables": {"host": {"default": "127.0.0.1:6379", "description": "Host and port."}},
            }
        },
        "channels": {
            "tenantEvents": {
                "address": stream_of("{tenant}"),
                "title": "A tenant's events",
                "description": "A Redis stream; read it with a consumer group. Each entry has one field, `event`.",
                "parameters": {"tenant": {"description": "The tenant's code.", "examples": ["nordwind"]}},
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
            }
        },
        "operations": {
            "publishEvents": {
                "action": "send",
                "title": "Publish what happened",
                "description": "At least once, in sequence for each subject, after the change is committed.",
                "channel": {"$ref": "#/channels/tenantEvents"},
                "messages": [{"$ref": f"#/channels/tenantEvents/messages/{name}"} for name in messages],
            }
        },
        "components": {"messages": messages},
    }


def _message(event: type[EventData]) -> Document:
    schema = event_schema(event)
    examples = schema.pop("examples", [])
    del schema["$schema"]  # a draft that AsyncAPI's tools know; the words used here mean the same in both
    message: Document = {
        "name": event.event_type,
        "title": event.event_type,
        "summary": event.meaning,
        "contentType": "application/cloudevents+json",
        "tags": [{"name": event.owner}],
        "correlationId": {"location": "$message.payload#/correlationid"},
        "payload": {"schemaFormat": "application/schema+json;version=draft-07", "schema": schema},
    }
    if examples:
        message["examples"] = [{"name": "recorded", "payload": example} for example in examples]
    return message


def _message_name(event: type[EventData]) -> str:
    return event.__name__[0].lower() + event.__name__[1:]


def event_files() -> dict[Path, Document]:
    """Return every event's schema and the AsyncAPI document, by path."""
    schemas = {EVENTS_FOLDER / f"{event.event_type}.json": event_schema(event) for event in EVENTS}
    return {**schemas, ASYNCAPI: asyncapi_document()}
