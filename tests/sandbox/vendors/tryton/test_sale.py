"""The sandbox's ERP really sells: a sale goes from draft to a posted invoice, in both companies, with a key only."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal

import psycopg
import pytest
from psycopg.types.json import Jsonb

from sandbox.engines.postgres import PostgresEngine
from sandbox.vendors.tryton.recipe import ADMIN_LOGIN, GRACE
from sandbox.vendors.tryton.rest import RestError
from sandbox.vendors.tryton.rpc import TrytonSession
from sandbox.vendors.tryton.server import TrytonServer
from tests.patience import HANG_S
from tests.sandbox.vendors.tryton.sales import ACME, BLUEFIN, TIDEWATER, confirm, create_sale, find

TENANT = "nordwind"
TOTALS = ("untaxed_amount", "tax_amount", "total_amount")


@pytest.mark.parametrize(
    ("entity", "customer", "currency", "tax", "lines", "totals", "number"),
    [
        (
            "NW-DE",
            ACME,
            "EUR",
            "DE",
            {"GATEWAY-EDGE": (2.0, "1415.50"), "SENSOR-TEMP": (20.0, "89.50"), "INSTALL-DAY": (1.0, "980.00")},
            ("5601.00", "1064.19", "6665.19"),
            "NW-DE-",
        ),
        (
            "NW-US",
            BLUEFIN,
            "USD",
            "US-CA",
            {"GATEWAY-EDGE": (1.0, "1590.00")},
            ("1590.00", "115.28", "1705.28"),
            "NW-US-",
        ),
    ],
)
def test_a_sale_becomes_a_posted_invoice(
    tryton: TrytonServer,
    entity: str,
    customer: str,
    currency: str,
    tax: str,
    lines: dict[str, tuple[float, str]],
    totals: tuple[str, str, str],
    number: str,
) -> None:
    client = tryton.client(TENANT, entity)
    reference = f"posted-{entity}"
    sale = create_sale(client, customer, currency, tax, lines, reference)
    confirm(client, sale)

    processed = client.act("sale.sale", sale, "process", ("state", *TOTALS, "invoices.state", "shipments.state"))
    assert processed["state"] == "processing"
    assert tuple(str(processed[name]) for name in TOTALS) == totals
    [invoice] = processed["invoices"]
    assert invoice["state"] == "draft"
    assert len(processed["shipments"]) == 1

    posted = client.act("account.invoice", invoice["id"], "post", ("state", "number", "amount_to_pay", "currency.code"))
    assert posted["state"] == "posted"
    assert posted["number"].startswith(number)
    assert str(posted["amount_to_pay"]) == totals[2]
    assert posted["currency"]["code"] == currency

    domain = [["party.identifiers.code", "=", customer], ["type", "=", "out"], ["state", "=", "posted"]]
    found = client.search("account.invoice", domain, ("number", "sales.reference", "lines_to_pay.maturity_date"))
    [open_invoice] = [one for one in found if one["number"] == posted["number"]]
    assert open_invoice["sales"][0]["reference"] == reference
    assert open_invoice["lines_to_pay"][0]["maturity_date"] is not None


def test_the_credit_limit_refuses_and_the_sale_stays_a_quotation(tryton: TrytonServer) -> None:
    client = tryton.client(TENANT, "NW-DE")
    sale = create_sale(client, TIDEWATER, "EUR", "DE", {"GATEWAY-EDGE": (12.0, "1490.00")}, "over-the-limit")
    client.act("sale.sale", sale, "quote")
    with pytest.raises(RestError) as refusal:
        client.act("sale.sale", sale, "confirm")
    assert refusal.value.answer.status == 400
    assert "will exceed their €5000.00 credit limit" in refusal.value.answer.value["message"]
    assert client.read("sale.sale", sale, ["state"])["state"] == "quotation"


def test_a_confirmed_sale_uses_credit_until_it_is_withdrawn(tryton: TrytonServer) -> None:
    client = tryton.client(TENANT, "NW-DE")
    party = find(client, "party.party", "identifiers.code", TIDEWATER)["id"]
    sale = create_sale(client, TIDEWATER, "EUR", "DE", {"SENSOR-TEMP": (10.0, "89.50")}, "withdrawn")
    before = client.read("party.party", party, ["credit_amount"])["credit_amount"]
    confirm(client, sale)
    during = client.read("party.party", party, ["credit_amount", "credit_limit_amount"])
    assert during["credit_amount"] - before == Decimal("895.00")
    assert during["credit_limit_amount"] == Decimal("5000.00")
    found = client.read("sale.sale", sale, ["state", "invoices.id"])
    assert (found["state"], found["invoices"]) == ("confirmed", [])
    client.act("sale.sale", sale, "draft")
    assert client.act("sale.sale", sale, "cancel", ("state",))["state"] == "cancelled"
    assert client.read("party.party", party, ["credit_amount"])["credit_amount"] == before


def test_a_confirmed_sale_waits_for_the_worker_until_its_grace_is_over(
    tryton: TrytonServer, postgres: PostgresEngine
) -> None:
    client = tryton.client(TENANT, "NW-DE")
    sale = create_sale(client, ACME, "EUR", "DE", {"SENSOR-TEMP": (1.0, "89.50")}, "waiting")
    confirm(client, sale)
    with psycopg.connect(postgres.url(tryton.database)) as connection:
        waits = connection.execute(
            "SELECT scheduled_at - enqueued_at FROM ir_queue WHERE dequeued_at IS NULL AND data->'instances' = %s",
            [Jsonb([sale])],
        ).fetchall()
    [(wait,)] = waits
    assert abs(wait - GRACE) < timedelta(seconds=1)


def test_the_worker_does_what_is_due(tryton: TrytonServer) -> None:
    client = tryton.client(TENANT, "NW-DE")
    admin = TrytonSession(tryton.url, tryton.database, ADMIN_LOGIN, tryton.credentials.admin_password)
    [before] = admin.read("sale.configuration", [1], ["sale_process_after"])
    admin.write("sale.configuration", [1], {"sale_process_after": None})
    try:
        sale = create_sale(client, ACME, "EUR", "DE", {"SENSOR-TEMP": (1.0, "89.50")}, "due")
        confirm(client, sale)
    finally:
        admin.write("sale.configuration", [1], {"sale_process_after": before["sale_process_after"]})
    deadline = time.monotonic() + HANG_S
    while client.read("sale.sale", sale, ["state"])["state"] != "processing":
        assert time.monotonic() < deadline, "the worker did not process the sale"
        time.sleep(0.1)


def test_confirming_one_sale_four_times_at_once_makes_one_invoice(tryton: TrytonServer) -> None:
    client = tryton.client(TENANT, "NW-DE")
    sale = create_sale(client, ACME, "EUR", "DE", {"SENSOR-TEMP": (1.0, "89.50")}, "four-at-once")
    client.act("sale.sale", sale, "quote")
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: client.send("POST", f"sale.sale/{sale}/confirm", (), {}).status, range(4)))
    assert sorted(answers)[0] == 200
    assert answers.count(200) == 1
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: client.send("POST", f"sale.sale/{sale}/process", (), {}).status, range(4)))
    assert len(client.read("sale.sale", sale, ["invoices.id"])["invoices"]) == 1
