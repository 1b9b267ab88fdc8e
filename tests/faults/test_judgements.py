"""What the harness judges by: each thing that must not be is found in data made up to show it."""

import json
import random
from dataclasses import replace

import pytest

from sandbox.faults.billing_changes import Event
from sandbox.faults.ledger import Acknowledged, Findings, Holdings, compare
from sandbox.faults.relay_kills import Entry, judge_stream
from sandbox.faults.run import Result, mostly_parked
from sandbox.faults.scale import FULL, REAL_ERP, SHORT
from sandbox.faults.session import Row
from sandbox.faults.webhook_storm import Accepted, Delivery, deliveries_of, judge_webhooks

# -- orders -----------------------------------------------------------------------------------------------------------

ORDER = Acknowledged("ord_1", "quote-1", "booked", one_off_lines=1, periods=("month",))
HELD = Holdings(
    sales={"ord_1": [("confirmed", 1)]},
    subscriptions={"ord_1": [("month", "active")]},
    crm={"ord_1": ["booked"]},
    parties={"SF:1": 1},
    billing_customers={"1": 1},
    events={"ord_1": ["order.booked"]},
)


def test_an_order_that_is_everywhere_once_is_right() -> None:
    assert compare([ORDER], HELD, complete=True).violations == []


@pytest.mark.parametrize(
    ("held", "kind"),
    [
        (replace(HELD, sales={"ord_1": [("confirmed", 1), ("quotation", 1)]}), "duplicates"),
        (replace(HELD, subscriptions={"ord_1": [("month", "active")] * 2}), "duplicates"),
        (replace(HELD, crm={"ord_1": ["booked"] * 2}), "duplicates"),
        (replace(HELD, parties={"SF:1": 2}), "duplicates"),
        (replace(HELD, billing_customers={"1": 2}), "duplicates"),
        (replace(HELD, events={"ord_1": ["order.booked"] * 2}), "duplicates"),
        (replace(HELD, sales={}), "lost"),
        (replace(HELD, sales={"ord_1": [("quotation", 1)]}), "lost"),
        (replace(HELD, sales={"ord_1": [("confirmed", 2)]}), "lost"),
        (replace(HELD, subscriptions={"ord_1": [("month", "canceled")]}), "lost"),
        (replace(HELD, crm={}), "lost"),
        (replace(HELD, events={}), "lost"),
        (replace(HELD, sales={**HELD.sales, "ord_2": [("draft", 1)]}), "leftovers"),
    ],
)
def test_whatever_is_twice_missing_or_left_over_is_found(held: Holdings, kind: str) -> None:
    findings = compare([ORDER], held, complete=True)

    assert findings.violations
    assert findings.violations == getattr(findings, kind)


def test_two_orders_of_one_quote_and_one_that_never_ended_are_found() -> None:
    other = replace(ORDER, order_id="ord_2", status="submitted")

    findings = compare([ORDER, other], HELD)

    assert findings.duplicates == ["quote quote-1 became 2 orders"]
    assert findings.lost == ["ord_2 never ended: it is submitted"]


def test_a_scenario_that_parks_most_of_its_orders_shows_nothing() -> None:
    parked = replace(ORDER, status="parked")

    assert mostly_parked([]) == mostly_parked([ORDER, parked]) == []
    assert mostly_parked([ORDER, parked, parked]) == ["2 of 3 orders are parked: the scenario shows nothing"]


# -- the outbox -------------------------------------------------------------------------------------------------------

STREAM = [Entry("a", "s", 1), Entry("b", "s", 2), Entry("c", "t", 1)]


def test_repetitions_under_their_own_id_are_allowed() -> None:
    findings, repeated = judge_stream(STREAM, [*STREAM[:2], *STREAM])

    assert (findings.violations, repeated) == ([], 2)


@pytest.mark.parametrize(
    ("published", "kind"),
    [
        (STREAM[:2], "lost"),
        ([*STREAM, Entry("z", "s", 2)], "duplicates"),
        ([STREAM[1], STREAM[0], STREAM[2]], "leftovers"),
    ],
)
def test_a_missing_a_renamed_and_an_overtaking_event_are_found(published: list[Entry], kind: str) -> None:
    findings, _ = judge_stream(STREAM, published)

    assert getattr(findings, kind)


# -- webhooks ---------------------------------------------------------------------------------------------------------

EVENTS = [
    Event(f"evt_{number}", json.dumps({"id": f"evt_{number}"}).encode(), "storm-1", status)
    for number, status in enumerate(("active", "trialing", "active"))
]
GENUINE = [Delivery(event.event_id, event.body, "whsec") for event in EVENTS]
FORGED = Delivery("evt_0_forged", b"{}", "other", genuine=False)
RIGHT = Accepted(
    answers=[*((delivery, 202) for delivery in GENUINE), (FORGED, 400)],
    inbox=[event.event_id for event in EVENTS],
    states={"storm-1": "active"},
    changes=[("storm-1", 1, "trialing"), ("storm-1", 2, "active")],
)


def test_webhooks_taken_once_that_lead_to_the_final_state_are_right() -> None:
    assert judge_webhooks(EVENTS, {"storm-1": "active"}, RIGHT).violations == []


@pytest.mark.parametrize(
    "accepted",
    [
        replace(RIGHT, answers=[(FORGED, 202)]),
        replace(RIGHT, answers=[(GENUINE[0], 400)]),
        replace(RIGHT, inbox=[*RIGHT.inbox, "evt_0_forged"]),
        replace(RIGHT, inbox=[*RIGHT.inbox, "evt_0"]),
        replace(RIGHT, inbox=RIGHT.inbox[1:]),
        replace(RIGHT, states={"storm-1": "trialing"}),
        replace(RIGHT, states={}),
        replace(RIGHT, changes=[("storm-1", 1, "active"), ("storm-1", 2, "active")]),
        replace(RIGHT, changes=[("storm-1", 1, "active"), ("storm-1", 3, "trialing")]),
    ],
)
def test_whatever_the_webhooks_should_not_have_done_is_found(accepted: Accepted) -> None:
    assert judge_webhooks(EVENTS, {"storm-1": "active"}, accepted).violations


def test_events_that_do_not_lead_to_what_billing_holds_show_nothing() -> None:
    assert judge_webhooks(EVENTS, {"storm-1": "past_due"}, RIGHT).violations


def test_webhooks_are_duplicated_forged_and_stale_in_their_shares() -> None:
    chance = random.Random(1)  # noqa: S311 a test's chance is no secret
    made = [each for _ in range(2000) for each in deliveries_of(EVENTS[0], "whsec", chance)]

    genuine = [each for each in made if each.genuine]
    stale = [each for each in made if each.age_s > 300]
    assert len(genuine) == pytest.approx(2600, rel=0.05)
    assert len(stale) == pytest.approx(100, rel=0.3)
    assert len(made) - len(genuine) - len(stale) == pytest.approx(100, rel=0.3)
    assert not {each.event_id for each in made if not each.genuine} & {EVENTS[0].event_id}
    assert all(each.secret == "whsec" for each in stale)


# -- the run ----------------------------------------------------------------------------------------------------------


def test_without_the_search_it_is_finding_nothing_that_fails() -> None:
    nothing = Row("kills", Result([], 0), Findings(), parked=0, took_s=0, blind=True)
    something = replace(nothing, findings=Findings(duplicates=["ord_1 has 2 sales"]))

    assert nothing.violations
    assert something.violations == []
    assert replace(something, blind=False).violations == ["ord_1 has 2 sales"]


def test_the_whole_run_has_the_promised_numbers() -> None:
    assert (FULL.kills, FULL.orders_under_kills, FULL.orders_under_lost_answers) == (200, 1000, 2000)
    assert (FULL.keys, FULL.posts_of_each_key, FULL.pause_s, FULL.lease_s) == (200, 100, 60.0, None)
    assert (FULL.webhooks, FULL.events, FULL.relay_kills, FULL.crash_points_max) == (10_000, 10_000, 100, None)
    assert REAL_ERP.lease_s is None
    assert SHORT.kills < REAL_ERP.kills < FULL.kills
    assert (FULL.with_orders(100).kills, FULL.with_orders(100).orders_under_lost_answers) == (20, 100)
