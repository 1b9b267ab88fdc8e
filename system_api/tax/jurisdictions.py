"""Tax from a table of jurisdictions: enough for a group that sells in a few places, and for tests.

    [[jurisdiction]]
    code = "EU-REVERSE-CHARGE"
    name = "Reverse charge, Art. 196 VAT Directive"
    seller = "DE"            # ISO 3166-1
    buyer = "EU"             # a country, or EU for any member state but the seller's own
    region = "CA"            # where the buyer's subdivision matters
    postal_codes = ["35"]    # where the beginning of the buyer's postal code matters
    needs_vat_id = true      # the buyer must have a VAT id of a member state other than the seller's
    rate = "0"

The first row that fits wins. Territories of member states outside the union's VAT area (the Canary Islands, Livigno,
Åland, …; system_api/vendor/vat.py) are neither the union nor, for tax, their country: only rows that name their postal
codes or region fit there.
"""

import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from shared.canonical import Money, TaxCalculation, TaxedLine, TaxRequest
from shared.canonical.wire import CountryCode
from shared.problem import Fault, Rejected, Unavailable
from system_api.connections import ConnectionsError, JurisdictionsConnection
from system_api.vendor.decimals import plain
from system_api.vendor.findings import Finding, Findings
from system_api.vendor.vat import MEMBER_STATES, is_northern_ireland, member_state_of, outside_vat_area

_Rate = Annotated[str, Meta(pattern=r"^(0|0?\.[0-9]{1,6}|0\.[0-9]{1,6}|1)$")]


class Jurisdiction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row of the table. `rate` is a fraction of one."""

    code: Annotated[str, Meta(min_length=1, max_length=64)]
    name: str
    seller: CountryCode
    buyer: CountryCode
    rate: _Rate
    region: str | None = None
    postal_codes: list[Annotated[str, Meta(min_length=1, max_length=20)]] = []
    needs_vat_id: bool = False


class _Table(msgspec.Struct, frozen=True):
    jurisdiction: Annotated[list[Jurisdiction], Meta(min_length=1)]


class Jurisdictions:
    """A table's rules for a tenant's legal entities. Implements `system_api.tax.contract.Tax`.

    Raises ConnectionsError if the table cannot be read.
    """

    def __init__(self, connection: JurisdictionsConnection) -> None:
        self._sellers = connection.sellers
        self._rows = _load(connection.table)

    def tax_codes(self, legal_entity: str) -> list[str]:
        """Return the codes of the rows for the country that the legal entity is established in."""
        seller = self._sellers.get(legal_entity)
        return list(dict.fromkeys(row.code for row in self._rows if row.seller == seller))

    async def check(self) -> list[Finding]:
        """Return a finding for each legal entity that no row of the table covers."""
        findings = Findings()
        for legal_entity, country in self._sellers.items():
            if not self.tax_codes(legal_entity):
                findings.lacks(f"The table has no row for sales of {legal_entity}, which is established in {country}.")
        return findings.found

    async def calculate(self, request: TaxRequest) -> TaxCalculation:
        """Return the tax of each line, rounded per line.

        Raises Rejected (`no_tax_jurisdiction`) if no row fits, and Unavailable (`seller_unknown`) if the connection
        does not say where the legal entity is established.
        """
        row = self._row_for(request)
        rate = Decimal(row.rate)
        lines = [
            TaxedLine(line_id=line.line_id, net=line.net, tax=Money.of(line.net.value * rate, line.net.currency))
            for line in request.lines
        ]
        currencies = {line.net.currency for line in request.lines}
        if len(currencies) > 1:
            raise Rejected(
                f"The lines are in {' and '.join(sorted(currencies))}; tax is calculated in one currency at a time.",
                reason_code="mixed_currencies",
            )
        taxes = (line.tax.value for line in lines if line.tax is not None)
        return TaxCalculation(
            tax_code=row.code,
            jurisdiction=row.name,
            percent=plain(rate * 100),
            lines=lines,
            total=Money.of(sum(taxes, Decimal(0)), currencies.pop()),
        )

    def _row_for(self, request: TaxRequest) -> Jurisdiction:
        seller = self._sellers.get(request.legal_entity)
        if seller is None:
            raise Unavailable(
                f"It is not known where {request.legal_entity} is established, so no tax can be calculated.",
                reason_code="seller_unknown",
                what_to_do=f"Add {request.legal_entity} to the tax connection's sellers, with the code of its country.",
            )
        buyer = request.buyer
        territory = outside_vat_area(buyer.country, buyer.postal_code, buyer.region, buyer.city)
        without_vat_id = False
        for row in self._rows:
            if not _place_fits(row, seller, request, in_union=territory is None):
                continue
            if row.needs_vat_id and member_state_of(request.buyer_vat_id, buyer.country) in {None, seller}:
                without_vat_id = True
                continue
            return row
        place = "-".join(part for part in (buyer.country, buyer.region) if part)
        lacking = ": the buyer has no VAT id of another member state" if without_vat_id else ""
        about = "/buyerVatId" if without_vat_id else "/buyer"
        if territory is not None:
            lacking = f": {territory} (postal code {buyer.postal_code}) is outside the European Union's VAT area"
        elif is_northern_ireland(buyer.country, buyer.postal_code):
            lacking = ": in Northern Ireland the union's VAT rules hold for goods only"
        elif not buyer.region and any(
            row.region is not None and row.seller == seller and row.buyer == buyer.country for row in self._rows
        ):
            lacking, about = ": the buyer's address has no state. Complete it", "/buyer/region"
        said = f"No tax jurisdiction fits a sale from {seller} to {place}{lacking}."
        error = Rejected(said, reason_code="no_tax_jurisdiction")
        error.faults = [Fault(pointer=about, detail=said)]
        raise error


def _place_fits(row: Jurisdiction, seller: str, request: TaxRequest, *, in_union: bool) -> bool:
    country, postal_code = request.buyer.country, "".join(request.buyer.postal_code.split())
    to_union = row.buyer == "EU" and country in MEMBER_STATES and country != seller
    names_the_place = bool(row.postal_codes) or row.region is not None
    return (
        row.seller == seller
        and (to_union or row.buyer == country)
        and (in_union or (names_the_place and row.buyer == country))
        and (row.region is None or row.region == request.buyer.region)
        and (not row.postal_codes or postal_code.startswith(tuple(row.postal_codes)))
    )


def _load(path: Path) -> list[Jurisdiction]:
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), _Table).jurisdiction
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ConnectionsError([f"The table of tax jurisdictions {path} cannot be used: {error}."]) from error
