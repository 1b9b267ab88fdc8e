"""Tryton's adapter passes the contract suite of an ERP, on Tryton and its stand-in."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.system_api.erp.conftest import Books
from tests.system_api.erp.contract import ErpContract
from tests.system_api.erp.tryton.side import TrytonSide, tryton_side


class TestTryton(ErpContract):
    """Each test of the suite, on both."""

    @pytest_asyncio.fixture
    async def side(self, books: Books, dead_url: str) -> AsyncIterator[TrytonSide]:
        async with tryton_side(books, dead_url) as side:
            yield side
