"""docs/failures.md, rows 11 and 19: what only Salesforce does to a writer: locked rows and sessions that end."""

import asyncio
from typing import Any

import httpx
import pytest

from sandbox.fault_proxy.rules import Fault, Rule
from shared.outbound.http_client import Response
from system_api.crm.salesforce import errors as salesforce_errors
from system_api.crm.salesforce.api import SalesforceApi
from system_api.erp.tryton.sales import TrytonSales
from tests.faults.ordering import MONTHLY, SENSOR, Ordering
from tests.journeys.org import ACCOUNTS
from tests.patience import HANG_S, until

pytestmark = pytest.mark.servers

REPORT = "/sobjects/Quoteway_Order__c/"
LOCKED = (
    '[{"errorCode": "UNABLE_TO_LOCK_ROW", "message": "unable to obtain exclusive access to this record", "fields": []}]'
)


def hold_account(ordering: Ordering) -> None:
    """The next write that needs the account is answered UNABLE_TO_LOCK_ROW, by the org itself."""
    lock = {"record_id": ACCOUNTS["acme"], "times": 1}
    httpx.post(
        f"{ordering.sales.landscape.url('salesforce')}/_sandbox/lock", json=lock, timeout=HANG_S
    ).raise_for_status()


async def test_row_11_a_locked_row_loses_no_status(ordering: Ordering) -> None:
    quote_id = ordering.quote(SENSOR, MONTHLY)
    hold_account(ordering)

    order = await ordering.order(SENSOR, MONTHLY, quote_id=quote_id)

    assert order["status"] == "booked", order
    assert ordering.findings().violations == []


async def test_row_11_mutation_a_lock_taken_for_a_refusal_loses_the_status(
    ordering: Ordering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(salesforce_errors._TRANSIENT, "UNABLE_TO_LOCK_ROW")
    ordering.faults("salesforce").put(
        Rule(fault=Fault.answer, methods=["PATCH"], path=REPORT, times=1, status=400, content=LOCKED)
    )

    order = await ordering.order(SENSOR, MONTHLY)

    assert order["status"] != "booked"


async def test_row_19_a_session_that_ends_mid_flow_is_renewed(ordering: Ordering) -> None:
    await end_sessions_mid_flow(ordering)

    assert [order.status for order in ordering.acknowledged] == ["booked"]
    assert ordering.findings().violations == []


async def test_row_19_mutation_without_the_renewal_the_flow_does_not_end_well(
    ordering: Ordering, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def without_renewal(self: SalesforceApi, method: str, path: str, **more: Any) -> Response:
        return await self._send_with(await self._access_token(), method, path, more.get("params"), more.get("content"))

    monkeypatch.setattr(SalesforceApi, "_send", without_renewal)

    await end_sessions_mid_flow(ordering)

    assert [order.status for order in ordering.acknowledged] != ["booked"]


def end_sessions(ordering: Ordering) -> None:
    """As when an administrator ends all sessions."""
    sessions = f"{ordering.sales.landscape.url('salesforce')}/_sandbox/sessions"
    httpx.delete(sessions, timeout=HANG_S).raise_for_status()
    # The sales user's session has ended too: the next quote needs a new one.
    ordering.sales.org._client.close()
    ordering.sales.org.__post_init__()


async def end_sessions_mid_flow(ordering: Ordering) -> None:
    """Every session of the org is ended while the ERP is being written to."""
    create, writing, ended = TrytonSales.create, asyncio.Event(), asyncio.Event()

    async def create_later(self: TrytonSales, *arguments: Any) -> Any:
        writing.set()
        await ended.wait()
        return await create(self, *arguments)

    quote_id = ordering.quote(SENSOR, MONTHLY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrytonSales, "create", create_later)
        answer = await ordering.sales.submit(quote_id)
        try:
            await until(writing.is_set)
            end_sessions(ordering)
        finally:
            ended.set()
        ordering.remember(await ordering.sales.ended(answer.json()["orderId"]), SENSOR, MONTHLY)
