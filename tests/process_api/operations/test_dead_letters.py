"""Dead letters: a parked flow goes on or is given up, each once, and nothing is made twice or left over."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from process_api.engine import decisions
from process_api.orders.submission import ORDER_SUBMISSION
from shared.canonical import ErpOrderState, OrderStatus, SubscriptionStatus
from tests.process_api.conftest import Process
from tests.process_api.operations.decided import AWAY, assert_booked_once, decide, parked

pytestmark = pytest.mark.servers


async def retried(process: Process, order: dict[str, Any], **body: str) -> dict[str, Any]:
    answer = await decide(process, f"/v1/flows/{order['flowId']}/retry", body)
    assert answer.status_code == 202, answer.text
    await process.idle()
    return await process.order(order["orderId"])


def assert_nothing_left_over(process: Process) -> None:
    assert all(order.state is ErpOrderState.cancelled for order in process.system.orders.values())
    assert all(found.status is SubscriptionStatus.cancelled for found in process.system.subscriptions.values())


async def events_of(process: Process, order_id: str) -> list[str]:
    query = text("SELECT type FROM quoteway.events WHERE subject = :subject ORDER BY sequence")
    async with process.worker.store.transaction_across_tenants() as connection:
        return list(await connection.scalars(query, {"subject": order_id}))


@pytest.mark.parametrize("operation", ["find_account", "calculate_tax", "create_order", "create_subscription"])
async def test_a_parked_flow_goes_on_where_it_stopped(process: Process, operation: str) -> None:
    order = await parked(process, operation)
    before = len(process.system.calls)

    order = await retried(process, order)

    assert_booked_once(process, order)
    assert order["reason"] is None
    assert await events_of(process, order["orderId"]) == ["order.parked", "order.booked"]
    assert process.system.reports[order["orderId"]].status is OrderStatus.booked
    assert "find_quote" not in process.system.calls[before:], "what was done was done again"
    flow = await process.flow(order["flowId"])
    assert flow["flow"]["generation"] == 2
    assert {attempt["generation"] for attempt in flow["attempts"]} == {1, 2}
    assert [(found["action"], found["decidedBy"]) for found in flow["decisions"]] == [("retry", "integration-operator")]


@pytest.mark.parametrize("operation", ["create_order", "create_subscription"])
async def test_what_may_have_happened_is_looked_for_before_it_is_tried_again(process: Process, operation: str) -> None:
    process.system.fail("find_order" if operation == "create_order" else "find_subscription", *[AWAY] * 4)
    process.system.fail(operation, "lost")
    answer = await process.submit()
    order = await process.ended(answer.json()["orderId"])
    await process.idle()
    assert order["status"] == "parked"
    assert process.system.calls.count(operation) == 1, "an unknown outcome was repeated blindly"

    # One answer is still to come that is none.
    order = await retried(process, order)

    assert_booked_once(process, order)


async def test_a_flow_can_park_again_and_be_tried_again(process: Process) -> None:
    order = await parked(process, "create_order")
    process.system.fail("create_order", *[AWAY] * 3)

    order = await retried(process, order)
    assert order["status"] == "parked"
    order = await retried(process, order)

    assert_booked_once(process, order)
    assert await events_of(process, order["orderId"]) == ["order.parked", "order.parked", "order.booked"]


@pytest.mark.parametrize("step", ["check_terms", "align_prices"], ids=["its name", "one that it was merged from"])
async def test_a_flow_can_begin_again_from_an_earlier_step(process: Process, step: str) -> None:
    order = await parked(process, "create_subscription")
    before = len(process.system.calls)

    order = await retried(process, order, fromStep=step)

    assert_booked_once(process, order)
    again = process.system.calls[before:]
    assert "look_up_prices" in again
    assert "calculate_tax" in again
    assert "ensure_customer" not in again


async def test_a_step_that_the_flow_has_not_come_to_is_refused_with_those_it_has(process: Process) -> None:
    order = await parked(process, "ensure_customer")

    answer = await decide(process, f"/v1/flows/{order['flowId']}/retry", {"fromStep": "start_billing"})

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "/fromStep"
    assert "load_quote, check_quote, validate_customer." in answer.json()["errors"][0]["detail"]
    assert (await process.order(order["orderId"]))["status"] == "parked"


async def test_a_discarded_flow_leaves_nothing_over(process: Process) -> None:
    order = await parked(process, "create_subscription")
    process.system.fail("create_subscription", "rejected")

    answer = await decide(process, f"/v1/flows/{order['flowId']}/discard", {"reason": "the customer withdrew"})
    assert answer.status_code == 202, answer.text
    await process.idle()

    order = await process.order(order["orderId"])
    assert order["status"] == "compensated"
    assert "The integration team has given this order up" in order["reason"]
    assert "the customer withdrew" not in str(order), "which is for the integration team"
    assert_nothing_left_over(process)
    flow = await process.flow(order["flowId"])
    assert flow["flow"]["status"] == "compensated"
    assert flow["decisions"][0]["reason"] == "the customer withdrew"
    assert await events_of(process, order["orderId"]) == ["order.parked", "order.compensated"]
    assert process.system.reports[order["orderId"]].status is OrderStatus.compensated


async def test_a_flow_that_parked_while_it_was_undone_goes_on_being_undone(process: Process) -> None:
    process.system.fail("create_subscription", "rejected")
    process.system.fail("cancel_order", *[AWAY] * 9)
    answer = await process.submit()
    order = await process.ended(answer.json()["orderId"])
    await process.idle()
    assert order["status"] == "parked"
    assert "could not be taken back yet" in order["reason"]
    forbidden = await decide(process, f"/v1/flows/{order['flowId']}/retry", {"fromStep": "load_quote"})
    assert forbidden.status_code == 409

    order = await retried(process, order)

    assert (order["status"], order["reasonCode"]) == ("rejected", "test_refusal")
    assert "refused by the vendor" in order["reason"]
    assert_nothing_left_over(process)
    assert await events_of(process, order["orderId"]) == ["order.parked", "order.rejected"]


async def test_only_a_parked_flow_waits_for_a_decision(process: Process) -> None:
    answer = await process.submit()
    order = await process.ended(answer.json()["orderId"])
    await process.idle()

    for decision, body in (("retry", {}), ("discard", {"reason": "no reason"})):
        answer = await decide(process, f"/v1/flows/{order['flowId']}/{decision}", body)
        assert answer.status_code == 409
        assert "is succeeded; only a parked flow" in answer.json()["detail"]
    assert (await decide(process, "/v1/flows/nordwind.ord_none/retry", {})).status_code == 404


async def many_decisions_at_once(process: Process) -> tuple[dict[str, Any], list[int]]:
    order = await parked(process, "create_order")
    answers = await asyncio.gather(
        *(decide(process, f"/v1/flows/{order['flowId']}/retry", {}) for _ in range(8)), return_exceptions=True
    )
    await process.idle()
    return order, sorted(getattr(answer, "status_code", 500) for answer in answers)


async def test_the_same_decision_sent_many_times_acts_once(process: Process) -> None:
    order, statuses = await many_decisions_at_once(process)

    assert statuses == [202] + [409] * 7
    assert_booked_once(process, await process.order(order["orderId"]))
    assert len((await process.flow(order["flowId"]))["decisions"]) == 1


async def test_without_its_guard_the_second_decision_would_be_seen(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mutation: with the check of the status gone, more than one decision acts."""
    monkeypatch.setattr(decisions, "require_parked", lambda _flow: None)
    monkeypatch.setattr(decisions, "_WORKFLOW_AT_WORK", text("SELECT false OR :workflow_id = ''"))

    _order, statuses = await many_decisions_at_once(process)

    assert statuses != [202] + [409] * 7


async def test_a_decision_waits_until_the_parking_was_told(process: Process) -> None:
    process.system.fail("create_order", *[AWAY] * 3)
    gate = process.switch.hold("/order-status/")
    answer = await process.submit()
    order = await process.ended(answer.json()["orderId"])

    early = await decide(process, f"/v1/flows/{order['flowId']}/retry", {})
    gate.set()
    await process.idle()

    assert early.status_code == 409
    assert early.headers["Retry-After"] == "2"
    assert_booked_once(process, await retried(process, order))


async def test_the_list_says_what_waits_and_what_to_do(process: Process) -> None:
    order = await parked(process, "create_order")

    answer = await process.client.get("/v1/dead-letters", headers=process.operator_headers)

    assert answer.status_code == 200, answer.text
    letter = next(found for found in answer.json()["deadLetters"] if found["subject"] == order["orderId"])
    assert letter["kind"] == "flow"
    assert letter["deadLetterId"] == order["flowId"]
    assert letter["owner"]
    assert letter["since"] >= order["timeline"][-2]["at"] > order["createdAt"], "it waits since it was parked"
    assert letter["step"] in [step.name for step in ORDER_SUBMISSION.steps] + ["report_ending"]
    assert "create order is not available" in letter["reason"]
    assert "tried again" in letter["whatToDo"]

    answer = await decide(process, f"/v1/dead-letters/{order['flowId']}/discard", {"reason": "a test's end"})
    assert answer.status_code == 204, answer.text
    await process.idle()
    assert (await process.order(order["orderId"]))["status"] == "compensated"


async def test_deciding_needs_its_own_scope(process: Process) -> None:
    answer = await process.client.post("/v1/flows/nordwind.ord_1/retry", json={}, headers=process.headers)

    assert answer.status_code == 403


@pytest.mark.parametrize("statement", ["UPDATE {} SET reason = 'other'", "DELETE FROM {}", "TRUNCATE {}"])
async def test_a_decision_is_never_changed(process: Process, statement: str) -> None:
    """Not even by the owner of the table; the application's role may not try."""
    with pytest.raises(DBAPIError, match="append-only"):
        async with process.worker.store.engine.begin() as connection:
            await connection.execute(text(statement.format("quoteway.dead_letter_decisions")))


async def test_a_dead_event_is_listed_tried_again_and_discarded_by_api(process: Process) -> None:
    order = await process.ended((await process.submit()).json()["orderId"])
    await process.idle()
    async with process.worker.store.transaction("nordwind") as connection:
        kill = text(
            "UPDATE quoteway.events SET dead_at = now(), reason = 'too large'"
            " WHERE subject = :subject RETURNING event_id"
        )
        event_id = f"event:{await connection.scalar(kill, {'subject': order['orderId']})}"

    async def listed() -> dict[str, Any] | None:
        answer = await process.client.get("/v1/dead-letters?limit=500", headers=process.operator_headers)
        return next((found for found in answer.json()["deadLetters"] if found["deadLetterId"] == event_id), None)

    found = await listed()
    assert found is not None
    assert (found["kind"], found["subject"], found["reason"]) == ("event", order["orderId"], "too large")
    assert (found["owner"], found["step"]) == ("integration-operations", "order.booked")
    edit = await decide(process, f"/v1/dead-letters/{event_id}/edit", {"reason": "It is wrong."})
    assert edit.status_code == 409
    assert (await decide(process, f"/v1/dead-letters/{event_id}/discard", {})).status_code == 400, "a reason is needed"

    assert (await decide(process, f"/v1/dead-letters/{event_id}/retry")).status_code == 204
    assert await listed() is None
    assert (await decide(process, f"/v1/dead-letters/{event_id}/discard", {"reason": "Too late."})).status_code == 404
    assert (await decide(process, "/v1/dead-letters/event:nothing/retry")).status_code == 404


async def test_a_status_that_there_is_not_is_refused_with_those_that_there_are(process: Process) -> None:
    answer = await process.client.get("/v1/flows", params={"status": "asleep"}, headers=process.operator_headers)

    assert answer.status_code == 400
    [fault] = answer.json()["errors"]
    assert fault["pointer"] == "query/status"
    assert fault["detail"] == (
        "Expected one of queued, running, compensating, succeeded, rejected, compensated, parked; got another text."
    )


async def letter_of(process: Process, order: dict[str, Any]) -> dict[str, Any]:
    """What the list says of an order that waits."""
    answer = await process.client.get("/v1/dead-letters?limit=500", headers=process.operator_headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = next(each for each in answer.json()["deadLetters"] if each["subject"] == order["orderId"])
    return found


def booked(letter: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """What stands booked, but for the customer, who outlives the order."""
    records = [each for each in letter["booked"] if each["record"] != "customer"]
    return [(each["system"], each["record"], each["confirmed"]) for each in records]


async def test_dead_letter_of_an_unbooked_order_names_customer_amount_and_decisions(
    process: Process,
) -> None:
    early = await parked(process, "find_account")
    letter = await letter_of(process, early)
    assert letter["quoteId"] == early["quoteId"]
    assert letter["accountId"] == early["accountId"]
    assert letter["amount"] == {"amount": "4129.00", "currency": "EUR"}, "what was accepted, while no tax is known"
    assert booked(letter) == []
    assert letter["decisions"] == ["retry", "edit", "discard"]
    edited = await decide(process, f"/v1/dead-letters/{early['flowId']}/edit", {"reason": "The quote was mended."})
    assert edited.status_code == 204, edited.text
    await process.idle()


async def test_the_list_says_what_stands_booked_where_and_offers_no_decision_that_is_refused(process: Process) -> None:
    late = await parked(process, "create_subscription")
    letter = await letter_of(process, late)
    assert letter["amount"] == late["total"] == {"amount": "4913.51", "currency": "EUR"}
    assert ("erp:NW-DE", "order", True) in booked(letter)
    assert ("billing:NW-DE", "subscription", False) in booked(letter)
    [erp] = [each for each in letter["booked"] if each["record"] == "order"]
    assert (erp["vendorId"], erp["externalId"]) == ("42", late["orderId"])
    assert letter["decisions"] == ["retry", "discard"]
    refused = await decide(process, f"/v1/dead-letters/{late['flowId']}/edit", {"reason": "The quote was mended."})
    assert refused.status_code == 409, "what the list leaves out is refused"


async def test_what_was_taken_back_does_not_stand_booked(process: Process) -> None:
    order = await parked(process, "create_subscription")
    process.system.fail("cancel_order", *[AWAY] * 9)
    discarded = await decide(process, f"/v1/dead-letters/{order['flowId']}/discard", {"reason": "No longer wanted."})
    assert discarded.status_code == 204, discarded.text
    await process.idle()

    letter = await letter_of(process, order)

    assert booked(letter) == [("erp:NW-DE", "order", True)], "billing was undone before the ERP was asked"
    assert letter["decisions"] == ["retry", "discard"], "it is being undone: its quote is not read again"


async def test_a_parked_order_whose_quote_is_not_understood_is_listed_without_an_amount(process: Process) -> None:
    order = await parked(process, "find_account")
    async with process.worker.store.transaction("nordwind") as connection:
        strange = text("UPDATE quoteway.orders SET quote = '{\"lines\": 7}' WHERE order_id = :order_id")
        await connection.execute(strange, {"order_id": order["orderId"]})

    letter = await letter_of(process, order)

    assert letter["amount"] is None
    assert letter["quoteId"] == order["quoteId"]
