"""Any faults in any order: Hypothesis drives the real saga, on the real engines, against a model of the vendors.

QUOTEWAY_SAGA_EXAMPLES (default 12) is the length of a run; more than the default are drawn anew each time, and shrunk.
"""

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from typing import Any, cast

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from process_api.orders.submission import ORDER_SUBMISSION
from tests.faults.late_undo import register_undo_afterwards
from tests.patience import HANG_S
from tests.process_api.conftest import Process
from tests.process_api.engine.saga_model import CRASH_POINTS, OPERATIONS, Driver, ModelVendors, Plan, quick_recovery
from tests.process_api.system_stand_in import Fault

pytestmark = pytest.mark.servers
EXAMPLES = int(os.environ.get("QUOTEWAY_SAGA_EXAMPLES", "12"))
# On a machine that is busy with something else, fewer examples are tried: those left then do nothing.
_BUDGET_S = max(60.0, EXAMPLES * 10.0)
FAULTS: list[Fault] = ["lost", "lost", "lost", "unavailable", "not_sent", "garbage", "rejected"]
STEP_NAMES = ["", *(step.name for step in ORDER_SUBMISSION.steps)]
PLANS = st.builds(
    Plan,
    st.dictionaries(st.sampled_from(OPERATIONS), st.lists(st.sampled_from(FAULTS), min_size=1, max_size=2), max_size=4),
    st.sets(st.integers(1, CRASH_POINTS), max_size=3),
)


class Orders(RuleBasedStateMachine):
    """What callers, operators and the world may do, in any order."""

    def __init__(self, driver: Driver, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.driver, self.loop = driver, loop
        driver.orders = []

    def do(self, work: Coroutine[Any, Any, None]) -> None:
        """Have it done in the tests' event loop, where the process tier lives."""
        asyncio.run_coroutine_threadsafe(work, self.loop).result(HANG_S)

    @rule(plans=st.lists(PLANS, min_size=1, max_size=4))
    def submit(self, plans: list[Plan]) -> None:
        """New orders."""
        for plan in plans:
            if not self.driver.is_late():
                self.do(self.driver.submit(plan))

    @rule(lost=st.sampled_from([["lost"], ["lost", "lost"]]))
    def submit_and_lose(self, lost: list[Fault]) -> None:
        """A new order whose records are made, but the answers that say so are lost."""
        plan = Plan({operation: [*lost] for operation in ("create_order", "create_subscription")})
        if not self.driver.is_late():
            self.do(self.driver.submit(plan))

    @rule(chosen=st.integers(0, 99), same_key=st.booleans())
    def submit_again(self, chosen: int, *, same_key: bool) -> None:
        """An order that was submitted before, while it is at work or after its end."""
        orders = [order for order in self.driver.orders if order.key]
        if orders:
            self.do(self.driver.submit_again(orders[chosen % len(orders)], same_key=same_key))

    @rule()
    def settle(self) -> None:
        """Everything comes to an end."""
        self.do(self.driver.settle())

    @rule(
        chosen=st.integers(0, 99),
        plan=PLANS,
        from_step=st.sampled_from(STEP_NAMES),
    )
    def retry(self, chosen: int, plan: Plan, from_step: str) -> None:
        """An operator has a parked flow tried again."""
        self._decide(chosen, plan, "retry", {"fromStep": from_step} if from_step else {})

    @rule(chosen=st.integers(0, 99), plan=PLANS)
    def discard(self, chosen: int, plan: Plan) -> None:
        """An operator gives a parked flow up."""
        self._decide(chosen, plan, "discard", {"reason": "the model says so"})

    def _decide(self, chosen: int, plan: Plan, decision: str, body: dict[str, str]) -> None:
        parked = self.driver.parked()
        if not parked:
            return
        self.do(self.driver.decide(parked[chosen % len(parked)], plan, decision, body))
        self.do(self.driver.settle())

    def teardown(self) -> None:
        """Whatever is left comes to its end, too, and no parked flow stays behind for other tests."""
        try:
            self.do(self.driver.settle())
        finally:
            self.do(self.driver.clear_away())
        self.do(self.driver.settle())
        assert not self.driver.parked()


@pytest_asyncio.fixture(loop_scope="session")
async def driver(process: Process, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Driver]:
    """The process tier with the model's vendors."""
    vendors = ModelVendors(process)
    process.switch.system = vendors
    async with quick_recovery(process):
        with vendors.crashing_at_transactions(monkeypatch):
            yield Driver(process, vendors)


async def explore(driver: Driver, budget_s: float = float("inf")) -> Counter[str]:
    """Run the examples, as many as are begun in `budget_s` seconds. Returns what was seen."""
    loop, more = asyncio.get_running_loop(), EXAMPLES > 12
    driver.late_at = time.monotonic() + budget_s
    await asyncio.to_thread(
        run_state_machine_as_test,
        cast("type[Orders]", lambda: Orders(driver, loop)),  # whatever makes one will do
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=6,
            deadline=None,
            database=None,
            derandomize=not more,
            print_blob=more,
            phases=[Phase.generate, Phase.shrink] if more else [Phase.generate],
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
    print(dict(driver.seen))  # noqa: T201 pytest shows it with a failure
    return driver.seen


@pytest.mark.timeout(max(1800, EXAMPLES * 20))
async def test_any_faults_in_any_order_leave_every_order_where_it_belongs(driver: Driver) -> None:
    seen = await explore(driver, _BUDGET_S)

    crashes = sum(plan.crashed for plan in driver.vendors.plans.values())
    if driver.is_late():
        assert seen["booked"], seen
    else:
        assert {"booked", "rejected", "parked", "compensated"} <= set(seen), seen
        assert crashes >= EXAMPLES / 2


async def test_mutation_without_the_search_by_external_id_it_finds_the_second_record(driver: Driver) -> None:
    driver.vendors.search = False

    with pytest.raises(BaseException, match=r".*"):
        await explore(driver)  # to the first order that loses an answer

    assert "two live records at once" in driver.violations


async def test_mutation_with_the_undo_registered_afterwards_it_finds_what_is_left_over(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    register_undo_afterwards(monkeypatch)

    with pytest.raises(BaseException, match=r".*"):
        await explore(driver)

    assert "something is left over" in driver.violations
