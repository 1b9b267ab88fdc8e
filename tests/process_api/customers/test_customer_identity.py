"""Whose customer an account is: parked for a decision, decided by API, kept for the next order, moved with history."""

import asyncio
import uuid
from decimal import Decimal
from typing import Any

import httpx
import msgspec
import pytest

from shared.canonical import Address, Contact, CustomerEntry, CustomerTax
from shared.canonical.record_ids import canonical_spelling
from tests.process_api.conftest import Process
from tests.process_api.system_stand_in import CHOOSE, mixed_quote

SAID = "The ERP may know this account already: C-1003 (Tidewater, limit 5000.00 EUR, the same tax id)."


def take_new_account(process: Process) -> str:
    """An account that no other test orders for, and a quote of it."""
    account_id = canonical_spelling(f"001{uuid.uuid4().hex[:12]}")
    assert process.system.account is not None
    process.system.account = msgspec.structs.replace(process.system.account, account_id=account_id)
    take_new_quote(process)
    return account_id


def take_new_quote(process: Process, **changes: Any) -> None:
    assert process.system.account is not None
    account_id = process.system.account.account_id
    process.system.quote = msgspec.structs.replace(mixed_quote(), account_id=account_id, **changes)


async def ordered(process: Process) -> dict[str, Any]:
    answer = await process.submit()
    assert answer.status_code == 202, answer.text
    return await told(process, answer.json()["orderId"])


async def told(process: Process, order_id: str) -> dict[str, Any]:
    """The order once it has come to an end and Salesforce knows it."""
    order = await process.ended(order_id, timeout_s=120)
    await process.idle()
    return order


async def relink(
    process: Process, account_id: str, vendor_id: str, *, system: str = "erp:NW-DE", key: str | None = None
) -> httpx.Response:
    return await process.client.post(
        f"/v1/accounts/{account_id}/cross-references/{system}/relink",
        json={"vendorId": vendor_id, "reason": "Checked with the credit desk."},
        headers={**process.operator_headers, "Idempotency-Key": key or uuid.uuid4().hex},
    )


async def identity(process: Process, account_id: str) -> dict[str, Any]:
    answer = await process.client.get(f"/v1/accounts/{account_id}/cross-references", headers=process.operator_headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def tried_again(process: Process, order: dict[str, Any]) -> dict[str, Any]:
    answer = await process.client.post(f"/v1/flows/{order['flowId']}/retry", json={}, headers=process.operator_headers)
    assert answer.status_code == 202, answer.text
    return await told(process, order["orderId"])


def candidate(vendor_id: str, **changes: Any) -> CustomerEntry:
    entry = CustomerEntry(
        vendor_id=vendor_id, number="C-1003", name="Tidewater Logistics GmbH", active=True, city="Hamburg"
    )
    return msgspec.structs.replace(entry, **changes)


# -- decisions --------------------------------------------------------------------------------------------------------


async def test_a_likely_duplicate_parks_at_once_and_shows_its_candidates(process: Process) -> None:
    account_id = take_new_account(process)
    process.system.alike = [candidate("5", matched_by=["tax id"]), candidate("6", number="C-7", active=False)]

    order = await ordered(process)

    assert (order["status"], order["reasonCode"]) == ("parked", "customer_ambiguous")
    assert f"may know account {account_id} already: C-1003 (the same tax id); C-7 (blocked)." in order["reason"]
    assert "Tidewater" not in order["reason"], "an order keeps nobody's name"
    assert process.system.calls.count("find_customer_candidates") == 1, "asking again would be told the same"
    assert "ensure_customer" not in process.system.calls
    assert process.system.journal == [("report", f"{order['orderId']}:parked")]
    flow = (await process.flow(order["flowId"]))["flow"]
    assert flow["whatToDo"] == CHOOSE
    [waiting] = (await identity(process, account_id))["undecided"]
    assert (waiting["system"], waiting["flowId"], waiting["candidatesKnown"]) == ("erp:NW-DE", order["flowId"], True)
    shown = [(each["number"], each["city"]) for each in waiting["candidates"]]
    assert shown == [("C-1003", "Hamburg"), ("C-7", "Hamburg")]


async def test_a_duplicate_that_appears_after_readiness_parks_before_it_is_made(process: Process) -> None:
    take_new_account(process)
    process.system.undecided = SAID

    order = await ordered(process)

    assert (order["status"], order["reasonCode"], order["reason"]) == ("parked", "customer_ambiguous", SAID)
    assert process.system.calls.count("ensure_customer") == 1


@pytest.mark.parametrize("found_by", ["readiness", "the write"])
@pytest.mark.parametrize("choice", ["5", "new"])
async def test_an_answer_is_kept_and_the_next_order_does_not_ask_again(
    process: Process, choice: str, found_by: str
) -> None:
    account_id = take_new_account(process)
    vendor_id = f"record-{account_id}" if choice == "5" else choice
    process.system.customer_records = {vendor_id: candidate(vendor_id)}
    process.system.undecided = SAID
    if found_by == "readiness":
        process.system.alike = [candidate(vendor_id)]
    parked = await ordered(process)

    decided = await relink(process, account_id, vendor_id)
    first = await tried_again(process, parked)
    take_new_quote(process)
    second = await ordered(process)

    assert decided.status_code == 200, decided.text
    assert (first["status"], second["status"]) == ("booked", "booked"), (first["reason"], second["reason"])
    drafts = [each for each in process.system.customer_drafts if each.account_id == account_id]
    assert drafts[-1].new_as is None
    now = await identity(process, account_id)
    linked = {each["system"]: each["vendorId"] for each in now["crossReferences"]}
    made = next(each.new_as for each in drafts if each.new_as) if choice == "new" else ""
    assert linked["erp:NW-DE"] == (f"party-{made}-{account_id}" if made else vendor_id)
    assert now["undecided"] == []
    decision = next(each for each in now["history"] if each["reason"])
    assert (decision["reason"], decision["decidedBy"]) == ("Checked with the credit desk.", "integration-operator")
    assert decision["cause"] == ("relinked" if choice == "5" else "decided_new")


async def test_the_same_decision_sent_again_changes_nothing(process: Process) -> None:
    account_id, key = take_new_account(process), uuid.uuid4().hex
    await ordered(process)
    other = f"other-{account_id}"
    process.system.customer_records = {other: candidate(other)}

    answers = [await relink(process, account_id, other, key=key) for _ in range(2)]
    again = await relink(process, account_id, other)

    assert [each.status_code for each in (*answers, again)] == [200, 200, 200]
    history = (await identity(process, account_id))["history"]
    assert [each["cause"] for each in history if each["system"] == "erp:NW-DE"] == ["relinked", "linked"]


@pytest.mark.parametrize("choice", ["other", "new"])
async def test_a_decision_sent_again_gets_its_first_answer_and_asks_nobody(process: Process, choice: str) -> None:
    account_id, key = take_new_account(process), uuid.uuid4().hex
    await ordered(process)
    other = f"other-{account_id}" if choice == "other" else "new"
    process.system.customer_records = {other: candidate(other)}
    first = await relink(process, account_id, other, key=key)
    # By now another decision holds, and nothing can be asked.
    third = f"third-{account_id}"
    process.system.customer_records = {third: candidate(third)}
    assert (await relink(process, account_id, third)).status_code == 200
    process.system.account, process.system.customer_records = None, {}
    asked = len(process.system.calls)

    again = await relink(process, account_id, other, key=key)
    different = await relink(process, account_id, third, key=key)

    assert (again.status_code, again.json()) == (200, first.json())
    assert first.json()["before"] == f"party-{account_id}"
    assert different.status_code == 422
    assert len(process.system.calls) == asked


@pytest.mark.parametrize(
    ("records", "system", "said"),
    [
        ({}, "erp:NW-DE", "has no customer 7 (any more)"),
        ({"7": candidate("7", active=False)}, "erp:NW-DE", "Customer C-1003 of erp:NW-DE is blocked there"),
        ({"7": candidate("8")}, "erp:NW-DE", "was merged into 8"),
        ({"7": candidate("7", currency="EUR")}, "billing:NW-DE:USD", "is charged in EUR"),
    ],
)
async def test_an_account_is_not_linked_to_what_it_cannot_be(
    process: Process, records: dict[str, CustomerEntry], system: str, said: str
) -> None:
    account_id = take_new_account(process)
    process.system.customer_records = records

    answer = await relink(process, account_id, "7", system=system)

    assert answer.status_code == 409
    assert said in answer.json()["detail"]
    assert (await identity(process, account_id))["crossReferences"] == []


async def test_two_accounts_do_not_become_one_customer(process: Process) -> None:
    first = take_new_account(process)
    assert (await ordered(process))["status"] == "booked"
    shared = f"party-{first}"
    second = take_new_account(process)
    process.system.customer_records = {shared: candidate(shared)}

    answer = await relink(process, second, shared)

    assert answer.status_code == 409
    assert f"is account {first} already" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("account", "system", "status"),
    [
        ("mine", "erp:NW-US", 404),
        ("mine", "billing:NW-DE", 400),
        ("mine", "crm:NW-DE", 400),
        ("nobody's", "erp:NW-DE", 404),
    ],
)
async def test_a_decision_names_an_account_and_a_system_that_are_there(
    process: Process, account: str, system: str, status: int
) -> None:
    account_id = take_new_account(process)
    if account != "mine":
        process.system.account = None

    assert (await relink(process, account_id, "new", system=system)).status_code == status


async def test_a_decision_is_found_under_the_short_form_of_the_id(process: Process) -> None:
    account_id = take_new_account(process)
    await ordered(process)

    assert (await identity(process, account_id[:15]))["accountId"] == account_id


# -- identities that move ---------------------------------------------------------------------------------------------


async def test_what_a_vendor_has_merged_or_replaced_is_followed(process: Process) -> None:
    account_id = take_new_account(process)
    await ordered(process)
    before = {f"party-{account_id}": f"master-{account_id}", f"cus_{account_id}": f"cus_new_{account_id}"}
    process.system.replaced = before
    take_new_quote(process)

    order = await ordered(process)

    assert order["status"] == "booked", order["reason"]
    now = await identity(process, account_id)
    assert {each["vendorId"] for each in now["crossReferences"]} == set(before.values())
    followed = {(each["before"], each["after"]) for each in now["history"] if each["cause"] == "followed"}
    assert followed == set(before.items())
    [draft, *_] = [each for each in reversed(process.system.customer_drafts) if each.account_id == account_id]
    assert draft.known_vendor_id == f"cus_{account_id}"


async def test_a_blocked_customer_ends_the_order_before_anything_is_written(process: Process) -> None:
    account_id = take_new_account(process)
    process.system.blocked = {f"party-{account_id}"}

    order = await ordered(process)

    assert (order["status"], order["reasonCode"]) == ("rejected", "customer_blocked")
    assert {name for name, _ in process.system.journal} == {"report"}


async def test_a_blocked_customer_that_is_linked_is_named_by_its_number(process: Process) -> None:
    account_id = take_new_account(process)
    await ordered(process)
    process.system.blocked = {f"party-{account_id}"}
    take_new_quote(process)

    order = await ordered(process)

    assert (order["status"], order["reasonCode"]) == ("rejected", "customer_blocked")
    assert "Customer C-1001 is blocked in the ERP" in order["reason"]


async def test_the_bill_to_contacts_email_reaches_both_systems(process: Process) -> None:
    account_id = take_new_account(process)
    take_new_quote(process, bill_to=Contact(email="invoices@acme.example"))

    await ordered(process)

    told = [each.email for each in process.system.customer_drafts if each.account_id == account_id]
    assert set(told) == {"invoices@acme.example"}


# -- one decision on the tax ------------------------------------------------------------------------------------------


async def test_what_the_erp_exempts_is_taxed_nowhere(process: Process) -> None:
    account_id = take_new_account(process)
    process.system.erp_tax = CustomerTax(rule="Exempt", codes=[], percent="0")

    order = await ordered(process)

    assert order["status"] == "booked", order["reason"]
    assert Decimal(order["tax"]["amount"]) == 0
    [erp] = [each for each in process.system.drafts.values() if each.account_id == account_id]
    assert (erp.tax_code, erp.expected_tax.value) == ("UNTAXED", Decimal(0))
    assert process.system.customer_drafts[-1].tax_exempt


@pytest.mark.parametrize(("instead_of", "taxed"), [(["DE"], False), (["DE-7"], True), (["DE-7", "DE"], False)])
async def test_an_exemption_from_some_taxes_exempts_only_orders_with_them(
    process: Process, instead_of: list[str], taxed: bool
) -> None:
    take_new_account(process)
    process.system.erp_tax = CustomerTax(rule="Exempt", codes=[], percent="0", instead_of=instead_of)

    order = await ordered(process)

    assert order["status"] == "booked", order["reason"]
    assert (Decimal(order["tax"]["amount"]) > 0) is taxed


@pytest.mark.parametrize(
    ("erp", "billing", "said"),
    [
        (CustomerTax(rule="Reduced", codes=["DE-7"], percent="7"), False, "7 % (DE-7) by its rule Reduced"),
        (CustomerTax(rule="Address", codes=["DE"], percent="19"), True, "Billing holds customer"),
        (None, True, "Billing holds customer"),
    ],
)
async def test_copies_that_would_tax_otherwise_end_the_order_before_anything_is_written(
    process: Process, erp: CustomerTax | None, billing: bool, said: str
) -> None:
    take_new_account(process)
    process.system.erp_tax, process.system.billing_exempts = erp, billing

    order = await ordered(process)

    assert (order["status"], order["reasonCode"]) == ("rejected", "tax_status_differs")
    assert said in order["reason"]
    assert "ERP charges" in order["reason"]
    assert {name for name, _ in process.system.journal} == {"report"}


async def test_an_account_that_moves_while_its_order_is_booked_is_not_invoiced_in_two_places(process: Process) -> None:
    take_new_account(process)
    gate = process.switch.hold("/confirm")
    answer = await process.submit()
    while "create_order" not in process.system.calls:  # noqa: ASYNC110 the stand-in has no way to wait
        await asyncio.sleep(0.02)
    assert process.system.account is not None
    moved = Address(street="Hafenstrasse 1", postal_code="20457", city="Hamburg", country="DE")
    process.system.account = msgspec.structs.replace(process.system.account, billing_address=moved)
    gate.set()

    order = await told(process, answer.json()["orderId"])

    assert (order["status"], order["reasonCode"]) == ("rejected", "account_moved")
    assert not process.system.subscriptions
    assert [name for name, _ in process.system.journal][:3] == ["order.create", "order.confirmed", "order.cancelled"]
