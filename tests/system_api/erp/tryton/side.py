"""Tryton for the ERP's contract suite: the adapter, and a view of the books past it."""

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass

import httpx

from sandbox.vendors.tryton.rest import RestClient
from shared.canonical import ErpOrderDraft, ErpOrderState
from system_api.connections import Secret
from system_api.erp.contract import Erp
from system_api.erp.tryton.adapter import Tryton
from system_api.erp.tryton.records import Id
from tests.system_api.erp.conftest import Books, connection_of, sales, tryton_connection
from tests.system_api.erp.contract import Write
from tests.system_api.transports import Lossy

_STATES = {"draft": ErpOrderState.draft, "quotation": ErpOrderState.quoted}
_LAST_REQUEST: dict[Write, str] = {
    "ensure_customer": "/party.party",
    "create_order": "/quote",
    "confirm_order": "/confirm",
    "cancel_order": "/cancel",
}


@dataclass
class TrytonSide:
    """Tryton, or its stand-in. Implements `tests.system_api.erp.contract.ErpSide`."""

    erp: Erp
    away: Erp
    stranger: Erp
    network: Lossy
    rest: RestClient
    tryton: Tryton
    nobody: str = "99999999"

    def customers(self, account_id: str) -> int:
        return len(self.rest.search("party.party", [["identifiers.code", "=", f"SF:{account_id}"]], ["id"]))

    def orders(self, external_id: str) -> list[ErpOrderState]:
        states = (each["state"] for each in sales(self.rest, external_id))
        return [_STATES.get(state) or ErpOrderState(state) for state in states]

    def block(self, customer: str) -> None:
        answer = self.rest.send("PUT", f"party.party/{customer}", [("f", "id")], {"active": False})
        assert answer.status == 200, answer.text

    async def book_late(self, external_id: str, draft: ErpOrderDraft) -> str:
        values = await self.tryton._sales._values(external_id, draft)
        return str((await self.tryton._rest.create("sale.sale", values, ["id"], Id)).id)

    def losing(self, write: Write) -> AbstractContextManager[None]:
        return self.network.losing("POST", _LAST_REQUEST[write])

    def losing_reads(self) -> AbstractContextManager[None]:
        return self.network.losing("GET", "")

    def losing_what_is_read_back(self) -> AbstractContextManager[None]:
        sent = len(self.network.sent)

        def after_a_write(request: httpx.Request) -> bool:
            return request.method == "GET" and any(method == "POST" for method, _ in self.network.sent[sent:])

        return self.network.losing_if(after_a_write)


@asynccontextmanager
async def tryton_side(books: Books, dead_url: str) -> AsyncIterator[TrytonSide]:
    """The German company's books."""
    connection, network = connection_of(books, "NW-DE", "EUR"), Lossy()
    erp, away = Tryton(connection, network), Tryton(tryton_connection(dead_url))
    stranger = Tryton(tryton_connection(books.url, database=books.database, key=Secret("wrong")))
    yield TrytonSide(erp, away, stranger, network, books.client("nordwind", "NW-DE"), erp)
    for adapter in (erp, away, stranger):
        await adapter.close()
