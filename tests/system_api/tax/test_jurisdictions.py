"""Tax from the table of jurisdictions that the sandbox ships."""

from pathlib import Path
from typing import Any

import pytest

from shared.canonical import TaxRequest
from shared.problem import Rejected, Unavailable
from system_api.connections import ConnectionsError
from system_api.tax.jurisdictions import Jurisdictions
from tests.system_api.tax.contract import sale
from tests.system_api.tax.tables import connection


@pytest.fixture
def tax() -> Jurisdictions:
    return Jurisdictions(connection(Path("sandbox/data/taxes.toml")))


@pytest.mark.parametrize(
    ("asked", "code", "percent", "total"),
    [
        (sale("100.00"), "DE", "19", "19.00"),
        (sale("100.00", country="AT", vat_id="ATU13585627"), "EU-REVERSE-CHARGE", "0", "0.00"),
        (sale("100.00", country="AT", vat_id="nl 123.456.789 B01"), "EU-REVERSE-CHARGE", "0", "0.00"),
        (sale("100.00", country="GR", vat_id="EL094259216"), "EU-REVERSE-CHARGE", "0", "0.00"),
        (sale("1590.00", seller="NW-US", currency="USD", country="US", region="CA"), "US-CA", "7.25", "115.28"),
        (sale("100.00", seller="NW-US", currency="USD", country="US", region="OR"), "US-NONE", "0", "0.00"),
    ],
)
async def test_the_first_rule_that_fits_is_owed(
    tax: Jurisdictions, asked: TaxRequest, code: str, percent: str, total: str
) -> None:
    calculation = await tax.calculate(asked)

    assert (calculation.tax_code, calculation.percent, calculation.total.amount) == (code, percent, total)


async def test_a_row_that_names_the_place_fits_outside_the_vat_area(write_file: Any) -> None:
    row = '[[jurisdiction]]\ncode="{}"\nname="n"\nseller="DE"\nbuyer="{}"\nrate="{}"\n{}'
    table = "\n".join(
        [
            row.format("EU", "EU", "0", ""),
            row.format("ES", "ES", "0.21", ""),
            row.format("IC", "ES", "0", 'postal_codes = ["35", "38"]'),
        ]
    )
    tax = Jurisdictions(connection(write_file("taxes.toml", table)))

    islands = await tax.calculate(sale("1.00", country="ES", postal_code="35 001", city="Las Palmas"))
    madrid = await tax.calculate(sale("1.00", country="ES", postal_code="28001", city="Madrid"))

    assert (islands.tax_code, madrid.tax_code) == ("IC", "EU")


@pytest.mark.parametrize(
    ("asked", "said_so"),
    [
        (sale("1.00", country="AT"), "from DE to AT: the buyer has no VAT id of another member state"),
        (sale("1.00", country="AT", vat_id="DE811193231"), "the buyer has no VAT id of another member state"),
        (sale("1.00", country="AT", vat_id="12345"), "the buyer has no VAT id of another member state"),
        (sale("1.00", country="CH", vat_id="CHE123456789"), "from DE to CH."),
        (
            sale("1.00", country="ES", postal_code="35001", city="Las Palmas", vat_id="ESA12345674"),
            "from DE to ES: the Canary Islands (postal code 35001) is outside the European Union's VAT area",
        ),
        (sale("1.00", postal_code="78266", city="Büsingen"), "Büsingen (postal code 78266) is outside"),
        (
            sale("1.00", country="GB", postal_code="BT1 1AA"),
            "in Northern Ireland the union's VAT rules hold for goods",
        ),
        (sale("1.00", seller="NW-US", country="US", region="TX"), "from US to US-TX."),
        (sale("1.00", seller="NW-US", country="US"), "from US to US: the buyer's address has no state."),
    ],
)
async def test_a_sale_that_no_rule_covers_is_refused(tax: Jurisdictions, asked: TaxRequest, said_so: str) -> None:
    with pytest.raises(Rejected) as raised:
        await tax.calculate(asked)

    assert raised.value.reason_code == "no_tax_jurisdiction"
    assert said_so in raised.value.detail


async def test_legal_entity_of_unknown_country_is_a_fault_of_the_set_up(tax: Jurisdictions) -> None:
    with pytest.raises(Unavailable, match="It is not known where NW-FR is established") as raised:
        await tax.calculate(sale("1.00", seller="NW-FR"))

    assert raised.value.reason_code == "seller_unknown"
    assert "Add NW-FR to the tax connection's sellers" in raised.value.what_to_do


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[[jurisdiction]]",
        "not toml",
        '[[jurisdiction]]\ncode="A"\nname="A"\nseller="DE"\nbuyer="DE"\nrate="19"',
        '[[jurisdiction]]\ncode="A"\nname="A"\nseller="DE"\nbuyer="DE"\nrate="0.19"\nneeds_vat="yes"',
    ],
)
def test_a_table_that_cannot_be_used_is_refused_at_start(write_file: Any, content: str) -> None:
    with pytest.raises(ConnectionsError, match=r"table of tax jurisdictions .* cannot be used"):
        Jurisdictions(connection(write_file("taxes.toml", content)))


def test_a_table_that_is_not_there_is_refused_at_start(tmp_path: Path) -> None:
    with pytest.raises(ConnectionsError, match="cannot be used"):
        Jurisdictions(connection(tmp_path / "none.toml"))
