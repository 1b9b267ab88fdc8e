"""One order is one trace, through three tiers and whichever workers had it."""

import re

from sandbox.fault_proxy.rules import Fault, Rule
from tests.journeys.org import Line
from tests.observed.collector import Collector, Received
from tests.observed.conftest import Observed

MIXED = [Line("SENSOR-TEMP", "1", "89.50"), Line("MON-STD", "2", "4.90")]
SUBMIT_ORDER_IN_SEVEN_FILES = [
    "experience_api.v1.orders.submit_order",
    "experience_api.process_client.ProcessClient.submit_order",
    "process_api.v1.orders.start_order_submission",
    "order_submission.begin",
    "process_api.system_client.SystemClient.create_order",
    "system_api.v1.erp.create_order",
    "system_api.erp.tryton.adapter.Tryton.create_order",
]


def read(collector: Collector, trace_id: str) -> list[str]:
    """The functions of a trace in the order in which they began; a span without one goes by its name."""
    return [span.code or span.name for span in collector.trace(trace_id)]


def ancestors(collector: Collector, span: Received) -> list[str]:
    """Who caused a span, outermost first, itself included."""
    by_id = {each.span_id: each for each in collector.trace(span.trace_id)}
    line = [span]
    while line[0].parent_id in by_id:
        line.insert(0, by_id[line[0].parent_id])
    return [each.code or each.name for each in line]


async def test_a_trace_of_an_order_reads_like_submit_order_in_seven_files(observed: Observed) -> None:
    trace_id, caller = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    quote_id = observed.org.make_quote("acme", "EUR", MIXED)

    answer = await observed.submit(quote_id, traceparent=f"00-{trace_id}-{caller}-00")
    order = await observed.ended(answer.json()["orderId"])

    assert order["status"] == "booked", order
    collector = observed.collector
    collector.wait_for(lambda span: span.trace_id == trace_id and span.name == "order_submission.run")
    found = collector.wait_for(lambda span: span.trace_id == trace_id and span.code == SUBMIT_ORDER_IN_SEVEN_FILES[-1])
    begun = [name for name in read(collector, trace_id) if name in SUBMIT_ORDER_IN_SEVEN_FILES]
    assert begun == SUBMIT_ORDER_IN_SEVEN_FILES
    # Each caused the next, with the steps and the requests between them. The flow has two parts, one after the other:
    # order_submission.begin reads the quote, order_submission.run does the rest in the lane of the legal entity.
    path = ancestors(collector, found)
    told = [name for name in path if name in {*SUBMIT_ORDER_IN_SEVEN_FILES, "order_submission.run"}]
    assert told == [*SUBMIT_ORDER_IN_SEVEN_FILES[:3], "order_submission.run", *SUBMIT_ORDER_IN_SEVEN_FILES[4:]]
    assert "book_erp_order" in path
    first = collector.trace(trace_id)[0]
    assert (first.parent_id, first.kind, first.service) == (caller, "server", "quoteway-experience")
    assert {span.service for span in collector.trace(trace_id)} == {
        "quoteway-experience",
        "quoteway-process",
        "quoteway-worker",
        "quoteway-system",
    }


async def test_a_worker_that_takes_a_flow_over_goes_on_in_its_trace(observed: Observed) -> None:
    landscape = observed.landscape
    landscape.faults("stripe").put(
        Rule(fault=Fault.delay, methods=["POST"], path="/v1/subscriptions", delay_s=5, times=1)
    )
    quote_id = observed.org.make_quote("acme", "EUR", MIXED)
    answer = await observed.submit(quote_id)
    booked = observed.collector.wait_for(
        lambda span: span.name == "book_erp_order" and answer.json()["orderId"] in span.attributes["quoteway.flow_id"]
    )
    landscape.processes["worker"].kill()
    landscape.start_worker()

    order = await observed.ended(answer.json()["orderId"])

    assert order["status"] == "booked", order
    whole = observed.collector.wait_for(
        lambda span: span.trace_id == booked.trace_id and span.name == "order_submission.run"
    )
    after = [span.name for span in observed.collector.trace(booked.trace_id) if span.parent_id == whole.span_id]
    assert "start_billing" in after
    assert "report_to_crm" in after


async def test_an_operators_decision_is_linked_to_the_trace_of_the_flow(observed: Observed) -> None:
    observed.landscape.faults("erp").put(Rule(fault=Fault.answer, methods=["POST"], status=503, content="away"))
    quote_id = observed.org.make_quote("acme", "EUR", MIXED)
    answer = await observed.submit(quote_id)
    order_id = answer.json()["orderId"]
    order = await observed.ended(order_id)
    assert order["status"] == "parked", order
    first = observed.collector.wait_for(
        lambda span: span.name == "order_submission.run" and order_id in span.attributes["quoteway.flow_id"]
    )
    observed.landscape.faults("erp").clear()

    decided = await observed.operator.post(f"/v1/flows/nordwind.{order_id}/retry", json={})
    assert decided.status_code == 202, decided.text

    second = observed.collector.wait_for(
        lambda span: (
            span.name == "order_submission.run"
            and span.attributes["quoteway.flow_id"] == f"nordwind.{order_id}"
            and span.attributes["quoteway.generation"] == 2
        )
    )
    decision = observed.collector.wait_for(lambda span: span.name == "retry_flow")
    assert second.trace_id == first.trace_id
    assert second.links == [decision.trace_id]
    assert decision.trace_id != first.trace_id


async def test_log_lines_name_their_trace(observed: Observed) -> None:
    trace_id = "5cf92f3577b34da6a3ce929d0e0e4736"
    forged = observed.developer.headers["Authorization"][:-8] + "AAAAAAAA"

    answer = await observed.developer.get(
        "/v1/orders/ord_0",
        headers={"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01", "Authorization": forged},
    )

    assert answer.status_code == 401
    log = (observed.landscape.run_dir / "logs" / "experience.log").read_text()
    assert re.search(rf'"message": "token refused.*"traceId": "{trace_id}"', log)
