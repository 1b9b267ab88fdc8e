"""The customer's purchase order number on the printed invoice, in the real Tryton."""

import base64
import io
import re
import zipfile

import pytest

from sandbox.vendors.tryton.rpc import TrytonSession
from sandbox.vendors.tryton.server import TrytonServer
from system_api.erp.tryton.adapter import Tryton
from tests.system_api.erp.conftest import connection_of
from tests.system_api.erp.drafts import ACME, hardware, order_id

NUMBER = "4500012345"


@pytest.fixture
def administrator(tryton: TrytonServer) -> TrytonSession:
    access = tryton.credentials
    session = TrytonSession(tryton.url, tryton.database, access.admin_login, access.admin_password)
    session.company = access.tenants["nordwind"].companies["NW-DE"]
    return session


def printed(administrator: TrytonSession, invoice: int) -> str:
    """Return the text of the document that Tryton prints of an invoice, without its markup."""
    context = {"company": administrator.company}
    data = {"model": "account.invoice", "id": invoice, "ids": [invoice]}
    extension, content, *_ = administrator.call("report.account.invoice.execute", [invoice], data, context)
    document = content if isinstance(content, bytes) else base64.b64decode(content["base64"])
    if extension in {"odt", "ods"}:
        document = zipfile.ZipFile(io.BytesIO(document)).read("content.xml")
    return " ".join(re.sub(r"<[^>]*>", " ", document.decode()).split())


async def test_every_line_of_the_printed_invoice_says_the_purchase_order(
    tryton: TrytonServer, administrator: TrytonSession
) -> None:
    erp, rest = Tryton(connection_of(tryton, "NW-DE", "EUR")), tryton.client("nordwind", "NW-DE")
    acme = await erp.find_customer(ACME)
    assert acme is not None
    order = order_id()
    await erp.create_order(order, hardware(acme.vendor_id, purchase_order_number=NUMBER))
    sale = int((await erp.confirm_order(order)).vendor_id or 0)
    rest.act("sale.sale", sale, "process")
    await erp.close()

    fields = ["description", "reference", "lines.description"]
    [held] = rest.search("account.invoice", [["sales.id", "=", sale]], fields)
    assert [held["description"], held["reference"]] == [None, None], "of which Tryton would print either"
    assert [each["description"] for each in held["lines"]] == [
        f"GATEWAY-EDGE\nPO {NUMBER}",
        f"SENSOR-TEMP\nPO {NUMBER}",
    ]
    assert printed(administrator, held["id"]).count(f"PO {NUMBER}") == 2
