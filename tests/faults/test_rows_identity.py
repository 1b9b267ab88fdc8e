"""docs/failures.md, rows 28, 29 and 32: whose record is whose, and one decision from one copy.

Real Tryton, the simulators of Stripe and Salesforce, and the whole saga; the vendors' own data is compared.
"""

import uuid
from decimal import Decimal
from typing import Any

import pytest

from process_api.pricing import prices_and_tax
from shared.canonical import CustomerDraft
from system_api.billing.stripe import customers as stripe_customers
from system_api.billing.stripe.api import idempotency_key
from system_api.billing.stripe.customers import StripeCustomers
from system_api.erp.tryton.addresses import TrytonAddresses
from system_api.erp.tryton.identity import TrytonIdentity
from system_api.erp.tryton.records import PARTY_FIELDS, PartyRecord
from tests.faults.customers import (
    GATEWAYS,
    HAMBURG,
    NEW_YORK,
    OAKLAND,
    US_GATEWAY,
    US_MONTHLY,
    Books,
    billed,
    change,
    german_vat_id,
    new_account,
    new_number,
    order,
    stripe,
)
from tests.faults.ordering import MONTHLY, SENSOR, Ordering
from tests.journeys.org import Line

pytestmark = pytest.mark.servers


def blocked_customer(ordering: Ordering) -> tuple[str, str]:
    """An account whose customer has a limit of 100 and is deactivated in the ERP. Returns its id and the number."""
    account_id, number, books = new_account(ordering, HAMBURG), new_number(), Books(ordering)
    party = books.customer(number, "Kaikontor", account_id, "100")
    books.admin.write("party.party", [party], {"active": False})
    return account_id, number


async def test_row_28_a_deactivated_customer_refuses_the_order_by_its_number(ordering: Ordering) -> None:
    account_id, number = blocked_customer(ordering)

    ended = await order(ordering, account_id, GATEWAYS)

    assert (ended["status"], ended["reasonCode"]) == ("rejected", "customer_blocked")
    assert number in ended["reasonDetail"]
    assert Books(ordering).parties(account_id) == []


async def test_row_28_mutation_without_looking_for_inactive_ones_the_order_is_booked_without_its_limit(
    ordering: Ordering, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def active_ones(self: TrytonIdentity, domain: list[Any]) -> list[Any]:
        return await self._rest.search("party.party", domain, PARTY_FIELDS, PartyRecord, limit=50)

    monkeypatch.setattr(TrytonIdentity, "_search", active_ones)
    account_id, _ = blocked_customer(ordering)

    ended = await order(ordering, account_id, GATEWAYS)

    assert ended["status"] == "booked", "14,900.00 EUR for a customer whose limit is 100.00 EUR"
    assert len(Books(ordering).parties(account_id)) == 1


def look_alike(ordering: Ordering) -> tuple[str, str]:
    """An account of the same name and VAT id as another one, whose customer has a limit of 5,000."""
    books, number, vat_id = Books(ordering), new_number(), german_vat_id()
    name = f"Kaikontor {uuid.uuid4().hex[:8]} GmbH"
    books.customer(number, name, new_account(ordering, HAMBURG, name, VAT_Id__c=vat_id), "5000", eu_vat=vat_id)
    return new_account(ordering, HAMBURG, name, VAT_Id__c=vat_id), number


async def test_row_28_a_likely_duplicate_waits_for_a_person_with_its_candidates(ordering: Ordering) -> None:
    account_id, number = look_alike(ordering)

    ended = await order(ordering, account_id, Line("GATEWAY-EDGE", "12", "1490.00"))

    assert (ended["status"], ended["reasonCode"]) == ("parked", "customer_ambiguous")
    assert f"{number} (" in ended["reasonDetail"]
    assert "the same tax id and the same name and postal code" in ended["reasonDetail"]
    assert Books(ordering).parties(account_id) == []


async def test_row_28_mutation_who_does_not_look_for_likeness_makes_a_third_customer(
    ordering: Ordering, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unlike(*_: Any) -> list[Any]:
        return []

    monkeypatch.setattr(TrytonIdentity, "candidates", unlike)
    account_id, _ = look_alike(ordering)

    ended = await order(ordering, account_id, Line("GATEWAY-EDGE", "12", "1490.00"))

    assert ended["status"] == "booked", "17,880.00 EUR beside a limit of 5,000.00 EUR"
    assert len(Books(ordering).parties(account_id)) == 1


async def merged(ordering: Ordering) -> tuple[str, str]:
    """An account with an order, whose customer was merged into another one since. Returns the master's number."""
    name, books, number = f"Kaikontor {uuid.uuid4().hex[:8]} GmbH", Books(ordering), new_number()
    account_id = new_account(ordering, HAMBURG, name)
    assert (await order(ordering, account_id, SENSOR))["status"] == "booked"
    [source] = books.parties(account_id)
    master = books.customer(number, name, "001000000000000", "50000")
    forms = {"ask": {"source": source["id"], "destination": master}}
    books.admin.run_wizard("party.replace", [("replace", forms)])
    return account_id, number


async def test_row_28_a_merge_in_the_erp_is_followed(ordering: Ordering) -> None:
    account_id, master = await merged(ordering)

    ended = await order(ordering, account_id, SENSOR)

    assert ended["status"] == "booked", ended
    assert Books(ordering).sale(ended["orderNumber"])["party"]["code"] == master


async def test_row_28_mutation_who_does_not_follow_a_merge_books_nothing_any_more(
    ordering: Ordering, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def itself(_self: TrytonIdentity, party: PartyRecord) -> PartyRecord:
        return party

    account_id, _ = await merged(ordering)
    monkeypatch.setattr(TrytonIdentity, "master", itself)

    assert (await order(ordering, account_id, SENSOR))["status"] != "booked"


# -- row 29 -----------------------------------------------------------------------------------------------------------


async def deleted(ordering: Ordering) -> tuple[str, str]:
    """An account with a subscription, whose customer was deleted in Stripe's dashboard. Returns both ids."""
    account_id = new_account(ordering, HAMBURG)
    first = await order(ordering, account_id, MONTHLY)
    assert first["status"] == "booked", first
    customer = str(billed(ordering, first)["id"])
    stripe(ordering, "DELETE", f"/v1/customers/{customer}")
    return account_id, customer


async def test_row_29_a_customer_deleted_the_same_day_is_replaced(ordering: Ordering) -> None:
    account_id, customer = await deleted(ordering)

    ended = [await order(ordering, account_id, MONTHLY) for _ in range(2)]

    assert [each["status"] for each in ended] == ["booked", "booked"], ended
    [successor] = {billed(ordering, each)["id"] for each in ended}
    assert successor != customer


async def test_row_29_a_customer_deleted_days_ago_is_replaced(
    ordering: Ordering, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stripe has forgotten the idempotency key by then; the cross-reference still names the deleted one."""
    account_id, customer = await deleted(ordering)
    monkeypatch.setattr(stripe_customers, "idempotency_key", lambda *_: f"forgotten-{uuid.uuid4().hex}")

    ended = await order(ordering, account_id, MONTHLY)

    assert ended["status"] == "booked", ended
    assert billed(ordering, ended)["id"] != customer


async def test_row_29_mutation_who_believes_a_replayed_answer_charges_a_customer_that_is_gone(
    ordering: Ordering, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def believing(self: StripeCustomers, draft: CustomerDraft, _gone: list[str]) -> Any:
        params = stripe_customers._params(draft)
        key = idempotency_key("create-customer", stripe_customers.external_id(draft), params)
        return await self._api.post("/v1/customers", stripe_customers.CustomerRecord, params, key=key)

    monkeypatch.setattr(StripeCustomers, "_make", believing)
    account_id, _ = await deleted(ordering)

    ended = await order(ordering, account_id, MONTHLY)

    assert ended["status"] == "rejected"
    assert "No such customer" in ended["reasonDetail"]


# -- row 32 -----------------------------------------------------------------------------------------------------------


async def moved(ordering: Ordering) -> str:
    """An account with an order in Oakland that has moved to New York since."""
    account_id = new_account(ordering, OAKLAND)
    first = await order(ordering, account_id, US_GATEWAY, US_MONTHLY, american=True)
    assert first["status"] == "booked", first
    change(ordering, account_id, Name=f"Moved {uuid.uuid4().hex[:8]} Inc.", **NEW_YORK)
    return account_id


async def test_row_32_an_account_that_moves_is_taxed_and_invoiced_at_its_new_address(ordering: Ordering) -> None:
    account_id = await moved(ordering)

    ended = await order(ordering, account_id, US_GATEWAY, US_MONTHLY, american=True)

    assert ended["status"] == "booked", ended
    sale = Books(ordering, "NW-US").sale(ended["orderNumber"])
    assert sale["tax_amount"] == Decimal("63.60"), "4 % of 1,590.00"
    assert (sale["invoice_address"]["city"], sale["shipment_address"]["city"]) == ("New York", "New York")
    customer = billed(ordering, ended)
    assert (customer["address"]["city"], customer["address"]["state"]) == ("New York", "NY")
    assert customer["name"].startswith("Moved ")


async def test_row_32_an_address_that_the_erp_keeps_otherwise_is_refused_before_anything_is_booked(
    ordering: Ordering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TrytonAddresses, "changes", nothing_to_change)
    account_id = await moved(ordering)

    ended = await order(ordering, account_id, US_GATEWAY, american=True)

    assert (ended["status"], ended["reasonCode"]) == ("rejected", "tax_status_differs")
    assert "7.25 % (US-CA)" in ended["reasonDetail"]
    assert ended["orderNumber"] == ""


async def test_row_32_mutation_two_copies_decide_and_the_invoice_goes_to_the_old_address(
    ordering: Ordering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TrytonAddresses, "changes", nothing_to_change)
    monkeypatch.setattr(prices_and_tax, "agree_on_tax", undisputed)
    account_id = await moved(ordering)

    ended = await order(ordering, account_id, US_GATEWAY, american=True)

    sale = Books(ordering, "NW-US").sale(ended["orderNumber"])
    assert (sale["tax_amount"], sale["invoice_address"]["city"]) == (Decimal("63.60"), "Oakland")


async def nothing_to_change(*_: Any) -> list[Any]:
    """As if nobody compared addresses."""
    return []


async def undisputed(_context: Any, _account: Any, tax: Any) -> Any:
    """The table's tax, whatever the others say."""
    return tax


async def exempt(ordering: Ordering) -> str:
    """An account whose customer the ERP exempts from tax."""
    account_id, books = new_account(ordering, OAKLAND), Books(ordering, "NW-US")
    assert (await order(ordering, account_id, US_GATEWAY, american=True))["status"] == "booked"
    values: dict[str, Any] = {
        "name": "Exempt",
        "company": books.admin.company,
        "kind": "sale",
        "lines": [("create", [{}])],
    }
    rule = books.admin.create_one("account.tax.rule", values)
    [party] = books.parties(account_id)
    books.admin.write("party.party", [party["id"]], {"customer_tax_rule": rule})
    return account_id


async def test_row_32_what_the_erp_exempts_is_taxed_nowhere(ordering: Ordering) -> None:
    account_id = await exempt(ordering)

    ended = await order(ordering, account_id, US_GATEWAY, US_MONTHLY, american=True)

    assert ended["status"] == "booked", ended
    sale = Books(ordering, "NW-US").sale(ended["orderNumber"])
    assert (sale["tax_amount"], [each["taxes"] for each in sale["lines"]]) == (0, [[]])
    assert billed(ordering, ended)["tax_exempt"] == "exempt"
    assert Decimal(ended["totalAmount"]) == Decimal("1617.50"), "1,590.00 and five times 5.50"


async def test_row_32_mutation_without_one_decision_the_exempt_customer_is_charged(
    ordering: Ordering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prices_and_tax, "agree_on_tax", undisputed)
    account_id = await exempt(ordering)

    ended = await order(ordering, account_id, US_GATEWAY, american=True)

    assert Books(ordering, "NW-US").sale(ended["orderNumber"])["tax_amount"] == Decimal("115.28")
