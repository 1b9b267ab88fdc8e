"""Vendors that follow a plan for each order, a worker that dies where the plan says, and what must then be so.

A crash is the worker's as the saga sees it: nothing that the plan lets happen after that point is done or written down,
every flow of the worker loses its lease, and they begin again from the workflow engine's last checkpoint.
"""

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
import msgspec
from dbos import DBOS
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.database.store import Store
from process_api.engine.worker_lease import LeaseLost
from shared.canonical import (
    Account,
    Customer,
    ErpOrder,
    ErpOrderState,
    Subscription,
    SubscriptionCancellation,
    SubscriptionStatus,
)
from shared.problem import Rejected
from tests.patience import HANG_S
from tests.process_api.conftest import ENDED, Process
from tests.process_api.system_stand_in import Fault, SystemStandIn, mixed_quote

# What each step asks of the vendors, in the saga's order.
STEP_OPERATIONS = {
    "load_quote": ("find_quote",),
    "check_quote": ("find_account", "check_credit", "look_up_prices", "calculate_tax"),
    "validate_customer": ("find_account", "ensure_customer"),
    "check_terms": ("check_credit", "look_up_prices", "calculate_tax"),
    "book_erp_order": ("create_order", "confirm_order", "find_order"),
    "start_billing": ("ensure_billing_customer", "create_subscription", "find_subscription"),
    "report_to_crm": ("report_order_status",),
}
UNDOS = ("cancel_order", "cancel_subscription")
OPERATIONS = tuple(dict.fromkeys(name for names in STEP_OPERATIONS.values() for name in names)) + UNDOS
TENANT = "nordwind"
# About as many as an order without faults passes.
CRASH_POINTS = 150


@dataclass
class Plan:
    """What goes wrong with one order: the faults of each operation in turn, and the points at which the worker dies."""

    faults: dict[str, list[Fault]] = field(default_factory=dict)
    crashes: set[int] = field(default_factory=set)
    passed: int = 0
    crashed: int = 0

    def endings(self) -> set[str]:
        """How an order under this plan may end, told before it begins: the saga's promise, kept apart from its code."""
        if any(len(faults) > 1 for faults in self.faults.values()):
            return ENDED - {"compensated"}
        if any(len([name for name in names if name in self.faults]) > 1 for names in STEP_OPERATIONS.values()):
            return ENDED - {"compensated"}  # a step may run out of patience
        refusing = {operation for operation, faults in self.faults.items() if faults == ["rejected"]} - {*UNDOS}
        looks = {"find_order", "find_subscription"}  # asked only where something was lost
        if not refusing:
            return {"booked"}
        if refusing <= {"report_order_status"}:
            return {"parked"} if not self.crashes else {"parked", "booked"}
        undo_refused = any(self.faults.get(operation) == ["rejected"] for operation in UNDOS)
        certain = not self.crashes and not refusing & {*looks, "report_order_status"} and not undo_refused
        return {"rejected"} if certain else {"rejected", "booked", "parked"}


class ModelVendors(SystemStandIn):
    """The vendors of every order; `search` off: they make a record each time that they are asked for one."""

    def __init__(self, process: Process) -> None:
        super().__init__(quote=None)
        self.process = process
        self.search = True
        self.plans: dict[str, Plan] = {}
        self.live: Counter[str] = Counter()
        self.most: Counter[str] = Counter()

    # -- crashes --------------------------------------------------------------------------------------------------

    def plan(self) -> Plan | None:
        """That of the flow that is at work here, if one is."""
        workflow = DBOS.workflow_id
        if workflow is None:
            return None
        order_id = workflow.split(".")[1]
        return self.plans.get(order_id)

    def point(self) -> None:
        """Die here, if the plan says so. Raises LeaseLost: for the saga the worker's end and the lease's are one."""
        plan = self.plan()
        if plan is None:
            return
        plan.passed += 1
        if plan.passed in plan.crashes:
            plan.crashes.discard(plan.passed)
            plan.crashed += 1
            self.process.worker.lease._flow_laid_aside = True
            raise LeaseLost

    @contextmanager
    def crashing_at_transactions(self, monkeypatch: Any) -> Any:
        """Points before and after each commit of a flow."""
        transaction, vendors = Store._transaction, self

        @asynccontextmanager
        async def watched(store: Store, tenant: str) -> AsyncIterator[AsyncConnection]:
            async with transaction(store, tenant) as connection:
                yield connection
                vendors.point()
            vendors.point()

        with monkeypatch.context() as patch:
            patch.setattr(Store, "_transaction", watched)
            yield

    # -- faults ---------------------------------------------------------------------------------------------------

    def _perform(self, operation: str, request: httpx.Request, *names: str) -> httpx.Response:
        self.point()
        plan = self.plan()
        mine = plan.faults.get(operation) if plan else None
        self.faults[operation] = [mine.pop(0)] if mine else []
        answer = super()._perform(operation, request, *names)
        self.point()
        return answer

    # -- what the vendors do ---------------------------------------------------------------------------------------

    def _find_account(self, _body: bytes, account_id: str) -> Account | None:
        return None if self.account is None else msgspec.structs.replace(self.account, account_id=account_id)

    def _ensure_customer(self, _body: bytes, account_id: str) -> Customer:
        return Customer(account_id=account_id, vendor_id=f"party-{account_id}", code=account_id[-6:], name="Acme")

    def _create_order(self, body: bytes, external_id: str) -> ErpOrder:
        known = self.orders.get(external_id) if self.search else None
        if known is not None and known.state is ErpOrderState.cancelled:
            raise Rejected("cancelled; that external id is used up", reason_code="already_cancelled")
        if known is None:
            self.orders.pop(external_id, None)
            self._made(f"erp:{external_id}")
        return super()._create_order(body, external_id)

    def _move_order(self, external_id: str, state: ErpOrderState) -> ErpOrder:
        found = self._find_order(b"", external_id)
        if state is ErpOrderState.confirmed and found.state in {ErpOrderState.absent, ErpOrderState.cancelled}:
            raise Rejected(f"cannot confirm what is {found.state}", reason_code="order_absent")
        if state is ErpOrderState.cancelled and found.state in {ErpOrderState.quoted, ErpOrderState.confirmed}:
            self.live[f"erp:{external_id}"] -= 1
        return super()._move_order(external_id, state)

    def _create_subscription(self, body: bytes, external_id: str) -> Subscription:
        known = self.subscriptions.get(external_id) if self.search else None
        if known is not None and known.status is SubscriptionStatus.cancelled:
            raise Rejected("cancelled; that external id is used up", reason_code="already_cancelled")
        if known is None:
            self.subscriptions.pop(external_id, None)
            self._made(f"billing:{external_id}")
        return super()._create_subscription(body, external_id)

    def _cancel_subscription(self, body: bytes, external_id: str) -> SubscriptionCancellation:
        if self._find_subscription(b"", external_id).status is SubscriptionStatus.active:
            self.live[f"billing:{external_id}"] -= 1
        return super()._cancel_subscription(body, external_id)

    def _made(self, record: str) -> None:
        self.live[record] += 1
        self.most[record] = max(self.most[record], self.live[record])


@asynccontextmanager
async def quick_recovery(process: Process) -> AsyncIterator[None]:
    """A worker that died begins again at once, instead of with the next heartbeat."""
    lease = process.worker.lease
    await lease._end_keeping()

    async def keep() -> None:
        renew_at = 0.0
        while True:
            if lease._flow_laid_aside or time.monotonic() >= renew_at:
                await lease._renew()
                renew_at = time.monotonic() + 1
            await asyncio.sleep(0.02)

    keeping = asyncio.create_task(keep())
    try:
        yield
    finally:
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping
        lease._task = asyncio.create_task(lease._keep())


@dataclass
class Submitted:
    """An order of the model's."""

    order_id: str
    quote_id: str
    key: str
    expected: set[str]
    generations: int = 1
    discarded: bool = False
    status: str = ""

    @property
    def flow_id(self) -> str:
        """Its flow."""
        return f"{TENANT}.{self.order_id}"


@dataclass
class Driver:
    """Does what the state machine decides, and compares what is with what must be."""

    process: Process
    vendors: ModelVendors
    orders: list[Submitted] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)
    violations: set[str] = field(default_factory=set)
    late_at: float = float("inf")

    def is_late(self) -> bool:
        """Whether no more orders should be begun."""
        return time.monotonic() >= self.late_at

    async def submit(self, plan: Plan) -> None:
        """Order a new quote under this plan."""
        quote = msgspec.structs.replace(mixed_quote(), account_id=f"001{uuid.uuid4().hex[:15].upper()}")
        self.vendors.more_quotes.append(quote)
        key, expected = uuid.uuid4().hex, plan.endings()
        # The order has an id only once it is accepted, and may be at work by then: it waits for its plan.
        gate = self.process.switch.hold(f"/quotes/{quote.quote_id}")
        answer = await self.process.submit(key, quoteId=quote.quote_id)
        assert answer.status_code == 202, answer.text
        order_id = answer.json()["orderId"]
        self.vendors.plans[order_id] = plan
        gate.set()
        self.orders.append(Submitted(order_id, quote.quote_id, key, expected))

    async def submit_again(self, order: Submitted, *, same_key: bool) -> None:
        """The same quote once more: the same order, whichever key it comes under, unless it was refused."""
        answer = await self.process.submit(order.key if same_key else uuid.uuid4().hex, quoteId=order.quote_id)
        if same_key or order.status != "rejected":
            assert answer.status_code == 202, answer.text
        if same_key:
            assert answer.json()["orderId"] == order.order_id
        elif answer.json()["orderId"] != order.order_id:
            assert (await self.process.order(order.order_id))["status"] == "rejected", "one quote became two orders"
            self.orders.append(Submitted(answer.json()["orderId"], order.quote_id, "", {*ENDED}))

    async def decide(self, order: Submitted, plan: Plan, decision: str, body: dict[str, str]) -> None:
        """What an operator decides about a parked flow."""
        self.vendors.plans[order.order_id] = plan
        path = f"/v1/flows/{order.flow_id}/{decision}"
        answer = await self.process.client.post(path, json=body, headers=self.process.operator_headers)
        if body.get("fromStep") and answer.status_code in {400, 409}:
            return  # it has not come to that step, or is being undone
        assert answer.status_code == 202, answer.text
        order.generations += 1
        order.discarded = order.discarded or decision == "discard"
        order.expected = {"compensated", "parked"} if decision == "discard" else {*ENDED}
        self.seen[decision] += 1

    async def settle(self) -> None:
        """Wait until nothing is at work, and look at everything."""
        await self.idle()
        for order in self.orders:
            await self._check(order)

    async def clear_away(self) -> None:
        """Give up whatever is parked."""
        await self.idle()
        for order in self.parked():
            await self.decide(order, Plan(), "discard", {"reason": "the end of the example"})
        await self.idle()

    async def idle(self) -> None:
        """Wait until nothing is at work."""
        async with asyncio.timeout(HANG_S):
            while await self.process.flows_at_work():  # noqa: ASYNC110 the database has no way to wait
                await asyncio.sleep(0.02)
        for order in self.orders:
            order.status = (await self.process.order(order.order_id))["status"]

    async def _check(self, order: Submitted) -> None:
        found = await self.process.order(order.order_id)
        order.status = found["status"]
        self.seen[order.status] += 1
        assert order.status in order.expected, (order, found["reason"])
        self._check_vendors(order)
        await self._check_events(order, found)

    def _check_vendors(self, order: Submitted) -> None:
        vendors, records = self.vendors, _records(order.order_id)
        self._forbid("two live records at once", [record for record in records if vendors.most[record] > 1], order)
        live = [record for record in records if vendors.live[record]]
        if order.status == "booked":
            assert live == records, (order, live)
            assert vendors.orders[order.order_id].state is ErpOrderState.confirmed
        if order.status in {"rejected", "compensated"}:
            self._forbid("something is left over", live, order)
        if order.status != "parked" and order.order_id in vendors.reports:
            assert vendors.reports[order.order_id].status == order.status or order.status != "booked"

    async def _check_events(self, order: Submitted, found: dict[str, Any]) -> None:
        events = text("SELECT sequence, type FROM quoteway.events WHERE subject = :order ORDER BY sequence")
        timeline = text("SELECT version FROM quoteway.order_timeline WHERE order_id = :order ORDER BY version")
        async with self.process.worker.store.transaction(TENANT) as connection:
            rows = list(await connection.execute(events, {"order": order.order_id}))
            versions = list(await connection.scalars(timeline, {"order": order.order_id}))
        assert [row.sequence for row in rows] == list(range(1, order.generations + 1)), (order, rows)
        assert rows[-1].type == f"order.{order.status}", (order, rows)
        assert {row.type for row in rows[:-1]} <= {"order.parked"}, (order, rows)
        assert versions == list(range(1, found["version"] + 1))

    def _forbid(self, what: str, records: list[str], order: Submitted) -> None:
        if records:
            self.violations.add(what)
        assert not records, (what, records, order)

    def parked(self) -> list[Submitted]:
        """The orders that wait for a person."""
        return [order for order in self.orders if order.status == "parked"]


def _records(order_id: str) -> list[str]:
    return [f"erp:{order_id}", f"billing:{order_id}-month", f"billing:{order_id}-year"]
