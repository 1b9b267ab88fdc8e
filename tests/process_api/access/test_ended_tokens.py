"""docs/failures.md, row 19: the worker's own token counts no longer in the middle of a flow."""

import pytest

from shared.identity.service_token import ServiceTokens
from tests.process_api.conftest import Process

pytestmark = pytest.mark.servers


async def order_with_a_token_that_ends(process: Process) -> str:
    """How an order ends where the system API refuses the worker's token from the second write on."""
    process.system.fail("create_subscription", "token_ended")
    order = await process.ended((await process.submit()).json()["orderId"])
    await process.idle()
    return str(order["status"])


async def test_row_19_a_token_that_counts_no_longer_is_asked_for_anew(process: Process) -> None:
    assert await order_with_a_token_that_ends(process) == "booked"
    created = [name for name, _ in process.system.journal if name == "subscription.create"]
    assert len(created) == 2, "one by the month, one by the year"


async def test_row_19_mutation_who_keeps_a_refused_token_gets_nowhere(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as keeping:
        keeping.setattr(ServiceTokens, "forget", lambda *_: None)
        assert await order_with_a_token_that_ends(process) == "parked"
