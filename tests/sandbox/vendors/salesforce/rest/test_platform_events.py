"""Platform events and their feed."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from sandbox.vendors.journal import Journal
from sandbox.vendors.salesforce.catalogue import QUOTEWAY_ORDER_STATUS
from sandbox.vendors.salesforce.errors import SalesforceError
from sandbox.vendors.salesforce.org.platform_events import EventFeed
from sandbox.vendors.salesforce.records.store import Actor
from sandbox.vendors.salesforce.records.unit_of_work import UnitOfWork
from tests.sandbox.vendors.salesforce.conftest import Org

EVENT = "/sobjects/Quoteway_Order_Status__e"


async def test_publish_and_read(org: Org) -> None:
    answer = await org.call("POST", EVENT, {"Order_Id__c": "o-1", "Status__c": "booked", "Version__c": 3})
    assert answer.status_code == 201
    [note] = answer.json()["errors"]
    assert (answer.json()["success"], note["statusCode"]) == (True, "OPERATION_ENQUEUED")
    assert uuid.UUID(note["message"])
    [event] = (await org.http.get("/_sandbox/events")).json()["events"]
    assert event["event"]["EventUuid"] == note["message"]
    assert event["event"]["EventApiName"] == "Quoteway_Order_Status__e"
    payload = event["payload"]
    assert (payload["Order_Id__c"], payload["Status__c"], payload["Version__c"]) == ("o-1", "booked", 3.0)
    assert payload["CreatedById"] == "005QW0000000009YAA"
    [entry] = await org.journal("Quoteway_Order_Status__e")
    assert (entry["action"], entry["object_id"], entry["external_id"]) == ("published", note["message"], "o-1")
    assert entry["data"]["Version__c"] == 3


async def test_reading_goes_on_after_a_replay_id(org: Org) -> None:
    seen: list[str] = []
    after = -1
    for number in range(6):
        await org.call("POST", EVENT, {"Order_Id__c": f"o-{number}"})
        if number % 2:
            parameters = {"object": "quoteway_order_status__e", "after": str(after)}
            events = (await org.http.get("/_sandbox/events", params=parameters)).json()["events"]
            assert len(events) == 2
            seen += [event["payload"]["Order_Id__c"] for event in events]
            after = events[-1]["event"]["replayId"]
    assert seen == [f"o-{number}" for number in range(6)]
    other = (await org.http.get("/_sandbox/events", params={"object": "Other__e"})).json()
    assert other == {"events": []}


async def test_a_replay_id_too_old_is_an_error_and_not_a_silent_gap(org: Org) -> None:
    await org.call("POST", EVENT, {"Order_Id__c": "read"})
    [event] = (await org.http.get("/_sandbox/events")).json()["events"]
    await org.call("POST", EVENT, {"Order_Id__c": "missed"})
    assert (await org.http.delete("/_sandbox/events")).status_code == 204
    answer = await org.http.get("/_sandbox/events", params={"after": event["event"]["replayId"]})
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "INVALID_REPLAY_ID")
    await org.call("POST", EVENT, {"Order_Id__c": "new"})
    events = (await org.http.get("/_sandbox/events")).json()["events"]
    assert [one["payload"]["Order_Id__c"] for one in events] == ["new"]
    assert (await org.http.get("/_sandbox/events", params={"after": "last"})).status_code == 400


def test_events_are_kept_for_72_hours() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    work = UnitOfWork()
    feed = EventFeed(work, Journal(), lambda: now)
    for hours in (0, 1):
        now += timedelta(hours=hours)
        with work.savepoint():
            feed.publish(QUOTEWAY_ORDER_STATUS, {"Order_Id__c": f"after {hours} h"}, Actor("005", "request"))
    first, second = feed.read(None, -1)
    now += timedelta(hours=71, seconds=1)
    assert feed.read(None, first.replay_id) == [second]
    now += timedelta(hours=1)
    assert feed.read(None, second.replay_id) == []
    with pytest.raises(SalesforceError, match="72 hours"):
        feed.read(None, first.replay_id)


async def test_an_event_obeys_its_fields_and_is_no_record(org: Org) -> None:
    assert await org.error("POST", EVENT, {}) == (400, "REQUIRED_FIELD_MISSING")
    assert await org.error("POST", EVENT, {"Order_Id__c": "x", "Other__c": 1}) == (400, "INVALID_FIELD")
    assert await org.error("POST", EVENT, {"Order_Id__c": "x", "ReplayId": "1"}) == (
        400,
        "INVALID_FIELD_FOR_INSERT_UPDATE",
    )
    for method in ("GET", "PATCH", "DELETE"):
        assert await org.error(method, f"{EVENT}/e00xx0000000001AAA", {}) == (404, "NOT_FOUND")
    assert (await org.http.get("/_sandbox/events")).json() == {"events": []}
