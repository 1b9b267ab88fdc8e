"""Editing a parked flow: corrected, checked again, written down, and never under something that a vendor holds."""

from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from process_api.orders.corrections import OrderCorrections
from shared.canonical import OrderStatus, Quote, QuoteStatus
from tests.process_api.conftest import Process
from tests.process_api.operations.decided import AWAY, assert_booked_once, decide, parked
from tests.process_api.system_stand_in import euros

pytestmark = pytest.mark.servers
REASON = "The seller corrected the quote, ticket 4711."


def in_salesforce(process: Process, *, price: str | None = None, **changes: Any) -> Quote:
    """What a seller changes in the quote: its first line's price, and fields of its own."""
    quote = process.system.quote
    assert quote is not None
    if price is not None:
        first = msgspec.structs.replace(quote.lines[0], unit_price=euros(price), discount_percent="0")
        changes["lines"] = [first, *quote.lines[1:]]
    process.system.quote = msgspec.structs.replace(quote, **changes)
    return process.system.quote


async def edited(process: Process, order: dict[str, Any], **body: Any) -> Any:
    answer = await decide(process, f"/v1/flows/{order['flowId']}/edit", {"reason": REASON, **body})
    await process.idle()
    return answer


def fault(answer: Any) -> tuple[str, str]:
    assert answer.status_code == 400, answer.text
    (only,) = answer.json()["errors"]
    return only["pointer"], only["detail"]


async def test_the_corrected_quote_is_read_again_and_booked(process: Process) -> None:
    order = await parked(process, "create_order")
    in_salesforce(process, price="1400.00", revision=2)
    before = len(process.system.calls)

    answer = await edited(process, order, quoteRevision=2, netTotal={"amount": "4098.00", "currency": "EUR"})

    assert answer.status_code == 202, answer.text
    order = await process.order(order["orderId"])
    assert_booked_once(process, order)
    assert order["quoteRevision"] == 2
    assert process.system.orders[order["orderId"]].total == euros("3332.00")  # 2 x 1400.00 and 19 % of it
    again = process.system.calls[before:]
    assert {"find_quote", "check_credit", "look_up_prices", "calculate_tax"} <= set(again), "a check was left out"
    (decision,) = (await process.flow(order["flowId"]))["decisions"]
    assert (decision["action"], decision["decidedBy"], decision["reason"]) == ("edit", "integration-operator", REASON)
    assert decision["before"] == {
        "quoteRevision": 1,
        "netTotal": {"amount": "4129.00", "currency": "EUR"},
        "skus": {},
        "taxCode": None,
    }
    assert decision["after"] == {
        "quoteRevision": 2,
        "netTotal": {"amount": "4098.00", "currency": "EUR"},
        "skus": {},
        "taxCode": None,
    }
    # The revision that was submitted first is free again, and the new one is this order.
    assert (await process.submit(quoteRevision=2)).json()["orderId"] == order["orderId"]


async def test_a_sku_and_the_tax_code_are_overridden(process: Process) -> None:
    order = await parked(process, "create_order")
    process.system.prices["GATEWAY-EDGE-2"] = "1490.00"

    answer = await edited(process, order, skus={"GATEWAY-EDGE": "GATEWAY-EDGE-2"}, taxCode="DE-2026")

    assert answer.status_code == 202, answer.text
    assert_booked_once(process, await process.order(order["orderId"]))
    draft = process.system.drafts[order["orderId"]]
    assert [line.sku for line in draft.lines] == ["GATEWAY-EDGE-2"]
    assert draft.tax_code == "DE-2026"
    assert (await process.flow(order["flowId"]))["decisions"][0]["after"]["skus"] == {"GATEWAY-EDGE": "GATEWAY-EDGE-2"}


async def test_no_sum_changes_silently(process: Process) -> None:
    order = await parked(process, "create_order")
    in_salesforce(process, price="1400.00")

    pointer, detail = fault(await edited(process, order))
    assert pointer == "/netTotal"
    assert "4098.00" in detail
    assert "4129.00" in detail
    assert fault(await edited(process, order, netTotal={"amount": "4129.00", "currency": "EUR"}))[0] == "/netTotal"
    assert (await process.flow(order["flowId"]))["decisions"] == []
    assert (await process.order(order["orderId"]))["status"] == "parked"


async def test_what_a_vendor_holds_is_not_changed_under_it(process: Process) -> None:
    order = await parked(process, "create_subscription")
    in_salesforce(process, price="1400.00")
    drafts = dict(process.system.drafts)

    answer = await edited(process, order, netTotal={"amount": "4098.00", "currency": "EUR"})

    assert answer.status_code == 409
    assert f"erp:NW-DE already holds {order['orderId']} as 42" in answer.json()["detail"]
    assert process.system.drafts == drafts
    # The refusal took nothing away: the flow can still go on as it is.
    answer = await decide(process, f"/v1/flows/{order['flowId']}/retry", {})
    await process.idle()
    assert_booked_once(process, await process.order(order["orderId"]))


async def test_what_arrived_although_its_answer_was_lost_counts_as_held(process: Process) -> None:
    process.system.fail("find_order", *[AWAY] * 4)
    process.system.fail("create_order", "lost")
    order = await process.ended((await process.submit()).json()["orderId"])
    await process.idle()
    process.system.faults.clear()
    assert order["status"] == "parked"

    assert (await edited(process, order)).status_code == 409
    # And while the ERP cannot say what it holds, nothing is changed either.
    process.system.fail("find_order", AWAY, AWAY, AWAY)
    assert (await edited(process, order)).status_code == 503


async def test_without_asking_the_vendors_an_edit_would_meet_what_they_hold(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unasked(*_: object) -> None:
        """Instead of the guard."""

    monkeypatch.setattr(OrderCorrections, "_require_unwritten", unasked)
    order = await parked(process, "create_subscription")
    in_salesforce(process, price="1400.00")

    answer = await edited(process, order, netTotal={"amount": "4098.00", "currency": "EUR"})

    assert answer.status_code == 202
    order = await process.order(order["orderId"])
    held = process.system.orders[order["orderId"]]
    assert order["status"] != "booked" or held.total != euros("3332.00")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"quoteRevision": 2}, "/quoteRevision"),
        ({"skus": {"NOT-IN-IT": "GATEWAY-EDGE"}}, "/skus/NOT-IN-IT"),
        ({"skus": {"GATEWAY-EDGE": "NOT-SOLD"}}, "/skus/GATEWAY-EDGE"),
        ({"skus": {"GATEWAY-EDGE": "MON-STD"}}, "/skus/GATEWAY-EDGE"),  # sold, but for 4.90
        ({"reason": "ok"}, "/reason"),  # two letters
        ({"taxCode": "DE\x00"}, "/taxCode"),
        ({"price": "1.00"}, "/price"),
    ],
)
async def test_corrections_that_do_not_fit_are_refused(process: Process, body: dict[str, Any], pointer: str) -> None:
    order = await parked(process, "create_order")
    assert fault(await edited(process, order, **body))[0] == pointer
    assert (await process.order(order["orderId"]))["status"] == "parked"


async def test_an_edit_without_a_reason_is_refused_with_one_fault(process: Process) -> None:
    order = await parked(process, "create_order")

    answer = await edited(process, order, reason="")

    assert answer.status_code == 400, answer.text
    assert answer.json()["errors"] == [{"pointer": "/reason", "detail": "This may not be empty."}]
    assert (await process.order(order["orderId"]))["status"] == "parked"


@pytest.mark.parametrize(
    "change", [{"account_id": "001QW0000000002AAA"}, {"legal_entity": "NW-US"}, {"status": "draft"}]
)
async def test_another_customer_seller_or_a_withdrawn_quote_is_another_order(
    process: Process, change: dict[str, Any]
) -> None:
    order = await parked(process, "create_order")
    in_salesforce(process, **({"status": QuoteStatus.draft} if "status" in change else change))
    assert (await edited(process, order)).status_code == 409


async def test_a_revision_that_is_another_order_is_not_taken(process: Process) -> None:
    order = await parked(process, "create_order")
    in_salesforce(process, revision=2)
    other = await process.ended((await process.submit(quoteRevision=2)).json()["orderId"])
    assert other["status"] == "booked"

    answer = await edited(process, order, quoteRevision=2)

    assert answer.status_code == 409
    assert "another order" in answer.json()["detail"]
    assert (await process.order(order["orderId"]))["quoteRevision"] == 1


async def test_only_a_parked_flow_that_goes_forward_is_edited(process: Process) -> None:
    booked = await process.ended((await process.submit()).json()["orderId"])
    await process.idle()
    assert (await edited(process, booked)).status_code == 409


async def test_an_edit_of_a_webhook_is_refused_and_says_why(process: Process) -> None:
    answer = await decide(process, "/v1/dead-letters/stripe:evt_1/edit", {"reason": REASON})
    assert answer.status_code == 409
    assert "signed" in answer.json()["detail"]


async def test_a_dead_letter_that_is_a_flow_is_edited_under_its_id_too(process: Process) -> None:
    order = await parked(process, "calculate_tax")
    answer = await decide(process, f"/v1/dead-letters/{order['flowId']}/edit", {"reason": REASON})
    assert answer.status_code == 204, answer.text
    await process.idle()
    assert_booked_once(process, await process.order(order["orderId"]))
    assert process.system.reports[order["orderId"]].status is OrderStatus.booked


async def test_a_flow_names_its_owner(process: Process) -> None:
    order = await parked(process, "create_order")
    flow = (await process.flow(order["flowId"]))["flow"]
    assert flow["owner"] == "integration-operations"
    assert flow["reason"]
    assert flow["whatToDo"]


async def test_decisions_stay_as_they_were_made(process: Process) -> None:
    order = await parked(process, "create_order")
    await edited(process, order)
    async with process.worker.store.transaction("nordwind") as connection:
        columns = text("SELECT before, after FROM quoteway.dead_letter_decisions WHERE dead_letter_id = :flow")
        (row,) = (await connection.execute(columns, {"flow": order["flowId"]})).all()
    assert row.before["quoteRevision"] == row.after["quoteRevision"] == 1


async def test_what_nobody_can_be_asked_about_keeps_a_flow_from_being_edited(process: Process) -> None:
    order = await parked(process, "create_order")
    async with process.worker.store.transaction("nordwind") as connection:
        written = text(
            "INSERT INTO quoteway.intents (operation_id, tenant, flow_id, system, external_id, entity, payload_hash)"
            " VALUES (:flow, 'nordwind', :flow, 'documents:NW-DE', :order, 'document', '')"
        )
        await connection.execute(written, {"flow": order["flowId"], "order": order["orderId"]})
    looked_up = process.system.calls.count("find_subscription")

    answer = await edited(process, order)

    assert (answer.status_code, "documents:NW-DE" in answer.text) == (409, True)
    assert process.system.calls.count("find_subscription") == looked_up


async def test_an_edit_leaves_the_intents_of_the_orders_customer(process: Process) -> None:
    order = await parked(process, "create_order")
    customers = "SELECT count(*) FROM quoteway.intents WHERE tenant = 'nordwind' AND entity = 'customer'"
    async with process.worker.store.transaction("nordwind") as connection:
        before = await connection.scalar(text(customers))

    answer = await edited(process, order)

    assert answer.status_code == 202, answer.text
    async with process.worker.store.transaction("nordwind") as connection:
        assert await connection.scalar(text(customers)) >= before > 0
