"""Readiness knows which customer the account would be, and whether billing can charge it, before the first write."""

import uuid

import msgspec
import pytest

from process_api.customers.cross_reference import Pair, link
from process_api.orders.readiness.faults import NotReady
from shared.canonical import BillingCustomer, CustomerEntry, OrderFault, OrderFindings, Quote
from shared.canonical.record_ids import canonical_spelling
from shared.problem import NeedsDecision
from tests.process_api.conftest import Process
from tests.process_api.orders.order_endings import submit_and_end
from tests.process_api.orders.readiness.readiness_desk import RULES, Desk
from tests.process_api.system_stand_in import euros, mixed_quote

CHARGES = msgspec.structs.replace(RULES, collection="charge_automatically")


def new_quote(process: Process) -> Quote:
    """A quote of an account that no other test orders for."""
    account_id = canonical_spelling(f"001{uuid.uuid4().hex[:12]}")
    assert process.system.account is not None
    process.system.account = msgspec.structs.replace(process.system.account, account_id=account_id)
    return msgspec.structs.replace(mixed_quote(), account_id=account_id)


async def linked(process: Process, account_id: str, system: str, vendor_id: str) -> None:
    async with process.worker.store.transaction("nordwind") as connection:
        await link(connection, Pair("nordwind", account_id, system), vendor_id)


def entry(vendor_id: str, number: str, *, active: bool = True) -> CustomerEntry:
    return CustomerEntry(vendor_id=vendor_id, number=number, name="Zarquilla GmbH", active=active)


@pytest.mark.parametrize("by", ["its link", "the account's id"])
async def test_a_customer_blocked_in_the_erp_is_a_fault_with_its_number(process: Process, by: str) -> None:
    quote = new_quote(process)
    if by == "its link":
        vendor_id = f"party-{uuid.uuid4().hex}"
        await linked(process, quote.account_id, "erp:NW-DE", vendor_id)
        process.system.customer_records = {vendor_id: entry(vendor_id, "C-1001", active=False)}
    else:
        process.system.customers, process.system.blocked = {quote.account_id: "8"}, {"8"}

    found = await Desk(process).examine(quote)

    assert [(fault.code, fault.system) for fault in found.faults] == [("customer_blocked", "ERP")]
    assert "Customer C-1001 is blocked" in found.faults[0].message
    with pytest.raises(NotReady):
        found.require()


async def test_likely_duplicates_are_a_fault_with_their_numbers_and_wait_for_a_person(process: Process) -> None:
    quote = new_quote(process)
    limited = msgspec.structs.replace(entry("1", "C-1"), credit_limit=euros("5000.00"))
    process.system.alike = [limited, *(entry(str(n), f"C-{n}") for n in range(2, 8))]

    found = await Desk(process).examine(quote)

    assert [fault.code for fault in found.faults] == ["customer_ambiguous"]
    assert "C-1; C-2; C-3; C-4; C-5; and 2 more" in found.faults[0].message
    assert "Zarquilla" not in found.faults[0].message
    with pytest.raises(NeedsDecision) as waits:
        found.require()
    assert waits.value.candidates == ("C-1 (limit 5000.00 EUR)", *(f"C-{n} (no limit)" for n in range(2, 8)))
    assert "limit" not in found.faults[0].message, "a limit is not for a seller's eyes"


async def test_a_duplicate_beside_a_fault_is_told_with_it_and_the_order_is_refused(process: Process) -> None:
    quote = msgspec.structs.replace(new_quote(process), bill_to=None)
    process.system.alike = [entry("1", "C-1")]

    found = await Desk(process).examine(quote)

    assert {fault.code for fault in found.faults} == {"customer_ambiguous", "bill_to_email_missing"}
    with pytest.raises(NotReady):
        found.require()


async def test_a_linked_customer_that_is_gone_waits_for_a_person(process: Process) -> None:
    quote = new_quote(process)
    await linked(process, quote.account_id, "erp:NW-DE", f"gone-{quote.account_id}")

    assert await Desk(process).codes(quote) == ["customer_gone"]


@pytest.mark.parametrize("alike", [False, True])
async def test_a_linked_customer_is_not_looked_for_by_its_looks(process: Process, alike: bool) -> None:
    quote = new_quote(process)
    vendor_id = f"party-{quote.account_id}"
    await linked(process, quote.account_id, "erp:NW-DE", vendor_id)
    process.system.alike = [entry("9", "C-9")] if alike else []

    assert await Desk(process).codes(quote) == []
    assert "find_customer_candidates" not in process.system.calls


@pytest.mark.parametrize(
    ("system", "code"), [("erp:NW-DE", "customer_shared"), ("billing:NW-DE:EUR", "billing_customer_shared")]
)
async def test_a_record_that_is_another_accounts_already_waits_for_a_person(
    process: Process, system: str, code: str
) -> None:
    quote, owner = new_quote(process), canonical_spelling(f"001{uuid.uuid4().hex[:12]}")
    vendor_id = f"record-{owner}"
    await linked(process, owner, system, vendor_id)
    process.system.customers = {quote.account_id: vendor_id} if system.startswith("erp") else {}
    held = BillingCustomer(account_id=quote.account_id, vendor_id=vendor_id)
    process.system.billing_customers = {quote.account_id: held}

    found = await Desk(process).examine(quote)

    assert [fault.code for fault in found.faults] == [code]
    assert f"is account {owner} already" in found.faults[0].message
    with pytest.raises(NeedsDecision, match="already"):
        found.require()


async def test_a_blocked_customer_is_told_before_what_it_may_owe(process: Process) -> None:
    quote = new_quote(process)
    process.system.customers, process.system.blocked = {quote.account_id: "8"}, {"8"}
    process.system.credit_limit = None

    assert await Desk(process).codes(quote) == ["customer_blocked"]


@pytest.mark.parametrize(
    ("known", "has", "codes"),
    [
        (False, None, ["payment_method_missing"]),
        (True, False, ["payment_method_missing"]),
        (True, True, []),
        (True, None, []),
    ],
)
async def test_charging_automatically_needs_a_payment_method_in_billing(
    process: Process, known: bool, has: bool | None, codes: list[str]
) -> None:
    quote = new_quote(process)
    if known:
        held = BillingCustomer(account_id=quote.account_id, vendor_id="cus_1", has_payment_method=has)
        process.system.billing_customers = {quote.account_id: held}

    assert await Desk(process, CHARGES).codes(quote) == codes
    assert await Desk(process).codes(quote) == []


async def test_charging_automatically_asks_for_linked_customers_too(process: Process) -> None:
    quote = new_quote(process)
    await linked(process, quote.account_id, "billing:NW-DE:EUR", f"cus_{quote.account_id}")
    held = BillingCustomer(account_id=quote.account_id, vendor_id=f"cus_{quote.account_id}", has_payment_method=False)
    process.system.billing_customers = {quote.account_id: held}

    assert await Desk(process, CHARGES).codes(quote) == ["payment_method_missing"]


async def test_what_erp_and_billing_would_refuse_of_the_texts_is_told_before_the_first_write(process: Process) -> None:
    quote = msgspec.structs.replace(new_quote(process), purchase_order_number="4500012345")
    process.system.quote = quote
    tax_id = OrderFault(code="tax_id_impossible", message="The tax id cannot be right.", field="vatId")
    number = OrderFault(code="purchase_order_number_too_long", message="Too long.", field="purchaseOrderNumber")
    process.system.would_refuse = {
        "erp": OrderFindings(faults=[tax_id]),
        "billing": OrderFindings(faults=[number, OrderFault(code="tax_id_differs", message="Other.", field="vatId")]),
    }

    order = await submit_and_end(process)

    told = {(fault["code"], fault["field"], fault["system"]) for fault in order["faults"]}
    assert (order["status"], told) == (
        "rejected",
        {
            ("tax_id_impossible", "vatId", "ERP"),
            ("purchase_order_number_too_long", "purchaseOrderNumber", "billing"),
            ("tax_id_differs", "vatId", "billing"),
        },
    )
    assert not {"ensure_customer", "create_order", "ensure_billing_customer"} & set(process.system.calls)
    assert process.system.order_checks["billing"].purchase_order_number == "4500012345"


async def test_billing_is_not_asked_about_an_order_that_it_does_not_charge(process: Process) -> None:
    quote = new_quote(process)

    assert await Desk(process).codes(msgspec.structs.replace(quote, lines=quote.lines[:1])) == []

    assert list(process.system.order_checks) == ["erp"]


async def test_each_system_is_asked_about_the_customer_that_the_account_is_there(process: Process) -> None:
    quote = new_quote(process)
    await linked(process, quote.account_id, "erp:NW-DE", f"party-{quote.account_id}")
    await linked(process, quote.account_id, "billing:NW-DE:EUR", f"cus_{quote.account_id}")

    await Desk(process).examine(quote)

    known = {each: check.customer.known_vendor_id for each, check in process.system.order_checks.items()}
    assert known == {"erp": f"party-{quote.account_id}", "billing": f"cus_{quote.account_id}"}


async def test_what_is_not_kept_as_stated_is_said_and_keeps_nothing_from_being_ordered(process: Process) -> None:
    process.system.quote = new_quote(process)
    note = "The tax id of account 001 is kept nowhere."
    process.system.would_refuse = {"erp": OrderFindings(notes=[note]), "billing": OrderFindings(notes=[note])}

    path = f"/v1/quotes/{process.system.quote_id}/readiness"
    asked = (await process.client.post(path, json={}, headers=process.headers)).json()
    order = await submit_and_end(process)

    assert (asked["ready"], asked["notes"]) == (True, [note])
    assert order["status"] == "booked"
    flow = (await process.client.get(f"/v1/flows/{order['flowId']}", headers=process.operator_headers)).text
    assert flow.count(note) == 1


async def test_a_customer_that_another_order_makes_meanwhile_is_no_look_alike(process: Process) -> None:
    quote = new_quote(process)
    process.system.alike = [msgspec.structs.replace(entry("1", "C-1"), account_ids=[quote.account_id])]

    assert await Desk(process).codes(quote) == []
