"""The tax by the real Tryton's own rules, and the types of tax ids that it accepts."""

import uuid
from collections.abc import AsyncIterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio

from sandbox.vendors.tryton.rpc import TrytonSession
from sandbox.vendors.tryton.server import TrytonServer
from shared.canonical import Address
from shared.problem import Rejected
from system_api.erp.tryton.adapter import Tryton
from system_api.erp.tryton.rest import TrytonRest
from system_api.erp.tryton.tax_ids import compact_forms, identifier_of
from system_api.erp.tryton.tax_rules import TrytonTaxRules
from system_api.vendor.vat import tax_id_of
from tests.system_api.erp.conftest import connection_of, tryton_connection
from tests.system_api.erp.drafts import new_customer
from tests.system_api.transports import Scripted, said

WIEN = Address(street="Handelskai 94", postal_code="1200", city="Wien", country="AT")
HAMBURG = Address(street="Kai 1", postal_code="20457", city="Hamburg", country="DE")
BERN = Address(street="Gasse 1", postal_code="3000", city="Bern", country="CH")


@pytest_asyncio.fixture
async def erp(tryton: TrytonServer) -> AsyncIterator[Tryton]:
    """The German company's books."""
    adapter = Tryton(connection_of(tryton, "NW-DE", "EUR"))
    yield adapter
    await adapter.close()


@pytest.fixture
def admin(tryton: TrytonServer) -> TrytonSession:
    """A session of the administrator of the company's taxes."""
    access = tryton.credentials
    session = TrytonSession(tryton.url, tryton.database, access.admin_login, access.admin_password)
    session.company = access.tenants["nordwind"].companies["NW-DE"]
    return session


def rule(admin: TrytonSession, *lines: dict[str, Any]) -> int:
    """Return a tax rule of the company's with these lines."""
    values = {"name": "Own rule", "company": admin.company, "kind": "sale", "lines": [("create", list(lines))]}
    return admin.create_one("account.tax.rule", values)


def reduced(admin: TrytonSession) -> dict[str, Any]:
    """Return the values of a new tax of 7 %."""
    account = admin.find("account.account", ("code", "=", "2.2.3"), ("company", "=", admin.company))
    return {
        "name": f"R-{uuid.uuid4().hex[:6]}",
        "description": "7 %",
        "company": admin.company,
        "type": "percentage",
        "rate": Decimal("0.07"),
        "invoice_account": account,
        "credit_note_account": account,
    }


@pytest.mark.parametrize(
    ("address", "codes", "percent"),
    [(HAMBURG, ["DE"], "19"), (WIEN, ["EU-REVERSE-CHARGE"], "0")],
)
async def test_companys_rule_depends_on_the_place(
    erp: Tryton, address: Address, codes: list[str], percent: str
) -> None:
    customer = await erp.ensure_customer(new_customer(address=address, vat_id=None))

    assert customer.tax is not None
    assert (customer.tax.codes, customer.tax.percent) == (codes, percent)


async def test_without_a_matching_line_the_products_tax_applies(erp: Tryton) -> None:
    assert (await erp.ensure_customer(new_customer(address=BERN, vat_id=None))).tax is None


@pytest.mark.parametrize(
    ("lines", "codes", "percent"),
    [
        ([{}], [], "0"),
        ([{"origin_tax": "DE"}], [], "0"),
        ([{"tax": "EU-REVERSE-CHARGE"}], ["EU-REVERSE-CHARGE"], "0"),
        ([{"tax": "new"}], ["new"], "7"),
        ([{"to_country": "AT"}, {"tax": "new"}], ["new"], "7"),
        ([{"end_date": "past"}, {"tax": "new"}], ["new"], "7"),
        ([{"origin_tax": "DE", "tax": "new"}], None, ""),
        ([{"tax": "new", "keep_origin": True}], None, ""),
    ],
    ids=["no tax", "no tax for one", "a tax of nothing", "another", "another place", "over", "conditional", "both"],
)
async def test_customers_own_rule_applies(
    erp: Tryton, admin: TrytonSession, lines: list[dict[str, Any]], codes: list[str] | None, percent: str
) -> None:
    values = reduced(admin)
    ids = {"new": admin.create_one("account.tax", values), "past": date(2020, 1, 1)}
    for name in ("DE", "EU-REVERSE-CHARGE"):
        ids[name] = admin.find("account.tax", ("name", "=", name), ("company", "=", admin.company))
    ids["AT"] = admin.find("country.country", ("code", "=", "AT"))
    draft = new_customer(address=HAMBURG, vat_id=None)
    party = int((await erp.ensure_customer(draft)).vendor_id)
    made = rule(admin, *({name: ids.get(value, value) for name, value in line.items()} for line in lines))
    admin.write("party.party", [party], {"customer_tax_rule": made})

    tax = (await erp.ensure_customer(draft)).tax

    if codes is None:
        assert tax is None
        return
    assert tax is not None
    assert (tax.codes, tax.percent) == ([values["name"] if each == "new" else each for each in codes], percent)
    assert tax.instead_of == [line["origin_tax"] for line in lines if "origin_tax" in line]


@pytest.mark.parametrize(
    ("lines", "instead_of"),
    [
        ([{"origin_tax": "DE"}], ["DE"]),
        ([{"origin_tax": "DE"}, {}], []),
        ([{"group": 1}, {}], []),
        ([{"origin_tax": "DE"}, {"origin_tax": "DE-7"}], ["DE", "DE-7"]),
        ([{"origin_tax": "DE"}, {"origin_tax": "DE-7", "tax": "ZERO"}], ["DE"]),
        ([{"origin_tax": "DE"}, {"group": 1}], ["DE"]),
        ([{"origin_tax": "DE", "group": 1}], None),
        ([{"group": 1}], None),
        ([{"from_country": 1}], None),
        ([{"from_subdivision": 1}], None),
        ([{"from_organization": 1}], None),
    ],
)
async def test_a_rule_exempts_from_the_taxes_that_it_takes_away(
    lines: list[dict[str, Any]], instead_of: list[str] | None
) -> None:
    """An exemption from some taxes names them; one that depends on what an order lacks is none."""

    def record(line: dict[str, Any]) -> dict[str, Any]:
        taken = {"name": line.get("tax"), "type": "percentage", "rate": {"__class__": "Decimal", "decimal": "0"}}
        origin = {"name": line["origin_tax"]} if "origin_tax" in line else None
        others = {name: {"id": value} for name, value in line.items() if isinstance(value, int)}
        return {"tax": taken if "tax" in line else None, "origin_tax": origin, **others}

    told = said(200, [{"name": "Own rule", "lines": [record(line) for line in lines]}])
    vendor = Scripted().on("GET", "/account.tax.rule", told).on("GET", "/ir.model.field", said(200, [{"id": 1}]))
    rest = TrytonRest(tryton_connection("http://erp.test"), vendor)

    tax = await TrytonTaxRules(rest, 1).tax(1, "DE", None)
    await rest.close()

    assert (None if tax is None else (tax.percent, tax.instead_of)) == (
        None if instead_of is None else ("0", instead_of)
    )


@pytest.mark.parametrize(("zone", "holds"), [("Pacific/Kiritimati", True), ("Etc/GMT+12", False)])
async def test_a_rate_changes_at_midnight_of_the_company(zone: str, holds: bool) -> None:
    day = datetime.now(ZoneInfo("Pacific/Kiritimati")).date()  # never the day of a zone 26 hours behind
    begins = {"__class__": "date", "year": day.year, "month": day.month, "day": day.day}
    rate = {"__class__": "Decimal", "decimal": "0.07"}
    line = {"tax": {"name": "DE-7", "type": "percentage", "rate": rate}, "start_date": begins}
    company = {"id": 1, "currency": {"id": 1, "code": "EUR", "rounding": {"__class__": "Decimal", "decimal": "0.01"}}}
    vendor = (
        Scripted()
        .on("GET", "/account.tax.rule", said(200, [{"name": "Own rule", "lines": [line]}]))
        .on("GET", "/ir.model.field", said(200, [{"id": 1}]))
        .on("GET", "/company.company", said(200, [{**company, "timezone": zone}]))
    )
    rest = TrytonRest(tryton_connection("http://erp.test"), vendor)

    tax = await TrytonTaxRules(rest, 1).tax(1, "DE", None)
    await rest.close()

    assert (tax is not None and tax.codes == ["DE-7"]) is holds


# A tax id as it is stated, and the type and the compact code under which Tryton keeps it.
KEPT = [
    ("811193231", "DE", ("eu_vat", "DE811193231")),
    ("EL094259216", "GR", ("eu_vat", "EL094259216")),
    ("XI980780684", "GB", ("eu_vat", "XI980780684")),
    ("980780684", "GB", ("gb_vat", "980780684")),
    ("CHE-100.155.212 MWST", "CH", ("ch_vat", "CHE100155212MWST")),
    ("CHE100155212", "CH", ("ch_uid", "CHE100155212")),
    ("995525828", "NO", ("no_vat", "995525828MVA")),
    ("04-2103594", "US", ("us_ein", "042103594")),
    ("BE403019261", "BE", ("eu_vat", "BE0403019261")),
    ("NL4495445B01", "NL", ("eu_vat", "NL004495445B01")),
]


@pytest.mark.parametrize(("stated", "country", "kept"), KEPT)
def test_a_kept_tax_id_is_among_the_forms_that_are_searched(stated: str, country: str, kept: tuple[str, str]) -> None:
    found = tax_id_of(stated, country)

    assert found is not None
    assert kept[1] in compact_forms(found)


@pytest.mark.parametrize("suffix", ["", "MWST", "TVA", "IVA", "TPV"])
def test_a_swiss_number_is_searched_with_and_without_every_suffix(suffix: str) -> None:
    found = tax_id_of("CHE-107.787.577 IVA", "CH")

    assert found is not None
    assert f"CHE107787577{suffix}" in compact_forms(found)


@pytest.mark.parametrize(("stated", "country", "kept"), KEPT)
def test_each_register_has_the_type_that_tryton_takes(
    tryton: TrytonServer, stated: str, country: str, kept: tuple[str, str]
) -> None:
    identifier = identifier_of(stated, country)
    rest = tryton.client("nordwind", "NW-DE")

    assert identifier is not None
    values = {"code": f"T-{uuid.uuid4().hex}", "name": "T", "identifiers": [["create", [identifier]]]}
    party = rest.create("party.party", values, ["identifiers.type", "identifiers.code_compact"])
    assert [(each["type"], each["code_compact"]) for each in party["identifiers"]] == [kept]


async def test_a_number_that_the_register_cannot_have_is_refused(erp: Tryton) -> None:
    with pytest.raises(Rejected):
        await erp.ensure_customer(new_customer(vat_id="DE811193232"))
