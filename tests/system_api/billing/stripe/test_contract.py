"""Stripe's adapter passes the contract suite of billing."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.system_api.billing.contract import BillingContract
from tests.system_api.billing.stripe.side import StripeSide, stripe_side
from tests.system_api.conftest import Simulator


class TestStripe(BillingContract):
    """Each test of the suite, on the simulator."""

    @pytest_asyncio.fixture
    async def side(self, stripe_account: Simulator, dead_url: str) -> AsyncIterator[StripeSide]:
        async with stripe_side(stripe_account, dead_url) as side:
            yield side
