"""Test clocks: customers whose time a test moves.

Source: Stripe's API reference, "Advance a test clock", and "Test clocks: API and advanced usage".
"""

from __future__ import annotations

from sandbox.vendors.stripe.account import Account
from sandbox.vendors.stripe.billing_cycle import advance as advance_clock
from sandbox.vendors.stripe.gateway.listing import PAGE, list_records
from sandbox.vendors.stripe.gateway.operation import Call, Operation
from sandbox.vendors.stripe.periods import add_intervals
from sandbox.vendors.stripe.store import Record, new_id
from sandbox.vendors.stripe.subscription_states import ENDED
from sandbox.vendors.stripe.subscriptions.customer_deletion import delete_customer
from sandbox.vendors.stripe.subscriptions.items import interval_of
from sandbox.vendors.stripe.wire.errors import invalid
from sandbox.vendors.stripe.wire.params import Integer, Text
from sandbox.vendors.stripe.wire.presentation import items_of

KIND = "test_helpers.test_clock"
_KEPT_S = 30 * 86_400


def create(call: Call) -> Record:
    """POST /v1/test_helpers/test_clocks"""
    account = call.account
    test_clock = account.new(
        KIND,
        new_id("clock"),
        deletes_after=account.now() + _KEPT_S,
        frozen_time=call.params["frozen_time"],
        name=call.params.get("name"),
        status="ready",
        status_details={},
    )
    account.store.put(test_clock)
    account.emit("test_helpers.test_clock.created", test_clock)
    return test_clock


def advance(call: Call) -> Record:
    """POST /v1/test_helpers/test_clocks/{id}/advance

    Stripe answers `advancing` and works on; a client asks until the clock is `ready`. Here the work is done when the
    answer arrives, and the next question is answered `ready`.
    """
    account, test_clock, until = call.account, call.fetch(KIND), call.params["frozen_time"]
    if until <= test_clock["frozen_time"]:
        raise invalid("The new frozen_time must be after the test clock's current frozen_time.", param="frozen_time")
    latest = _latest(account, test_clock)
    if until > latest:
        raise invalid(
            "The test clock can't be advanced more than two intervals of its shortest subscription at a time, or two "
            f"years without one: at most to {latest}.",
            param="frozen_time",
        )
    advancing = test_clock | {"status": "advancing", "status_details": {"advancing": {"target_frozen_time": until}}}
    account.emit("test_helpers.test_clock.advancing", advancing)
    advance_clock(account, test_clock, until)
    account.emit("test_helpers.test_clock.ready", test_clock)
    return advancing


def delete(call: Call) -> Record:
    """DELETE /v1/test_helpers/test_clocks/{id}: with its customers and their subscriptions"""
    account, test_clock = call.account, call.fetch(KIND)
    for customer in account.store.scan("customer", test_clock=test_clock["id"]):
        delete_customer(account, dict(customer))
    account.emit("test_helpers.test_clock.deleted", test_clock)
    account.store.remove(KIND, test_clock["id"])
    return {"id": test_clock["id"], "object": KIND, "deleted": True}


def _latest(account: Account, test_clock: Record) -> int:
    """Return how far a clock may be advanced from where it stands."""
    running = [
        interval_of(account, item)
        for subscription in account.store.scan("subscription", test_clock=test_clock["id"])
        if subscription["status"] not in ENDED
        for item in items_of(account.store, subscription["id"])
    ]
    now = int(test_clock["frozen_time"])
    if not running:
        return add_intervals(now, "year", 2)
    return min(add_intervals(now, interval, 2 * count) for interval, count in running)


OPERATIONS = (
    Operation(
        "POST",
        "/v1/test_helpers/test_clocks",
        create,
        {"frozen_time": Integer(required=True, minimum=0), "name": Text(chars_max=300)},
    ),
    Operation("GET", "/v1/test_helpers/test_clocks", lambda call: list_records(call, KIND), PAGE),
    Operation("GET", "/v1/test_helpers/test_clocks/{id}", lambda call: call.fetch(KIND)),
    Operation("DELETE", "/v1/test_helpers/test_clocks/{id}", delete),
    Operation(
        "POST",
        "/v1/test_helpers/test_clocks/{id}/advance",
        advance,
        {"frozen_time": Integer(required=True, minimum=0)},
    ),
)
