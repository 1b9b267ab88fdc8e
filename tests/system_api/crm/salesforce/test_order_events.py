"""The platform event that an order has changed: published with each report, and in nobody's way."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest

from shared.canonical import OrderStatus
from system_api.crm.salesforce import order_events
from system_api.crm.salesforce.adapter import Salesforce
from tests.system_api.conftest import Simulator, salesforce_connection
from tests.system_api.crm.salesforce.reports import order_id, report

EVENT = "Quoteway_Order_Status__e"
REFUSALS = [
    (400, "LIMIT_EXCEEDED"),
    (503, "PLATFORM_EVENT_PUBLISHING_UNAVAILABLE"),
    (500, "PLATFORM_EVENT_ENCRYPTION_ERROR"),
    (403, "INSUFFICIENT_ACCESS"),
]


@pytest.fixture
async def crm(salesforce_org: Simulator) -> AsyncIterator[Salesforce]:
    adapter = Salesforce(salesforce_connection(salesforce_org.url, salesforce_org.credentials))
    yield adapter
    await adapter.close()


def published(org: Simulator, order: str) -> list[dict[str, Any]]:
    return [each["data"] for each in org.journal(EVENT) if each["external_id"] == order]


async def test_each_report_that_is_written_is_published_with_its_version(
    crm: Salesforce, salesforce_org: Simulator
) -> None:
    order = order_id()
    await crm.report_order_status(order, report(2, status=OrderStatus.booking))
    await crm.report_order_status(order, report(5, status=OrderStatus.booked))
    await crm.report_order_status(order, report(5, status=OrderStatus.booked))
    late = await crm.report_order_status(order, report(4, status=OrderStatus.booking))

    assert not late.applied
    told = [(each["Status__c"], each["Version__c"]) for each in published(salesforce_org, order)]
    assert told == [("booking", 2), ("booked", 5), ("booked", 5)], "one that was not written is not published"


@pytest.mark.parametrize(("status", "code"), REFUSALS)
async def test_an_event_that_is_refused_keeps_no_report_from_being_told(
    crm: Salesforce, salesforce_org: Simulator, caplog: pytest.LogCaptureFixture, status: int, code: str
) -> None:
    refusal = {"method": "POST", "path": f"/sobjects/{EVENT}", "status": status, "errorCode": code, "message": "No."}
    salesforce_org.control("POST", "refuse", **refusal)
    order = order_id()

    with caplog.at_level(logging.WARNING, order_events.__name__):
        told = await crm.report_order_status(order, report(3, status=OrderStatus.booked))

    assert told.applied
    assert published(salesforce_org, order) == []
    assert f"order {order} version 3: no platform event was published" in caplog.text
    again = await crm.report_order_status(order, report(4, status=OrderStatus.booked))
    assert again.applied
    assert len(published(salesforce_org, order)) == 1


class WithoutEvent(httpx.AsyncHTTPTransport):
    """An org whose package is older than the event; it keeps what was posted."""

    def __init__(self) -> None:
        super().__init__()
        self.posted: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith(f"{EVENT}/describe"):
            absent = [{"message": "The requested resource does not exist", "errorCode": "NOT_FOUND"}]
            return httpx.Response(404, json=absent, request=request)
        if request.method == "POST" and "/sobjects/" in request.url.path:
            self.posted.append(request.url.path)
        return await super().handle_async_request(request)


@pytest.mark.parametrize("named", [EVENT, ""])
async def test_an_org_without_the_event_is_told_all_the_same(salesforce_org: Simulator, named: str) -> None:
    network = WithoutEvent()
    connection = salesforce_connection(salesforce_org.url, salesforce_org.credentials)
    named_so = msgspec.structs.replace(connection.objects, order_event=named)
    crm = Salesforce(msgspec.structs.replace(connection, objects=named_so), network)

    told = await crm.report_order_status(order_id(), report(1))
    await crm.close()

    assert told.applied
    assert network.posted == []


async def test_an_event_that_is_not_answered_holds_nobody_up_for_long(
    salesforce_org: Simulator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Silent(httpx.AsyncHTTPTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.method == "POST" and f"/sobjects/{EVENT}" in request.url.path:
                await asyncio.Event().wait()
            return await super().handle_async_request(request)

    monkeypatch.setattr(order_events, "PUBLISHED_WITHIN_S", 0.2)
    crm = Salesforce(salesforce_connection(salesforce_org.url, salesforce_org.credentials), Silent())
    await crm._org.schema.describe(EVENT)

    told = await crm.report_order_status(order_id(), report(1))
    await crm.close()

    assert told.applied
    assert "no answer in 0.2 s" in caplog.text
