"""The list of connections that take webhooks: read again and again, and kept while it cannot be read."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from process_api.inbox import webhook_connections
from process_api.inbox.webhook_connections import WebhookConnections
from shared.canonical import Connections, ConnectionSummary
from shared.problem import NotFound, Unavailable
from tests.patience import HANG_S


class System:
    """A system tier that says which connections there are, or is away."""

    def __init__(self) -> None:
        self.connections = [connection("NW-DE")]
        self.errors: list[Exception] = []
        self.asked = asyncio.Semaphore(0)

    async def read(self) -> Connections:
        """The list."""
        self.asked.release()
        if self.errors:
            raise self.errors.pop(0)
        return Connections(connections=self.connections)


def connection(legal_entity: str, *, takes_webhooks: bool = True) -> ConnectionSummary:
    return ConnectionSummary(
        tenant="nordwind",
        capability="billing",
        legal_entity=legal_entity,
        adapter="stripe",
        takes_webhooks=takes_webhooks,
    )


@pytest.fixture
def system() -> System:
    return System()


@pytest_asyncio.fixture
async def known(system: System, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WebhookConnections]:
    monkeypatch.setattr(webhook_connections, "REFRESH_S", 0.0)
    monkeypatch.setattr(webhook_connections, "UNKNOWN_S", 0.0)
    found = WebhookConnections(system.read)
    yield found
    await found.stop()


async def reads(system: System, number: int) -> None:
    async with asyncio.timeout(HANG_S):
        for _ in range(number):
            await system.asked.acquire()


async def test_until_the_list_was_read_nothing_is_known(system: System, known: WebhookConnections) -> None:
    with pytest.raises(Unavailable):
        known.require("nordwind", "NW-DE")

    system.errors = [Unavailable("away"), ZeroDivisionError()]
    await known.start()
    await reads(system, 4)

    known.require("nordwind", "NW-DE")
    for tenant, legal_entity in (("nordwind", "NW-XX"), ("another", "NW-DE")):
        with pytest.raises(NotFound):
            known.require(tenant, legal_entity)


async def test_what_was_read_last_counts_while_the_system_api_is_away(
    system: System, known: WebhookConnections
) -> None:
    await known.start()
    await reads(system, 2)
    system.errors = [Unavailable("away")] * 3
    await reads(system, 3)
    known.require("nordwind", "NW-DE")

    system.connections = [connection("NW-DE", takes_webhooks=False), connection("NW-US")]
    await reads(system, 3)

    known.require("nordwind", "NW-US")
    with pytest.raises(NotFound):
        known.require("nordwind", "NW-DE")


async def test_a_connection_for_every_legal_entity_takes_those_of_each(
    system: System, known: WebhookConnections
) -> None:
    system.connections = [connection("*")]
    await known.refresh()

    known.require("nordwind", "NW-ANY")
    with pytest.raises(NotFound):
        known.require("another", "NW-ANY")
