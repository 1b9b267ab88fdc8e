"""Order submission: every step, every kind of answer, and nothing left over."""

import asyncio
import uuid
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from process_api.orders.submission import ORDER_SUBMISSION
from shared.canonical import (
    Account,
    Address,
    ErpOrderState,
    OrderStatus,
    QuoteStatus,
    Recurrence,
    SubscriptionStatus,
)
from tests.process_api.conftest import Process
from tests.process_api.system_stand_in import Fault, line, mixed_quote, new_quote_id

pytestmark = pytest.mark.servers

READS = ["find_quote", "find_account", "check_credit", "look_up_prices", "calculate_tax"]
WRITES = ["ensure_customer", "create_order", "confirm_order", "ensure_billing_customer", "create_subscription"]


async def submit_and_end(process: Process) -> dict[str, Any]:
    answer = await process.submit()
    assert answer.status_code == 202, answer.text
    order = await process.ended(answer.json()["orderId"])
    await process.idle()  # Salesforce is told of a bad end after the end
    return order


def assert_nothing_left_over(process: Process) -> None:
    assert all(order.state is ErpOrderState.cancelled for order in process.system.orders.values())
    assert all(
        subscription.status is SubscriptionStatus.cancelled for subscription in process.system.subscriptions.values()
    )


def assert_booked_once(process: Process, order: dict[str, Any]) -> None:
    order_id = order["orderId"]
    assert order["status"] == "booked", order["reason"]
    made = [entry for entry in process.system.journal if entry[0] != "report"]
    assert sorted(made) == sorted(
        [
            ("order.create", order_id),
            ("order.confirmed", order_id),
            ("subscription.create", f"{order_id}-month"),
            ("subscription.create", f"{order_id}-year"),
        ]
    )


async def events_of(process: Process, order_id: str) -> list[tuple[int, str]]:
    async with process.worker.store.transaction_across_tenants() as connection:
        rows = await connection.execute(
            text("SELECT sequence, type FROM quoteway.events WHERE subject = :subject ORDER BY sequence"),
            {"subject": order_id},
        )
        return [(row.sequence, row.type) for row in rows]


async def test_an_accepted_quote_is_booked_everywhere_once(process: Process) -> None:
    order = await submit_and_end(process)

    assert_booked_once(process, order)
    assert order["erpOrderNumber"] == "SO-42"
    assert order["subscriptionIds"] == ["sub_1", "sub_2"]
    # 2 x 1415.50 + 20 x 4.90 + 1200.00, and 19 % of each line
    assert order["total"] == {"amount": "4913.51", "currency": "EUR"}
    assert order["tax"] == {"amount": "784.51", "currency": "EUR"}
    told = process.system.reports[order["orderId"]]
    assert (told.status, told.erp_order_number, told.subscription_ids) == (
        OrderStatus.booked,
        "SO-42",
        ["sub_1", "sub_2"],
    )
    assert await events_of(process, order["orderId"]) == [(1, "order.booked")]


async def test_the_timeline_and_the_flow_tell_the_story(process: Process) -> None:
    order = await submit_and_end(process)

    statuses = [entry["status"] for entry in order["timeline"]]
    assert list(dict.fromkeys(statuses)) == ["received", "validating", "booking", "provisioning", "booked"]
    flow = await process.flow(order["flowId"])
    assert flow["flow"]["status"] == "succeeded"
    assert [step["step"] for step in flow["steps"]] == [step.name for step in ORDER_SUBMISSION.steps]
    assert {step["state"] for step in flow["steps"]} == {"done"}
    vendor_ids = {step["step"]: step["vendorIds"] for step in flow["steps"]}
    assert vendor_ids["book_erp_order"] == ["erp:42"]
    assert vendor_ids["start_billing"] == ["billing:sub_1", "billing:sub_2"]
    assert [attempt["outcome"] for attempt in flow["attempts"]] == ["done"] * len(ORDER_SUBMISSION.steps)


@pytest.mark.parametrize("operation", READS + WRITES)
async def test_a_refusal_at_any_step_leaves_nothing_over(process: Process, operation: str) -> None:
    if operation == "find_quote":
        process.system.fail(operation, "unavailable")  # else it would be the submission that reads the refusal
    process.system.fail(operation, "rejected")

    order = await submit_and_end(process)

    assert order["status"] == "rejected"
    assert order["reasonCode"] == "test_refusal"
    assert "refused by the vendor" in order["reason"]
    assert_nothing_left_over(process)
    assert await events_of(process, order["orderId"]) == [(1, "order.rejected")]


@pytest.mark.parametrize("operation", READS + WRITES)
@pytest.mark.parametrize("fault", ["unavailable", "not_sent"])
async def test_an_outage_at_any_step_is_waited_out(process: Process, operation: str, fault: Fault) -> None:
    process.system.fail(operation, fault, fault)

    assert_booked_once(process, await submit_and_end(process))


@pytest.mark.parametrize("operation", WRITES)
@pytest.mark.parametrize("fault", ["lost", "garbage"])
async def test_a_lost_answer_is_looked_up_and_never_repeated_blindly(
    process: Process, operation: str, fault: Fault
) -> None:
    process.system.fail(operation, fault)

    order = await submit_and_end(process)

    assert_booked_once(process, order)
    if operation in {"create_order", "confirm_order"}:
        position = process.system.calls.index(operation)
        assert process.system.calls[position + 1] == "find_order"


async def test_an_erp_that_stays_away_parks_the_order(process: Process) -> None:
    process.system.fail("create_order", "unavailable", "unavailable", "unavailable")

    order = await submit_and_end(process)

    assert order["status"] == "parked"
    assert order["reason"] == (
        "create order is not available. This has lasted for so long that the order is stopped. The integration team "
        "has to look into it."
    )
    assert process.system.journal == [("report", f"{order['orderId']}:parked")]
    flow = await process.flow(order["flowId"])
    assert flow["flow"]["status"] == "parked"
    assert flow["flow"]["reason"] == "This did not come to an end: create order is not available"
    assert flow["flow"]["whatToDo"]
    attempts = [attempt["outcome"] for attempt in flow["attempts"] if attempt["step"] == "book_erp_order"]
    assert attempts == ["unavailable"] * 3


async def test_a_billing_refusal_cancels_the_erp_order(process: Process) -> None:
    process.system.fail("create_subscription", "rejected")

    order = await submit_and_end(process)

    order_id = order["orderId"]
    assert order["status"] == "rejected"
    assert process.system.journal[:3] == [
        ("order.create", order_id),
        ("order.confirmed", order_id),
        ("order.cancelled", order_id),
    ]
    assert process.system.reports[order_id].status is OrderStatus.rejected
    assert "refused" in (process.system.reports[order_id].failure_reason or "")
    assert "compensating" in [entry["status"] for entry in order["timeline"]]


async def test_the_second_subscription_refused_undoes_the_first(process: Process) -> None:
    class SecondRefused(list[Fault]):
        calls = 0

        def pop(self, _index: Any = -1) -> Any:
            self.calls += 1
            return "rejected" if self.calls == 2 else None

        def __bool__(self) -> bool:
            return True

    process.system.faults["create_subscription"] = SecondRefused()

    order = await submit_and_end(process)

    assert order["status"] == "rejected"
    assert len(process.system.subscriptions) == 1
    assert_nothing_left_over(process)


async def test_a_lost_create_that_is_then_refused_is_still_undone(process: Process) -> None:
    # The first request books the order and its answer is lost; the look-up finds a quotation, and confirming it is
    # refused. Had the undo been registered only after success, the order would stay.
    process.system.fail("create_order", "lost")
    process.system.fail("confirm_order", "rejected")

    order = await submit_and_end(process)

    assert order["status"] == "rejected"
    assert len(process.system.orders) == 1
    assert_nothing_left_over(process)


async def test_an_undo_is_tried_until_it_succeeds(process: Process) -> None:
    process.system.fail("create_subscription", "rejected")
    process.system.fail("cancel_order", "unavailable", "lost", "not_sent")

    order = await submit_and_end(process)

    assert order["status"] == "rejected"
    assert_nothing_left_over(process)


async def test_an_undo_that_never_succeeds_parks_the_order(process: Process) -> None:
    process.system.fail("create_subscription", "rejected")
    for _ in range(9):
        process.system.fail("cancel_order", "unavailable")

    order = await submit_and_end(process)

    assert order["status"] == "parked"
    assert order["reason"].startswith("The order was refused, and what was booked of it could not be taken back yet.")
    assert "Tryton has it still." in order["reason"]


async def test_what_salesforce_must_say_before_an_order_begins(process: Process) -> None:
    system = process.system
    assert system.quote is not None
    good = system.quote
    cases = [
        (msgspec.structs.replace(good, status=QuoteStatus.draft), "quote_not_accepted"),
        (msgspec.structs.replace(good, revision=2), "quote_revision_changed"),
        (msgspec.structs.replace(good, lines=[]), "quote_empty"),
        (msgspec.structs.replace(good, legal_entity="NW-US"), "legal_entity_mismatch"),
        (
            msgspec.structs.replace(good, lines=[line("l1", "GATEWAY-EDGE", "1", "1490.00", Recurrence.none, "45")]),
            "price_outside_policy",
        ),
        (
            msgspec.structs.replace(good, lines=[line("l1", "GATEWAY-EDGE", "1", "1690.00", Recurrence.none)]),
            "price_outside_policy",
        ),
        (
            msgspec.structs.replace(good, lines=[line("l1", "MON-LEGACY", "1", "3.90", Recurrence.month)]),
            "unknown_product",
        ),
        (
            msgspec.structs.replace(good, lines=[line("l1", "MON-STD", "1", "4.90", Recurrence.year)]),
            "unknown_product",
        ),
    ]
    for quote, reason_code in cases:
        system.quote = msgspec.structs.replace(quote, quote_id=new_quote_id())
        system.fail("find_quote", "unavailable")  # at the submission, which would refuse some of them at once
        order = await submit_and_end(process)
        assert (order["status"], order["reasonCode"]) == ("rejected", reason_code), order["reason"]
        assert order["reason"]
    assert not system.orders
    assert not system.subscriptions


async def test_a_refused_credit_books_nothing(process: Process) -> None:
    process.system.credit_limit = None
    order = await submit_and_end(process)
    assert (order["status"], order["reasonCode"]) == ("rejected", "credit_refused")
    assert not process.system.orders


async def test_a_quote_of_recurring_lines_only_needs_no_erp_order(process: Process) -> None:
    assert process.system.quote is not None
    process.system.quote = msgspec.structs.replace(
        process.system.quote, lines=[line("l1", "MON-STD", "3", "4.90", Recurrence.month)]
    )
    order = await submit_and_end(process)
    assert order["status"] == "booked"
    assert not process.system.orders
    assert list(process.system.subscriptions) == [f"{order['orderId']}-month"]


async def test_orders_run_side_by_side(process: Process) -> None:
    process.system.more_quotes = [mixed_quote() for _ in range(8)]

    answers = [await process.submit(quoteId=quote.quote_id) for quote in process.system.more_quotes]
    orders = await asyncio.gather(*(process.ended(answer.json()["orderId"]) for answer in answers))

    assert {order["status"] for order in orders} == {"booked"}
    assert len(process.system.orders) == 8
    assert len(process.system.subscriptions) == 16


async def customer_intents(process: Process, account_id: str) -> dict[str, Any]:
    async with process.worker.store.transaction_across_tenants() as connection:
        rows = await connection.execute(
            text("SELECT * FROM quoteway.intents WHERE external_id = :account"), {"account": account_id}
        )
        return {row.system: row for row in rows}


def new_account(process: Process) -> Account:
    """An account that no other test has customers of."""
    assert process.system.account is not None
    account = msgspec.structs.replace(process.system.account, account_id=f"001{uuid.uuid4().hex[:15]}")
    process.system.account = account
    process.system.quote = msgspec.structs.replace(mixed_quote(), account_id=account.account_id)
    return account


async def test_a_customer_whose_address_changed_between_two_orders_is_no_contradiction(process: Process) -> None:
    account = new_account(process)
    first = await submit_and_end(process)
    assert first["status"] == "booked", first["reason"]
    before = await customer_intents(process, account.account_id)
    moved = Address(street="Hafenstrasse 1", postal_code="20457", city="Hamburg", country="DE")
    process.system.account = msgspec.structs.replace(account, name="Acme Nord GmbH", billing_address=moved)
    process.system.quote = msgspec.structs.replace(mixed_quote(), account_id=account.account_id)

    second = await submit_and_end(process)

    assert second["status"] == "booked", second["reason"]
    assert {system: (row.flow_id, row.vendor_id) for system, row in before.items()} == {
        "erp:NW-DE": (first["flowId"], f"party-{account.account_id}"),
        "billing:NW-DE:EUR": (first["flowId"], f"cus_{account.account_id}"),
    }
    after = await customer_intents(process, account.account_id)
    assert {system: row.payload_hash for system, row in after.items()} == {
        system: row.payload_hash for system, row in before.items()
    }


@pytest.mark.parametrize(
    ("operation", "system"), [("ensure_customer", "erp:NW-DE"), ("ensure_billing_customer", "billing:NW-DE:EUR")]
)
async def test_a_customers_intent_is_there_before_the_vendor_is_asked(
    process: Process, operation: str, system: str
) -> None:
    account = new_account(process)
    process.system.fail(operation, "rejected")
    await submit_and_end(process)
    intent = (await customer_intents(process, account.account_id))[system]
    assert (intent.vendor_id, intent.answered_at) == (None, None)
