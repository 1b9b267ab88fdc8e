"""The Tryton adapter on the real ERP and on its stand-in."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from sandbox.vendors.erp_stand_in.server import ErpStandIn
from sandbox.vendors.tryton.rest import RestClient
from sandbox.vendors.tryton.server import TrytonServer
from shared.canonical import Customer
from system_api.connections import Secret, TrytonConnection
from system_api.erp.tryton.adapter import Tryton
from tests.system_api.erp.drafts import ACME
from tests.system_api.transports import Lossy

Books = TrytonServer | ErpStandIn


@pytest.fixture
def network() -> Lossy:
    return Lossy()


def tryton_connection(url: str, **changes: Any) -> TrytonConnection:
    connection = TrytonConnection(
        tenant="nordwind",
        capability="erp",
        legal_entity="NW-DE",
        adapter="tryton",
        url=url,
        database="tryton",
        company=1,
        currency="EUR",
        key=Secret("key"),
    )
    return msgspec.structs.replace(connection, **changes)


@pytest.fixture(scope="session", params=["tryton", "stand-in"])
def books(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Books]:
    """The real ERP and the stand-in of the large runs: the same tests check that they behave alike."""
    if request.param == "tryton":
        yield request.getfixturevalue("tryton")
        return
    folder: Path = tmp_path_factory.mktemp("erp-stand-in")
    with ErpStandIn(folder) as stand_in:
        yield stand_in


def connection_of(books: Books, legal_entity: str, currency: str) -> TrytonConnection:
    access = books.credentials.tenants["nordwind"]
    return tryton_connection(
        books.url,
        database=books.database,
        company=access.companies[legal_entity],
        currency=currency,
        legal_entity=legal_entity,
        key=Secret(access.rest_key),
    )


@pytest_asyncio.fixture
async def erp(books: Books, network: Lossy) -> AsyncIterator[Tryton]:
    """The German company's books."""
    adapter = Tryton(connection_of(books, "NW-DE", "EUR"), network)
    yield adapter
    await adapter.close()


@pytest.fixture
def rest(books: Books) -> RestClient:
    """The ERP's own API, past the adapter."""
    return books.client("nordwind", "NW-DE")


@pytest_asyncio.fixture
async def acme(erp: Tryton) -> Customer:
    found = await erp.find_customer(ACME)
    assert found is not None
    return found


def sales(rest: RestClient, reference: str) -> list[dict[str, Any]]:
    return rest.search("sale.sale", [["reference", "=", reference]], ["state", "lines.quantity", "total_amount"])
