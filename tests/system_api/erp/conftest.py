"""The Tryton adapter on the real ERP and on its stand-in, and what tests order."""

import random
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from sandbox.vendors.erp_stand_in.server import ErpStandIn
from sandbox.vendors.tryton.rest import RestClient
from sandbox.vendors.tryton.server import TrytonServer
from shared.canonical import Address, Customer, CustomerDraft, ErpOrderDraft, ErpOrderLine, Money
from shared.canonical.record_ids import canonical_spelling
from system_api.connections import Secret, TrytonConnection
from system_api.erp.tryton.adapter import Tryton
from tests.system_api.transports import Lossy

Books = TrytonServer | ErpStandIn
ACME, TIDEWATER = "001QW0000000001YAA", "001QW0000000003YAA"


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
    """The same tests hold the real ERP and the stand-in of the large runs to the same behaviour."""
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


def new_customer(**changes: Any) -> CustomerDraft:
    """A company that no other test knows: another name, another tax id."""
    draft = CustomerDraft(
        account_id=new_account(),
        name=f"Donau Frischdienst {uuid.uuid4().hex[:8]} GmbH",
        address=Address(street="Handelskai 94", postal_code="1200", city="Wien", country="AT"),
        currency="EUR",
        vat_id=austrian_vat_id(),
    )
    return msgspec.structs.replace(draft, **changes)


def new_account() -> str:
    """An account id of 18 characters, as Salesforce writes it."""
    return canonical_spelling(f"001{uuid.uuid4().hex[:12]}")


def austrian_vat_id() -> str:
    """A VAT id with a check digit that Tryton takes (python-stdnum, at.uid)."""
    digits = f"{random.randrange(10**7):07}"  # noqa: S311 a tax id is no secret
    weighted = [int(digit) * weight for digit, weight in zip(digits, (1, 2, 1, 2, 1, 2, 1), strict=True)]
    return f"ATU{digits}{(6 - sum(each // 10 + each % 10 for each in weighted)) % 10}"


def euros(amount: str) -> Money:
    return Money(amount=amount, currency="EUR")


def hardware(customer: str, **changes: Any) -> ErpOrderDraft:
    """Two gateways at 5 % off and twenty sensors: 4,621.00 EUR net, 877.99 EUR tax."""
    draft = ErpOrderDraft(
        account_id=ACME,
        customer_vendor_id=customer,
        currency="EUR",
        tax_code="DE",
        lines=[line("GATEWAY-EDGE", "2", "1415.5"), line("SENSOR-TEMP", "20", "89.50")],
        expected_tax=euros("877.99"),
        expected_total=euros("5498.99"),
        comment="Quote 00001001",
    )
    return msgspec.structs.replace(draft, **changes)


def line(sku: str, quantity: str, price: str) -> ErpOrderLine:
    return ErpOrderLine(sku=sku, description=sku, quantity=quantity, net_unit_price=euros(price))


def order_id() -> str:
    return f"ord-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def rest(books: Books) -> RestClient:
    """The ERP seen past the adapter."""
    return books.client("nordwind", "NW-DE")


@pytest_asyncio.fixture
async def acme(erp: Tryton) -> Customer:
    found = await erp.find_customer(ACME)
    assert found is not None
    return found


def sales(rest: RestClient, reference: str) -> list[dict[str, Any]]:
    return rest.search("sale.sale", [["reference", "=", reference]], ["state", "lines.quantity", "total_amount"])
