"""The system API's refusals."""

import uuid
from typing import Any

import httpx
import pytest

from system_api.app import create_app
from system_api.settings import SystemSettings
from tests.app_lifespan import asgi_transport, running_app
from tests.issuer_process import bearer
from tests.kept_audit_log import KeptAuditLog
from tests.nothing_revoked import nothing_revoked
from tests.system_api.system_tier import ACME, DEMO_QUOTE, System, customer_draft, order_draft, subscription_draft
from tests.system_api.transports import Scripted, html, said


@pytest.mark.parametrize(
    "path",
    [
        "/v1/crm/quotes/0Q0QW0000000099",
        "/v1/crm/quotes/nothing-like-it",
        "/v1/crm/accounts/001QW0000000099",
        "/v1/erp/NW-DE/customers/001unknown",
        "/v1/erp/NW-DE/customers/001unknown/credit?amount=1.00&currency=EUR",
    ],
)
async def test_missing_record_is_404(system: System, path: str) -> None:
    answer = await system.client.get(path, headers=system.headers)

    assert answer.status_code == 404
    assert answer.json()["type"] == "urn:quoteway:problem:not-found"


async def test_a_wrong_address_is_told_from_a_missing_record(system: System) -> None:
    answer = await system.call("GET", "/v1/nowhere")

    assert (answer.status_code, answer.json()["type"]) == (404, "urn:quoteway:problem:no-such-address")


async def test_unknown_billing_account_is_an_empty_list(system: System) -> None:
    assert await system.get("/v1/billing/NW-DE/customers/001unknown/subscriptions") == {"subscriptions": []}
    assert (await system.get("/v1/erp/NW-DE/customers/001unknown/invoices"))["invoices"] == []


async def test_a_legal_entity_without_a_connection_is_refused_with_a_reason(system: System) -> None:
    answer = await system.call("GET", "/v1/erp/NW-FR/orders/ord-1")

    assert answer.status_code == 422
    assert answer.json()["reasonCode"] == "no_connection"
    assert answer.json()["detail"] == "No ERP is connected for the legal entity NW-FR."


async def test_another_tenants_connections_are_not_visible(system: System) -> None:
    headers = await bearer(system.issuer, "process-api", "quoteway-system", tenant="elsewhere")

    answer = await system.client.get(f"/v1/crm/quotes/{DEMO_QUOTE}", headers=headers)

    assert (answer.status_code, answer.json()["reasonCode"]) == (422, "no_connection")


@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        ("/v1/erp/nw-de/orders/ord-1", "path/legalEntity"),
        ("/v1/erp/NW-DE/orders/a%20b", "path/externalId"),
        ("/v1/crm/quotes/" + "x" * 65, "path/quoteId"),
        ("/v1/crm/quotes/x'%20OR%20Name%20!=%20'", "path/quoteId"),
        (f"/v1/erp/NW-DE/customers/{ACME}/credit?currency=EUR", "query/amount"),
        (f"/v1/erp/NW-DE/customers/{ACME}/credit?amount=-1.00&currency=EUR", "query/amount"),
        (f"/v1/erp/NW-DE/customers/{ACME}/credit?amount=NaN&currency=EUR", "query/amount"),
        (f"/v1/erp/NW-DE/customers/{ACME}/credit?amount=1.00&currency=euro", "query/currency"),
        (f"/v1/erp/NW-DE/customers/{ACME}/invoices?limit=0", "query/limit"),
        (f"/v1/erp/NW-DE/customers/{ACME}/invoices?limit=101", "query/limit"),
        (f"/v1/erp/NW-DE/customers/{ACME}/invoices?openOnly=perhaps", "query/openOnly"),
        (f"/v1/erp/NW-DE/customers/{ACME}/invoices?cursor={'x' * 201}", "query/cursor"),
    ],
)
async def test_a_wrong_parameter_is_named_as_the_caller_knows_it(system: System, path: str, pointer: str) -> None:
    answer = await system.client.get(path, headers=system.headers)

    assert answer.status_code == 400, answer.text
    assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]


@pytest.mark.parametrize("cursor", ["x", "../../v1/products", "in_1&status=open"])
@pytest.mark.parametrize("capability", ["erp", "billing"])
async def test_a_cursor_that_no_page_gave_is_400(system: System, capability: str, cursor: str) -> None:
    if capability == "billing":
        await system.call("PUT", f"/v1/billing/NW-DE/customers/{ACME}", customer_draft(ACME))

    answer = await system.call("GET", f"/v1/{capability}/NW-DE/customers/{ACME}/invoices", cursor=cursor)

    assert answer.status_code == 400


def with_other_currency(draft: dict[str, Any], field: str) -> dict[str, Any]:
    return {**draft, field: {"amount": draft[field]["amount"], "currency": "USD"}}


DOLLARS = {"amount": "1.00", "currency": "USD"}


def with_first(lines: str, draft: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The draft with its first line changed."""
    first, *rest = draft[lines]
    return {**draft, lines: [{**first, **changes}, *rest]}


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        (f"/v1/erp/NW-DE/customers/{ACME}", customer_draft("001QW0000000002YAA"), "/accountId"),
        ("/v1/erp/NW-DE/orders/o", with_other_currency(order_draft("1"), "expectedTax"), "/expectedTax/currency"),
        ("/v1/erp/NW-DE/orders/o", {**order_draft("1"), "lines": []}, "/lines"),
        ("/v1/erp/NW-DE/orders/o", {**order_draft("1"), "surprise": 1}, "/surprise"),
        (
            "/v1/billing/NW-DE/subscriptions/s",
            {**subscription_draft("c"), "currency": "USD"},
            "/items/0/netUnitPrice/currency",
        ),
        ("/v1/billing/NW-DE/subscriptions/s", {**subscription_draft("c"), "taxPercent": "119"}, "/taxPercent"),
        (
            "/v1/erp/NW-DE/orders/o",
            with_first("lines", order_draft("1"), netAmount=DOLLARS),
            "/lines/0/netAmount/currency",
        ),
        (
            "/v1/billing/NW-DE/subscriptions/s",
            with_first("items", subscription_draft("c"), netAmount=DOLLARS),
            "/items/0/netAmount/currency",
        ),
        ("/v1/crm/order-status/o", {"status": "booked", "version": 1}, "/quoteId"),
    ],
)
async def test_a_wrong_body_is_400_with_a_pointer(system: System, path: str, body: Any, pointer: str) -> None:
    answer = await system.call("PUT", path, body)

    assert answer.status_code == 400, answer.text
    assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("/v1/erp/NW-DE/orders/o", with_first("lines", order_draft("1"), quantity="99999999999"), "/lines/0/quantity"),
        ("/v1/erp/NW-DE/orders/o", with_first("lines", order_draft("1"), quantity="5586592179"), "/lines"),
        (
            "/v1/billing/NW-DE/subscriptions/s",
            with_first("items", subscription_draft("c"), quantity="999999999999"),
            "/items/0/quantity",
        ),
    ],
)
async def test_sums_that_no_amount_holds_are_refused_before_any_vendor_is_asked(
    system: System, path: str, body: Any, pointer: str
) -> None:
    answer = await system.call("PUT", path, body)

    assert (answer.status_code, answer.json()["reasonCode"]) == (422, "amounts_too_large")
    assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]


async def test_too_many_skus_are_refused(system: System) -> None:
    for skus in ([], ["A"] * 501):
        answer = await system.call("POST", "/v1/pricing/NW-DE/price-lookups", {"skus": skus, "currency": "EUR"})
        assert answer.status_code == 400


async def test_the_vendors_refusal_comes_through_with_its_reason(system: System) -> None:
    draft = {**order_draft("999999"), "comment": "nobody"}

    answer = await system.call("PUT", f"/v1/erp/NW-DE/orders/ord-{uuid.uuid4().hex[:8]}", draft)

    assert answer.status_code == 422
    assert answer.json()["reasonCode"] == "unknown_customer"


@pytest.mark.parametrize(
    ("answer", "status", "type_"),
    [
        (said(429, {"error": {"type": "rate_limit", "message": "slow"}}, Retry_After="9"), 503, "unavailable"),
        (html(500), 504, "outcome-unknown"),
        (said(400, {"error": {"type": "invalid_request_error", "message": "no"}}), 422, "rejected"),
    ],
)
async def test_the_three_families_look_the_same_whatever_the_vendor(
    system_settings: SystemSettings, system: System, answer: httpx.Response, status: int, type_: str
) -> None:
    vendor = Scripted().on("POST", "/v1/customers", answer)
    vendor.on("GET", "/v1/customers/search", said(200, {"data": []})).on(
        "GET", "/v1/customers", said(200, {"data": []})
    )
    app = create_app(
        system_settings,
        transports={"nordwind/billing/NW-DE": vendor},
        process_transport=nothing_revoked(),
        audit_log=KeptAuditLog(),
    )
    async with (
        running_app(app),
        httpx.AsyncClient(transport=asgi_transport(app), base_url="http://system.test") as client,
    ):
        got = await client.put(f"/v1/billing/NW-DE/customers/{ACME}", json=customer_draft(ACME), headers=system.headers)

    assert (got.status_code, got.json()["type"]) == (status, f"urn:quoteway:problem:{type_}")
    if status == 503:
        assert (got.headers["Retry-After"], got.json()["retryAfterSeconds"]) == ("9", 9)
