"""What is left of a flow that its workers die with goes to its owner and to the orders behind it (decision 0053)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from process_api.database import store as process_store
from process_api.engine import ending
from process_api.engine.flows import FlowStatus
from process_api.engine.queueing import account_admission
from process_api.engine.worker_lease import LeaseLost
from process_api.orders.submission import ORDER_SUBMISSION
from shared.problem import Unavailable

FLOW = "nordwind.ord_1"


class EndedFlow:
    """A worker whose flow has ended, and its database, which is away for a while once that is known."""

    def __init__(self, away: int = 0) -> None:
        self.store = self.lease = self
        self.lost = False
        self.done: list[str] = []
        self._away = away
        self._transactions = 0

    @asynccontextmanager
    async def transaction(self, tenant: str) -> AsyncIterator["EndedFlow"]:
        assert tenant == "nordwind"
        self._transactions += 1
        if 1 < self._transactions <= 1 + self._away:
            raise Unavailable("the database does not answer", vendor="postgresql")
        before = list(self.done)
        try:
            yield self
        except BaseException:
            self.done = before
            raise

    async def scalar(self, _query: Any) -> str:
        return FlowStatus.succeeded

    async def fence(self, _connection: Any) -> None:
        if self.lost:
            raise LeaseLost


@pytest.fixture
def flow(monkeypatch: pytest.MonkeyPatch) -> EndedFlow:
    ended = EndedFlow(away=2)

    async def note(what: str) -> None:
        ended.done.append(what)

    monkeypatch.setattr(process_store, "_AWAY_POLL_S", 0.0)
    monkeypatch.setattr(account_admission, "leave_line", lambda _connection, _flow_id: note("line"))
    monkeypatch.setattr(ending, "add_what_to_do", lambda _connection, _flow_id, sentence: note(sentence[:10]))
    return ended


async def give_up(flow: EndedFlow) -> None:
    """Give the flow up after ten starts."""
    both: Any = flow
    await ending.give_up(both, both, ORDER_SUBMISSION, FLOW, 10)


async def test_its_owner_is_told_and_its_place_is_left_also_where_the_database_is_away_just_then(
    flow: EndedFlow,
) -> None:
    await give_up(flow)

    assert flow.done == ["line", "10 workers"]


async def test_a_worker_that_lost_the_flow_takes_no_place_in_line_from_its_next_generation(flow: EndedFlow) -> None:
    flow.lost = True

    with pytest.raises(LeaseLost):
        await give_up(flow)

    assert flow.done == []
