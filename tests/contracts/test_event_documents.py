"""The events as documents: what is published fits them, and CloudEvents' and AsyncAPI's rules hold."""

import json
import uuid
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import jsonschema
import msgspec
import pytest

from openapi.event_documents import EVENTS_FOLDER, asyncapi_document, event_schema, recorded_examples
from process_api.outbox.event_delivery import cloud_event, stream_of
from shared.canonical import OrderStatus, SubscriptionStatus
from shared.events import EVENTS, CloudEvent, EventData, SubscriptionChanged, order_ended

NAMES = [event.event_type for event in EVENTS]
# CloudEvents 1.0, section "Naming Conventions" and "REQUIRED attributes".
REQUIRED_ATTRIBUTES = {"id", "source", "specversion", "type"}


def checker(schema: dict[str, Any]) -> jsonschema.Draft202012Validator:
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())


def published(data: EventData) -> Any:
    """The event as the relay publishes it, from the row that the outbox holds."""
    row: Any = SimpleNamespace(
        event_id=uuid.uuid4(),
        type=data.event_type,
        subject="ord_1",
        occurred_at=datetime.now(UTC),
        data=msgspec.to_builtins(data),
        sequence=1,
        correlation_id="c",
        tenant="nordwind",
    )
    return json.loads(cloud_event(row))


@pytest.mark.parametrize("event", EVENTS, ids=NAMES)
def test_what_the_relay_publishes_fits_the_schema(event: type[EventData]) -> None:
    if event is SubscriptionChanged:
        made: EventData = SubscriptionChanged(external_id="s", version=1, status=SubscriptionStatus.past_due)
    else:
        status = next(s for s in OrderStatus if f"order.{s.value}" == event.event_type)
        made = order_ended(status, order_id="o", version=1, reason_code=None)

    assert [error.message for error in checker(event_schema(event)).iter_errors(published(made))] == []


@pytest.mark.parametrize("event", EVENTS, ids=NAMES)
def test_what_was_recorded_fits_the_schema_and_the_type(event: type[EventData]) -> None:
    (recorded,) = recorded_examples(event)

    assert [error.message for error in checker(event_schema(event)).iter_errors(recorded)] == []
    envelope = msgspec.convert(recorded, CloudEvent)
    again = msgspec.to_builtins(msgspec.convert(envelope.data, event))
    # But for members that were added since and are not set.
    assert {
        name: value for name, value in again.items() if name in envelope.data or value not in (None, [])
    } == envelope.data


@pytest.mark.parametrize("event", EVENTS, ids=NAMES)
def test_another_events_data_does_not_fit(event: type[EventData]) -> None:
    (recorded,) = recorded_examples(event)
    errors = list(checker(event_schema(event)).iter_errors({**recorded, "type": "order.lost"}))

    assert errors != []
    assert list(checker(event_schema(event)).iter_errors({**recorded, "data": {}})) != []


@pytest.mark.parametrize("event", EVENTS, ids=NAMES)
def test_the_envelope_is_a_cloud_event(event: type[EventData]) -> None:
    schema = event_schema(event)

    assert set(schema["required"]) >= REQUIRED_ATTRIBUTES
    assert all(name.isalnum() and name.islower() and len(name) <= 20 for name in schema["properties"])
    assert schema["properties"]["specversion"] == {"const": "1.0"}
    assert "$ref" not in json.dumps(schema)


def test_every_event_has_one_name_one_owner_and_one_sentence() -> None:
    documents = {path.stem for path in EVENTS_FOLDER.glob("*.json")}

    assert documents == set(NAMES)
    assert len(set(NAMES)) == len(NAMES)
    for event in EVENTS:
        assert event_schema(event)["x-quoteway-owner"] == event.owner
        assert event.meaning.endswith(".")


def test_the_stream_is_described_where_it_is() -> None:
    document = asyncapi_document()
    (channel,) = document["channels"].values()

    assert document["asyncapi"] == "3.0.0"
    assert channel["address"].replace("{tenant}", "nordwind") == stream_of("nordwind")
    assert {message["name"] for message in document["components"]["messages"].values()} == set(NAMES)
    assert all(message["examples"] for message in document["components"]["messages"].values())


def test_every_reference_in_the_asyncapi_document_leads_somewhere() -> None:
    document = asyncapi_document()

    def references(value: Any) -> list[str]:
        if isinstance(value, dict):
            own = [value["$ref"]] if "$ref" in value else []
            return own + [found for inner in value.values() for found in references(inner)]
        return [found for inner in value for found in references(inner)] if isinstance(value, list) else []

    assert len(references(document)) >= 2 * len(EVENTS)
    for reference in references(document):
        place: Any = document
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]
