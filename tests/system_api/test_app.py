"""The system API over HTTP, with real tokens, in front of the real ERP and the simulators."""

import json
import re
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from sandbox.process import RunningProcess
from sandbox.tryton.server import TrytonServer
from shared.versions import Version
from system_api import app as app_module
from system_api.app import create_app
from system_api.settings import SystemSettings
from tests.app_lifespan import asgi_transport, running_app
from tests.issuer_process import bearer
from tests.system_api.conftest import Simulator
from tests.system_api.transports import Scripted, html, said

ACME, DEMO_QUOTE = "001QW0000000001YAA", "0Q0QW00000000010AA"


@dataclass
class System:
    """The system tier, as the process tier meets it."""

    client: httpx.AsyncClient
    issuer: RunningProcess
    headers: dict[str, str]

    async def call(self, method: str, path: str, body: Any = None, **params: Any) -> httpx.Response:
        return await self.client.request(method, path, json=body, params=params or None, headers=self.headers)

    async def get(self, path: str, **params: Any) -> dict[str, Any]:
        answer = await self.call("GET", path, **params)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


@pytest.fixture(scope="module")
def settings(
    tmp_path_factory: pytest.TempPathFactory,
    issuer: RunningProcess,
    tryton: TrytonServer,
    stripe_account: Simulator,
    salesforce_org: Simulator,
) -> SystemSettings:
    folder = tmp_path_factory.mktemp("system")
    access = tryton.credentials.tenants["nordwind"]
    secrets = {
        "tryton.key": access.rest_key,
        "stripe.key": stripe_account.credentials["key"],
        "org": salesforce_org.credentials["client_secret"],
    }
    for name, secret in secrets.items():
        (folder / name).write_text(secret)
    (folder / "connections.toml").write_text(
        f"""
        [[connection]]
        tenant = "nordwind"
        capability = "crm"
        legal_entity = "*"
        adapter = "salesforce"
        url = "{salesforce_org.url}"
        client_id = "{salesforce_org.credentials["client_id"]}"
        client_secret = "file:org"
        [[connection]]
        tenant = "nordwind"
        capability = "erp"
        legal_entity = "NW-DE"
        adapter = "tryton"
        url = "{tryton.url}"
        database = "{tryton.database}"
        company = {access.companies["NW-DE"]}
        currency = "EUR"
        key = "file:tryton.key"
        [[connection]]
        tenant = "nordwind"
        capability = "billing"
        legal_entity = "NW-DE"
        adapter = "stripe"
        url = "{stripe_account.url}"
        key = "file:stripe.key"
        [[connection]]
        tenant = "nordwind"
        capability = "tax"
        legal_entity = "*"
        adapter = "jurisdictions"
        table = "{Path("sandbox/data/taxes.toml").resolve()}"
        sellers = {{ NW-DE = "DE" }}
        """
    )
    return SystemSettings(
        issuer_metadata_url=f"{issuer.url}/.well-known/openid-configuration",
        system_connections=str(folder / "connections.toml"),
    )


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def system(settings: SystemSettings, issuer: RunningProcess) -> AsyncIterator[System]:
    app = create_app(settings)
    headers = await bearer(issuer, "process-api", "quoteway-system", tenant="nordwind")
    async with (
        running_app(app),
        httpx.AsyncClient(transport=asgi_transport(app), base_url="http://system.test") as client,
    ):
        yield System(client, issuer, headers)


def euros(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "EUR"}


def customer_draft(account_id: str) -> dict[str, Any]:
    address = {"street": "Werkstrasse 5", "postalCode": "70435", "city": "Stuttgart", "country": "DE"}
    return {"accountId": account_id, "name": "Acme", "address": address, "currency": "EUR"}


def order_draft(customer: str) -> dict[str, Any]:
    line = {"sku": "SENSOR-TEMP", "description": "Sensor", "quantity": "2", "netUnitPrice": euros("89.50")}
    return {
        "accountId": ACME,
        "customerVendorId": customer,
        "currency": "EUR",
        "taxCode": "DE",
        "lines": [line],
        "expectedTax": euros("34.01"),
        "expectedTotal": euros("213.01"),
    }


def subscription_draft(customer: str) -> dict[str, Any]:
    return {
        "accountId": ACME,
        "orderId": "ord-1",
        "customerVendorId": customer,
        "currency": "EUR",
        "recurrence": "month",
        "items": [{"sku": "MON-STD", "quantity": "3", "netUnitPrice": euros("4.90")}],
        "taxCode": "DE",
        "taxPercent": "19",
    }


BODIES = {
    "reportOrderStatus": {
        "accountId": ACME,
        "quoteId": DEMO_QUOTE,
        "status": "booked",
        "version": 2,
        "currency": "EUR",
    },
    "ensureCustomer": customer_draft("NW-DE"),
    "ensureBillingCustomer": customer_draft("NW-DE"),
    "createOrder": order_draft("1"),
    "createSubscription": subscription_draft("cus_1"),
    "calculateTax": {
        "legalEntity": "NW-DE",
        "buyer": customer_draft(ACME)["address"],
        "lines": [{"lineId": "1", "net": euros("100.00")}],
    },
    "lookUpPrices": {"skus": ["MON-STD", "MON-LEGACY"], "currency": "EUR"},
}


# -- every operation --------------------------------------------------------------------------------------------------


async def test_the_crm(system: System) -> None:
    quote = await system.get(f"/v1/crm/quotes/{DEMO_QUOTE}")
    account = await system.get(f"/v1/crm/accounts/{quote['accountId']}")
    report, order = BODIES["reportOrderStatus"], f"ord-{uuid.uuid4().hex[:8]}"

    told = await system.call("PUT", f"/v1/crm/order-status/{order}", report)
    late = await system.call("PUT", f"/v1/crm/order-status/{order}", {**report, "version": 1})

    assert quote["lines"][0]["unitPrice"] == euros("1490.00")
    assert account["billingAddress"]["city"] == "Stuttgart"
    assert (told.status_code, told.json()["applied"]) == (200, True)
    assert (late.status_code, late.json()["applied"], late.json()["version"]) == (200, False, 2)


async def test_the_erp(system: System) -> None:
    base, order = "/v1/erp/NW-DE", f"ord-{uuid.uuid4().hex[:8]}"
    customer = await system.get(f"{base}/customers/{ACME}")
    ensured = await system.call("PUT", f"{base}/customers/{ACME}", customer_draft(ACME))
    credit = await system.get(f"{base}/customers/{ACME}/credit", amount="10.00", currency="EUR")
    invoices = await system.get(f"{base}/customers/{ACME}/invoices", openOnly="true", limit=3)
    absent = await system.get(f"{base}/orders/{order}")
    booked = await system.call("PUT", f"{base}/orders/{order}", order_draft(customer["vendorId"]))
    confirmed = await system.call("POST", f"{base}/orders/{order}/confirm")
    cancelled = await system.call("POST", f"{base}/orders/{order}/cancel")

    assert ensured.json() == {**customer, "created": False}
    assert credit["decision"] == "approved"
    assert invoices == {"invoices": [], "nextCursor": None}
    assert absent["state"] == "absent"
    states = [(each.status_code, each.json()["state"]) for each in (booked, confirmed, cancelled)]
    assert states == [(200, "quoted"), (200, "confirmed"), (200, "cancelled")]


async def test_billing(system: System) -> None:
    account = f"001{uuid.uuid4().hex[:15]}"
    base, name = "/v1/billing/NW-DE", f"ord-{uuid.uuid4().hex[:8]}:month"
    customer = await system.call("PUT", f"{base}/customers/{account}", customer_draft(account))
    draft = subscription_draft(customer.json()["vendorId"])
    absent = await system.get(f"{base}/subscriptions/{name}")
    started = await system.call("PUT", f"{base}/subscriptions/{name}", draft)
    listed = await system.get(f"{base}/customers/{account}/subscriptions")
    invoices = await system.get(f"{base}/customers/{account}/invoices")
    cancelled = await system.call("POST", f"{base}/subscriptions/{name}/cancel")

    assert absent["status"] == "absent"
    assert (started.status_code, started.json()["periodAmount"]) == (200, euros("14.70"))
    assert [each["externalId"] for each in listed["subscriptions"]] == [name]
    assert [each["source"] for each in invoices["invoices"]] == ["billing"]
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")


async def test_tax_and_prices(system: System) -> None:
    tax = await system.call("POST", "/v1/tax/calculations", BODIES["calculateTax"])
    prices = await system.call("POST", "/v1/pricing/NW-DE/price-lookups", BODIES["lookUpPrices"])

    assert (tax.status_code, tax.json()["total"]) == (200, euros("19.00"))
    assert prices.status_code == 200
    assert prices.json()["prices"] == [
        {"sku": "MON-STD", "erp": euros("4.90"), "billing": euros("4.90"), "billingRecurrence": "month"},
        {"sku": "MON-LEGACY", "erp": None, "billing": None, "billingRecurrence": None},
    ]


# -- refusals ---------------------------------------------------------------------------------------------------------


async def test_who_has_no_token_learns_nothing(system: System) -> None:
    answer = await system.client.get(f"/v1/crm/quotes/{DEMO_QUOTE}")

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_a_token_for_another_tier_is_none(system: System) -> None:
    headers = await bearer(system.issuer, "experience-api", "quoteway-process", tenant="nordwind")

    assert (await system.client.get(f"/v1/crm/quotes/{DEMO_QUOTE}", headers=headers)).status_code == 401


async def operations(system: System) -> list[tuple[str, str, dict[str, Any]]]:
    document = (await system.client.get("/openapi.json")).json()
    return [
        (method, path, operation)
        for path, methods in document["paths"].items()
        if path.startswith("/v1/")
        for method, operation in methods.items()
    ]


async def test_every_operation_needs_its_own_scope(system: System) -> None:
    every = "crm:read crm:write erp:read erp:write billing:read billing:write tax:read pricing:read"
    for method, path, operation in await operations(system):
        (needed,) = operation["x-quoteway-scopes"]
        others = " ".join(scope for scope in every.split() if scope != needed)
        headers = await bearer(system.issuer, "process-api", "quoteway-system", tenant="nordwind", scope=others)

        answer = await system.client.request(
            method, re.sub(r"\{\w+\}", "NW-DE", path), headers=headers, json=BODIES.get(operation["operationId"])
        )

        assert answer.status_code == 403, f"{method} {path} does not ask for {needed}"
        assert needed in answer.headers["WWW-Authenticate"]


async def test_reading_scopes_read_and_writing_scopes_write(system: System) -> None:
    calculations = {"calculateTax", "lookUpPrices"}
    for method, path, operation in await operations(system):
        kind = operation["x-quoteway-scopes"][0].split(":")[1]
        reads = method == "get" or operation["operationId"] in calculations
        assert kind == ("read" if reads else "write"), path


async def test_the_contract_says_what_each_operation_is(system: System) -> None:
    found = await operations(system)

    assert len(found) == 19
    ids = [operation["operationId"] for _, _, operation in found]
    assert len(set(ids)) == len(ids)
    for _, path, operation in found:
        assert re.fullmatch(r"[a-z][A-Za-z0-9]{0,59}", operation["operationId"])
        assert operation["tags"]
        assert operation["description"]
        assert operation["x-quoteway-owner"]
        assert set(operation["responses"]) >= {"200", "400", "401", "403", "404", "422", "500", "503"}
        for parameter in operation.get("parameters", []):
            assert re.fullmatch(r"[a-z][A-Za-z]*", parameter["name"]), path
            assert parameter["description"]
            bounds = {"pattern", "maximum", "maxLength"} & set(
                json.dumps(parameter["schema"]).replace('"', " ").split()
            )
            assert bounds or parameter["schema"].get("type") == "boolean", (path, parameter)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/crm/quotes/0Q0QW0000000099",
        "/v1/crm/quotes/nothing-like-it",
        "/v1/crm/accounts/001QW0000000099",
        "/v1/erp/NW-DE/customers/001unknown",
        "/v1/erp/NW-DE/customers/001unknown/credit?amount=1.00&currency=EUR",
        "/v1/nowhere",
    ],
)
async def test_what_is_not_there_is_404(system: System, path: str) -> None:
    answer = await system.client.get(path, headers=system.headers)

    assert answer.status_code == 404
    assert answer.json()["type"] == "urn:quoteway:problem:not-found"


async def test_what_billing_does_not_know_is_an_empty_list(system: System) -> None:
    assert await system.get("/v1/billing/NW-DE/customers/001unknown/subscriptions") == {"subscriptions": []}
    assert (await system.get("/v1/erp/NW-DE/customers/001unknown/invoices"))["invoices"] == []


async def test_a_legal_entity_without_a_connection_is_refused_with_a_reason(system: System) -> None:
    answer = await system.call("GET", "/v1/erp/NW-FR/orders/ord-1")

    assert answer.status_code == 422
    assert answer.json()["reasonCode"] == "no_connection"
    assert answer.json()["detail"] == "No ERP is connected for the legal entity NW-FR."


async def test_another_tenants_connections_are_not_there(system: System) -> None:
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
        ("/v1/crm/order-status/o", {"status": "booked"}, "/accountId"),
    ],
)
async def test_a_wrong_body_is_400_with_a_pointer(system: System, path: str, body: Any, pointer: str) -> None:
    answer = await system.call("PUT", path, body)

    assert answer.status_code == 400, answer.text
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
    settings: SystemSettings, system: System, answer: httpx.Response, status: int, type_: str
) -> None:
    vendor = Scripted().on("POST", "/v1/customers", answer)
    vendor.on("GET", "/v1/customers/search", said(200, {"data": []})).on(
        "GET", "/v1/customers", said(200, {"data": []})
    )
    app = create_app(settings, transports={"nordwind/billing/NW-DE": vendor})
    async with (
        running_app(app),
        httpx.AsyncClient(transport=asgi_transport(app), base_url="http://system.test") as client,
    ):
        got = await client.put(f"/v1/billing/NW-DE/customers/{ACME}", json=customer_draft(ACME), headers=system.headers)

    assert (got.status_code, got.json()["type"]) == (status, f"urn:quoteway:problem:{type_}")
    if status == 503:
        assert (got.headers["Retry-After"], got.json()["retryAfterSeconds"]) == ("9", 9)


# -- health and versions ----------------------------------------------------------------------------------------------


async def test_it_is_ready_when_every_vendor_is(system: System) -> None:
    answer = await system.client.get("/health/ready")

    assert (answer.status_code, answer.json()["missing"]) == (200, {})


async def test_it_names_the_vendor_that_is_away(settings: SystemSettings) -> None:
    away = Scripted().on("GET", "/v1/tax_rates", html(502, "Nobody here"))
    app = create_app(settings, transports={"nordwind/billing/NW-DE": away})
    async with (
        running_app(app),
        httpx.AsyncClient(transport=asgi_transport(app), base_url="http://system.test") as client,
    ):
        answer = await client.get("/health/ready")

    assert answer.status_code == 503
    assert list(answer.json()["missing"]) == ["nordwind/billing/NW-DE"]


async def test_a_version_that_will_end_says_so(
    settings: SystemSettings, system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    ending = Version(app_module.VERSIONS["v1"].handlers, deprecation=date(2027, 1, 1), sunset=date(2028, 1, 1))
    monkeypatch.setitem(app_module.VERSIONS, "v1", ending)
    app = create_app(settings)
    async with (
        running_app(app),
        httpx.AsyncClient(transport=asgi_transport(app), base_url="http://system.test") as client,
    ):
        found = await client.get("/v1/erp/NW-DE/orders/ord-1", headers=system.headers)
        missing = await client.get("/v1/crm/quotes/0Q0QW0000000099", headers=system.headers)

    for answer in (found, missing):
        assert answer.headers["Deprecation"] == "@1798761600"
        assert answer.headers["Sunset"] == "Sat, 01 Jan 2028 00:00:00 GMT"
    assert "Deprecation" not in (await system.call("GET", "/v1/erp/NW-DE/orders/ord-1")).headers
