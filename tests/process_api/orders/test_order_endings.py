"""How an order ends when something else than a refusal or an outage goes wrong."""

import uuid
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from dbos import DBOS
from sqlalchemy import text

from process_api import system_client
from process_api.engine.steps import Found
from shared.canonical import ErpOrderState, OrderStatus, QuoteStatus, Recurrence, SubscriptionStatus
from shared.outbound import http_client
from tests.process_api.conftest import Process
from tests.process_api.orders.order_endings import submit_and_end
from tests.process_api.system_stand_in import Fault, line, new_quote_id


async def test_a_refusal_past_the_pivot_undoes_nothing(process: Process) -> None:
    # A validation rule in Salesforce must not cancel a confirmed sale and a running subscription.
    process.system.fail("report_order_status", "rejected")

    order = await submit_and_end(process)

    assert order["status"] == "parked"
    assert order["reason"].startswith("report order status was refused by the vendor. The rest is booked already")
    assert [each.state for each in process.system.orders.values()] == [ErpOrderState.confirmed]
    assert {each.status for each in process.system.subscriptions.values()} == {SubscriptionStatus.active}


async def test_a_bad_end_that_salesforce_cannot_be_told_is_on_the_flow(process: Process) -> None:
    process.system.fail("create_order", "rejected")
    process.system.fail("report_order_status", "rejected")

    order = await submit_and_end(process)

    assert order["status"] == "rejected"
    flow = await process.flow(order["flowId"])
    assert "Salesforce does not know of this end" in flow["flow"]["whatToDo"]
    assert "report order status was refused by the vendor" in flow["flow"]["whatToDo"]


async def test_what_a_person_has_to_decide_parks_the_order_at_once(process: Process) -> None:
    process.system.fail("ensure_customer", "decision")

    order = await submit_and_end(process)

    assert (order["status"], order["reasonCode"]) == ("parked", "test_decision")
    assert order["reason"] == "ensure customer needs a decision."
    flow = await process.flow(order["flowId"])
    assert flow["flow"]["whatToDo"] == "Pick one of the two."
    attempts = [attempt for attempt in flow["attempts"] if attempt["step"] == "validate_customer"]
    assert [attempt["outcome"] for attempt in attempts] == ["decision"]
    assert attempts[0]["detail"].splitlines()[1:] == ["Candidate: C-1 in Stuttgart", "Candidate: C-2 in Ulm"]


async def test_a_decision_that_is_made_lets_the_order_go_on(process: Process) -> None:
    process.system.fail("ensure_customer", "decision")
    order = await submit_and_end(process)

    path = f"/v1/flows/{order['flowId']}/retry"
    answer = await process.client.post(path, json={}, headers=process.operator_headers)
    assert answer.status_code == 202, answer.text

    await process.idle()
    assert (await process.order(order["orderId"]))["status"] == "booked"


@pytest.mark.parametrize("fault", ["rejected", "unavailable", "decision"])
async def test_a_vendors_own_words_reach_the_operator_and_nobody_else(process: Process, fault: Any) -> None:
    process.system.vendor_said = "SELECT Id FROM Secret__c WHERE {0} ~ ^[A-Z]+$"
    process.system.fail("create_order", *[fault] * 3)

    order = await submit_and_end(process)

    assert order["status"] == ("rejected" if fault == "rejected" else "parked")
    flow = await process.flow(order["flowId"])
    attempt = next(each for each in flow["attempts"] if each["step"] == "book_erp_order")
    assert "Secret__c" in attempt["detail"].splitlines()[-1]
    assert "create order" in order["reason"]
    told = str(process.system.reports[order["orderId"]]) + str(order) + str(flow["flow"])
    assert "Secret__c" not in told


async def test_what_mends_an_outage_is_what_the_operator_is_told_to_do(process: Process) -> None:
    process.system.what_to_do = "Switch the API on for the integration user."
    process.system.fail("create_order", "unavailable", "unavailable", "unavailable")

    order = await submit_and_end(process)

    assert order["status"] == "parked"
    flow = await process.flow(order["flowId"])
    assert flow["flow"]["whatToDo"] == process.system.what_to_do


async def test_salesforce_is_told_of_an_order_whose_quote_cannot_be_used(process: Process) -> None:
    process.system.fail("find_quote", "rejected", "rejected")  # as for a quote without a legal entity

    order = await submit_and_end(process)

    assert (order["status"], order["reasonCode"]) == ("rejected", "test_refusal")
    told = process.system.reports[order["orderId"]]
    assert (told.status, told.quote_id, told.account_id) == (OrderStatus.rejected, process.system.quote_id, None)
    assert told.failure_reason == order["reason"]


@pytest.mark.parametrize(
    ("connection", "attempts"),
    [(None, 3), (1, 1), (5, 5)],
)
async def test_a_connection_says_how_often_a_step_is_tried(
    process: Process, connection: int | None, attempts: int
) -> None:
    process.system.attempts_max = connection
    outages: list[Fault] = ["unavailable"] * 5
    process.system.fail("create_order", *outages)

    order = await submit_and_end(process)

    flow = await process.flow(order["flowId"])
    made = [attempt for attempt in flow["attempts"] if attempt["step"] == "book_erp_order"]
    assert (order["status"], len(made)) == ("parked", attempts)


async def test_a_defect_of_ours_parks_the_order_at_once(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_context: object) -> Found:
        raise KeyError("a defect")

    saga = process.saga
    steps = tuple(replace(step, do=broken) if step.name == "start_billing" else step for step in saga.kind.steps)
    kind = replace(saga.kind, steps=steps)
    monkeypatch.setitem(process.worker.engine.sagas, kind.name, replace(saga, kind=kind))

    order = await submit_and_end(process)

    assert (order["status"], order["reasonCode"]) == ("parked", "defect")
    flow = await process.flow(order["flowId"])
    attempts = [attempt["outcome"] for attempt in flow["attempts"] if attempt["step"] == "start_billing"]
    assert attempts == ["defect"]
    assert "a defect" not in str(order)


async def test_a_defect_outside_any_step_parks_the_order_too(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_arguments: object, **_more: object) -> None:
        raise KeyError("a defect")

    monkeypatch.setattr(type(process.saga), "_settle", broken)
    answer = await process.submit()
    order = await process.ended(answer.json()["orderId"])
    monkeypatch.undo()
    await process.idle()

    assert (order["status"], order["reasonCode"]) == ("parked", "defect")


async def test_no_sentence_of_a_vendor_is_in_the_workflow_engines_tables(process: Process) -> None:
    process.system.fail("create_order", "rejected")

    order = await submit_and_end(process)

    outputs = text(
        "SELECT output FROM dbos.operation_outputs WHERE starts_with(workflow_uuid, :flow)"
        " UNION ALL SELECT output FROM dbos.workflow_output WHERE starts_with(workflow_uuid, :flow)"
    )
    async with process.worker.store.engine.begin() as connection:
        kept = " ".join(str(output) for output in await connection.scalars(outputs, {"flow": order["flowId"]}))
    assert '"rejected"' in kept
    assert "refused by the vendor" not in kept


async def test_a_rejected_order_frees_its_revision_for_another_key(process: Process) -> None:
    system = process.system
    assert system.quote is not None
    accepted = system.quote
    system.quote = msgspec.structs.replace(accepted, status=QuoteStatus.draft)
    key = uuid.uuid4().hex
    system.fail("find_quote", "unavailable")  # at the submission, which would refuse it at once
    refused = await submit_and_end(process, key=key)
    assert refused["status"] == "rejected"
    system.quote = accepted

    same_key = await process.submit(key)
    assert same_key.json()["orderId"] == refused["orderId"]
    again = await submit_and_end(process)

    assert again["status"] == "booked"
    assert again["orderId"] != refused["orderId"]
    assert (await process.submit()).json()["orderId"] == again["orderId"]


async def test_what_billing_would_refuse_is_refused_before_the_erp_books(process: Process) -> None:
    system = process.system
    assert system.quote is not None
    good = system.quote
    cases = [
        (
            [line(f"l{n}", "MON-STD", "1", "4.90", Recurrence.month, str(n / 2)) for n in range(21)],
            "too_many_recurring_lines",
        ),
        ([line("l1", "MON-STD", "1.5", "4.90", Recurrence.month)], "quantity_not_whole"),
        ([line("l1", "GATEWAY-EDGE", "999999999999", "1490.00", Recurrence.none)], "amounts_too_large"),
    ]
    for lines, reason_code in cases:
        system.quote = msgspec.structs.replace(good, lines=lines, quote_id=new_quote_id())
        order = await submit_and_end(process)
        assert (order["status"], order["reasonCode"]) == ("rejected", reason_code), order["reason"]
    assert not system.orders


async def test_another_spelling_of_the_quotes_id_is_not_another_order(process: Process) -> None:
    assert process.system.quote is not None
    process.system.more_quotes = []
    spelled = process.system.quote_id
    process.system.quote = msgspec.structs.replace(process.system.quote, quote_id=spelled)
    process.system.spellings = {spelled.upper(): spelled}
    process.system.fail("find_quote", "unavailable")  # at the submission, which would refuse it at once

    order = await submit_and_end(process, quoteId=spelled.upper())

    assert (order["status"], order["reasonCode"]) == ("rejected", "quote_id_not_canonical")


# -- what PostgreSQL takes in no text -------------------------------------------------------------------------------


async def refused_in_words_with_a_nul(process: Process) -> dict[str, Any]:
    """Billing refuses, and then Salesforce the report of it, each in a sentence that holds a NUL."""
    process.system.refused_by = "by \0 the vendor"
    process.system.fail("create_subscription", "rejected")
    process.system.fail("report_order_status", "rejected")
    order = await process.ended((await process.submit()).json()["orderId"])
    await process.idle()
    return order


async def workflow_status(flow_id: str) -> str:
    status = await DBOS.get_workflow_status_async(f"{flow_id}.booking")
    assert status is not None
    return status.status


async def test_a_vendors_long_sentence_is_cut_at_a_word_and_says_so(process: Process) -> None:
    process.system.vendor_said = "wordy " * 400
    process.system.fail("create_order", "rejected")

    order = await submit_and_end(process)

    flow = await process.flow(order["flowId"])
    attempt = next(each for each in flow["attempts"] if each["step"] == "book_erp_order")
    assert 990 < len(attempt["detail"]) <= 1000
    assert attempt["detail"].endswith(" wordy…")


async def test_a_nul_in_vendors_sentences_harms_no_ending(process: Process) -> None:
    order = await refused_in_words_with_a_nul(process)

    assert (order["status"], order["reasonCode"]) == ("rejected", "test_refusal")
    assert "by \ufffd the vendor" in order["reason"]
    flow = (await process.flow(order["flowId"]))["flow"]
    assert "by \ufffd the vendor" in flow["whatToDo"], "Salesforce was not told"
    assert await workflow_status(order["flowId"]) == "SUCCESS"


async def test_a_nul_in_what_a_vendor_calls_a_record_harms_no_step(process: Process) -> None:
    assert process.system.quote is not None
    process.system.quote = msgspec.structs.replace(process.system.quote, number="0000\x001001")

    order = await process.ended((await process.submit()).json()["orderId"])

    assert order["status"] == "booked", order
    assert any("0000\ufffd1001" in entry["message"] for entry in order["timeline"])


async def test_a_nul_that_comes_through_would_break_the_ending(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    def as_it_is(content: bytes, kind: Any) -> Any:
        return msgspec.json.decode(content, type=kind)

    monkeypatch.setattr(http_client, "decode_json", as_it_is)
    monkeypatch.setattr(system_client, "decode_json", as_it_is)
    order = await refused_in_words_with_a_nul(process)
    broken = await workflow_status(order["flowId"]) != "SUCCESS"
    assert broken or order["reasonCode"] != "test_refusal", "the mutation is not seen"


async def event_data(process: Process, order_id: str) -> dict[str, Any]:
    """What the newest event of an order says."""
    async with process.worker.store.transaction_across_tenants() as connection:
        query = text("SELECT data FROM quoteway.events WHERE subject = :subject ORDER BY sequence DESC LIMIT 1")
        found: dict[str, Any] = (await connection.execute(query, {"subject": order_id})).scalar_one()
    return found


async def test_the_event_of_a_booked_order_says_what_a_consumer_would_ask_for(process: Process) -> None:
    order = await submit_and_end(process)
    said = await event_data(process, order["orderId"])

    shown = {name: order[name] for name in ("quoteId", "quoteRevision", "total", "erpOrderNumber", "subscriptionIds")}
    assert {name: said[name] for name in shown} == shown
    assert None not in shown.values()
    assert said["accountId"] == order["accountId"]


async def test_the_event_of_an_order_that_parks_early_says_what_is_known(process: Process) -> None:
    process.system.fail("ensure_customer", "decision")

    order = await submit_and_end(process)
    said = await event_data(process, order["orderId"])

    assert (said["quoteId"], said["erpOrderNumber"], said["subscriptionIds"]) == (order["quoteId"], None, [])
    assert said["reasonCode"] == "test_decision"
