"""Missing set-up in the ERP is no business "no": the order waits for the integration team, with instructions.

The real Tryton's set-up is removed as an administrator could, so that the messages are its own.
"""

import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from sandbox.vendors.tryton.rest import RestClient, RestError
from sandbox.vendors.tryton.rpc import TrytonSession
from sandbox.vendors.tryton.server import TrytonServer
from shared.canonical import Address, Customer
from shared.problem import Rejected, Unavailable
from system_api.erp.tryton.adapter import Tryton
from system_api.erp.tryton.errors import meaning_of
from system_api.vendor.meaning import refusal
from tests.system_api.erp.conftest import Books, connection_of, tryton_connection
from tests.system_api.erp.drafts import ACME, hardware, new_customer, order_id
from tests.system_api.transports import Scripted, said


@pytest_asyncio.fixture
async def real(tryton: TrytonServer) -> AsyncIterator[Tryton]:
    adapter = Tryton(connection_of(tryton, "NW-DE", "EUR"))
    yield adapter
    await adapter.close()


@pytest.fixture
def administrator(tryton: TrytonServer) -> TrytonSession:
    access = tryton.credentials
    session = TrytonSession(tryton.url, tryton.database, access.admin_login, access.admin_password)
    session.company = access.tenants["nordwind"].companies["NW-DE"]
    return session


@contextmanager
def changed(session: TrytonSession, model: str, ids: list[int], **values: Any) -> Iterator[None]:
    """Set fields of records, and afterwards what was there before."""
    before = session.read(model, ids, list(values))
    session.write(model, ids, values)
    try:
        yield
    finally:
        for record in before:
            session.write(model, [record["id"]], {name: record[name] for name in values})


def processed(rest: RestClient, sale: str | None) -> str:
    """Return what Tryton says no with when the sale is processed, which its worker does as a rule."""
    with pytest.raises(RestError) as raised:
        rest.act("sale.sale", int(sale or 0), "process")
    return str(raised.value.answer.value["message"])


def is_for_the_administrator(error: Exception, reason: str) -> bool:
    return (
        isinstance(error, Unavailable)
        and error.reason_code == reason
        and "administrator" in error.what_to_do
        and "set up" in error.detail
    )


@contextmanager
def second_warehouse(session: TrytonSession) -> Iterator[str]:
    """A second warehouse while it lasts, by its name."""
    first = session.find("stock.location", ["type", "=", "warehouse"])
    name = f"Hall {uuid.uuid4().hex[:8]}"
    made: list[int] = session.call("model.stock.location.copy", [first], {"company": session.company})
    session.write("stock.location", made, {"name": name})
    try:
        yield name
    finally:
        session.write("stock.location", made, {"active": False})


async def test_a_second_warehouse_is_no_refusal_of_the_order(real: Tryton, administrator: TrytonSession) -> None:
    acme = await real.find_customer(ACME)
    assert acme is not None
    with second_warehouse(administrator), pytest.raises(Unavailable, match="several warehouses") as raised:
        await real.create_order(order_id(), hardware(acme.vendor_id))

    assert is_for_the_administrator(raised.value, "missing_warehouse")
    assert "you must enter a warehouse" in (raised.value.vendor_said or "")


async def test_orders_are_shipped_from_the_warehouse_that_the_connection_names(
    tryton: TrytonServer, administrator: TrytonSession
) -> None:
    rest, order = tryton.client("nordwind", "NW-DE"), order_id()
    with second_warehouse(administrator) as name:
        connection = connection_of(tryton, "NW-DE", "EUR")
        named, lost, silent = (
            Tryton(msgspec.structs.replace(connection, warehouse=each)) for each in (name, "Nowhere", None)
        )
        acme = await named.find_customer(ACME)
        assert acme is not None
        await named.create_order(order, hardware(acme.vendor_id))
        with pytest.raises(Unavailable, match="no warehouse Nowhere") as raised:
            await lost.create_order(order_id(), hardware(acme.vendor_id))
        findings = [[each.what for each in await adapter.check([])] for adapter in (named, lost, silent)]
        for adapter in (named, lost, silent):
            await adapter.close()

    assert is_for_the_administrator(raised.value, "unknown_warehouse")
    [sale] = rest.search("sale.sale", [["reference", "=", order]], ["warehouse.name", "state"])
    assert (sale["warehouse"]["name"], sale["state"]) == (name, "quotation")
    assert findings[0] == []
    assert [each.startswith("Tryton has no warehouse Nowhere") for each in findings[1]] == [True]
    assert [each.startswith("Tryton has several warehouses") for each in findings[2]] == [True]


async def test_record_missing_for_processing_is_a_fault_of_the_set_up(
    real: Tryton, tryton: TrytonServer, administrator: TrytonSession
) -> None:
    acme = await real.find_customer(ACME)
    assert acme is not None
    order, rest = order_id(), tryton.client("nordwind", "NW-DE")
    await real.create_order(order, hardware(acme.vendor_id))
    sale = (await real.confirm_order(order)).vendor_id
    categories = administrator.search("product.category", [["accounting", "=", True]])
    with changed(administrator, "account.configuration", [1], default_account_receivable=None):
        receivable = processed(rest, sale)
    with changed(administrator, "product.category", categories, account_revenue=None):
        revenue = processed(rest, sale)
    rest.act("sale.sale", int(sale or 0), "process")
    [found] = rest.search("sale.sale", [["reference", "=", order]], ["invoices.id"])
    journals = administrator.search("account.journal", [["type", "=", "revenue"]])
    administrator.write("account.journal", journals, {"active": False})
    try:
        other = order_id()
        await real.create_order(other, hardware(acme.vendor_id))
        rest.act("sale.sale", int((await real.confirm_order(other)).vendor_id or 0), "process")
        [unnamed] = rest.search("sale.sale", [["reference", "=", other]], ["invoices.id"])
        with pytest.raises(RestError) as raised:
            rest.act("account.invoice", unnamed["invoices"][0]["id"], "post")
    finally:
        administrator.write("account.journal", journals, {"active": True})
    journal = raised.value.answer.value["message"]

    assert found["invoices"]
    reasons = [meaning_of(sentence).reason_code for sentence in (receivable, revenue, journal)]
    assert reasons == ["missing_account", "missing_account", "missing_journal"], (receivable, revenue, journal)


@pytest.mark.parametrize(
    ("changes", "reason", "named"),
    [
        ({"tax_code": "US-CA"}, "unknown_tax", "add the tax US-CA"),
        ({"payment_terms": "Net 45"}, "unknown_payment_terms", "add the payment terms Net 45"),
    ],
)
async def test_record_missing_in_the_company_is_a_fault_of_the_set_up(
    erp: Tryton, acme_here: Customer, rest: RestClient, changes: dict[str, Any], reason: str, named: str
) -> None:
    order = order_id()

    with pytest.raises(Unavailable) as raised:
        await erp.create_order(order, hardware(acme_here.vendor_id, **changes))

    assert is_for_the_administrator(raised.value, reason)
    assert named in raised.value.what_to_do
    assert rest.search("sale.sale", [["reference", "=", order]], ["id"]) == []


@pytest_asyncio.fixture
async def acme_here(erp: Tryton) -> Customer:
    found = await erp.find_customer(ACME)
    assert found is not None
    return found


async def test_missing_payment_term_for_new_customers_is_a_fault_of_the_set_up(books: Books) -> None:
    connection = msgspec.structs.replace(connection_of(books, "NW-DE", "EUR"), payment_term="Net 999")
    adapter, draft = Tryton(connection), new_customer()

    with pytest.raises(Unavailable, match="no payment terms Net 999") as raised:
        await adapter.ensure_customer(draft)

    assert is_for_the_administrator(raised.value, "unknown_payment_term")
    assert await adapter.find_customer(draft.account_id) is None
    await adapter.close()


@pytest.mark.parametrize(("there", "reason"), [(False, "no_countries"), (True, "no_states")])
async def test_erp_without_countries_or_states_is_a_fault_of_the_set_up(there: bool, reason: str) -> None:
    """Tryton's modules contain none: a script of its own imports them, which somebody must have run."""
    vendor = Scripted().on("GET", "/party.party", said(200, [])).on("GET", "/country.subdivision", said(200, []))
    vendor.on("GET", "/country.country", said(200, [{"id": 1}] if there else []))
    erp = Tryton(tryton_connection("http://tryton.test"), vendor)
    texas = Address(street="s", postal_code="1", city="Austin", country="US", region="TX")

    with pytest.raises(Unavailable) as raised:
        await erp.ensure_customer(new_customer(address=texas))

    assert is_for_the_administrator(raised.value, reason)
    await erp.close()


# Messages from Tryton's own message.xml, with their meaning.
SENTENCES = [
    ('To continue, you must create a period for the date "11/30/2026" and company "Nord".', "missing_period"),
    ('To continue, you must reopen the fiscal year "2026" of company "Nord" for the date "11".', "missing_period"),
    ('To post invoice "(7)", you must define a sequence on fiscal year "2026".', "missing_sequence"),
    ('A value is required for field "Sale Sequence" in "Sale Configuration Sequence".', "missing_sequence"),
    ('To invoice sale "5" you must configure a default account revenue.', "missing_account"),
    ('To invoice sale "5" you must define an account revenue for product "[X] Y".', "missing_account"),
    ('There is no account category defined on product "X".', "missing_account"),
    ('To reconcile lines, you must define a currency exchange journal for "Nord".', "missing_journal"),
    ('To post invoice "5", you must define a currency exchange credit account for "Nord".', "missing_account"),
    ('To process sale "5" you must set a customer location on party "Acme".', "missing_location"),
    ('To compute terms, you must append a remainder line on payment term "Net".', "payment_term_incomplete"),
    ('No rate found for currency "USD" on "11/30/2026".', "missing_rate"),
    ('A value is required for field "Cost Centre" in "Sale".', "required_field_missing"),
    ("The VIES service is unavailable, try again later.", "tax_id_check_unavailable"),
]
REFUSALS = [
    ('To get a quote for sale "5" you must enter an invoice address.', "customer_without_address"),
    ('The eu_vat "ATU1" for party "Acme" is not valid.', "refused_by_erp"),
    ('The VAT numbers "ATU1" are not valid for the VIES service.', "refused_by_erp"),
    ("The code on party must be unique.", "refused_by_erp"),
]


@pytest.mark.parametrize(
    ("sentence", "reason", "family"),
    [(*each, Unavailable) for each in SENTENCES] + [(*each, Rejected) for each in REFUSALS],
)
def test_each_of_trytons_sentences_is_about_the_set_up_or_the_record(
    sentence: str, reason: str, family: type[Exception]
) -> None:
    error = refusal(meaning_of(sentence), "Tryton", code="refused_by_erp", sentence=sentence)

    assert (type(error), error.reason_code) == (family, reason)  # type: ignore[attr-defined]  # a vendor's error
