"""Finds the tax that Tryton itself would charge a customer, by the company's tax rule.

When Tryton posts an invoice, it compares the invoice's taxes with those of the rule, and asks a person if they differ.
So the rule is evaluated before anything is booked. Source: `account.tax.rule` of Tryton 8.2, read over REST: the first
line that fits the place of delivery replaces the product's tax, by another one or by none.
"""

from datetime import date
from decimal import Decimal

import msgspec

from shared.canonical import CustomerTax
from system_api.erp.tryton.errors import missing
from system_api.erp.tryton.records import COMPANY_FIELDS, CompanyRecord, Id, TrytonDate, TrytonDecimal
from system_api.erp.tryton.rest import VENDOR, TrytonRest
from system_api.vendor.decimals import plain
from system_api.vendor.replies import understanding

_LINE_FIELDS = (
    "origin_tax.name",
    "keep_origin",
    "group.id",
    "start_date",
    "end_date",
    "tax.name",
    "tax.type",
    "tax.rate",
)
# Fields of the module account_tax_rule_country, which a company may lack.
_PLACE_FIELDS = (
    *("from_country.id", "from_subdivision.id", "from_organization.id"),
    *("to_country.code", "to_subdivision.code", "to_organization.id"),
)


class _Tax(msgspec.Struct, frozen=True):
    name: str
    type: str
    rate: TrytonDecimal | None = None


class _Name(msgspec.Struct, frozen=True):
    name: str


class _Code(msgspec.Struct, frozen=True):
    code: str | None


class _Line(msgspec.Struct, frozen=True):
    tax: _Tax | None
    origin_tax: _Name | None = None
    keep_origin: bool | None = False
    group: Id | None = None
    start_date: TrytonDate | None = None
    end_date: TrytonDate | None = None
    from_country: Id | None = None
    from_subdivision: Id | None = None
    from_organization: Id | None = None
    to_country: _Code | None = None
    to_subdivision: _Code | None = None
    to_organization: Id | None = None

    @property
    def is_conditional(self) -> bool:
        """Whether it depends on more than the place of delivery: on the product's own tax, or the warehouse."""
        return self.origin_tax is not None or self.depends_on_the_unknown

    @property
    def depends_on_the_unknown(self) -> bool:
        """Whether it depends on something that an order does not have: the group of the product's tax, or the
        warehouse.
        """
        return any((self.group, self.from_country, self.from_subdivision, self.from_organization))

    @property
    def takes_tax_away(self) -> bool:
        """Whether it leaves no tax to pay."""
        rate = None if self.tax is None or self.tax.rate is None else self.tax.rate.decimal
        return not self.keep_origin and (self.tax is None or (self.tax.type == "percentage" and rate == 0))

    @property
    def is_dated(self) -> bool:
        """Whether it begins or ends on a day."""
        return self.start_date is not None or self.end_date is not None

    def holds_on(self, day: date) -> bool:
        """Return whether the line is in force on that day."""
        begins = self.start_date is None or self.start_date.iso() <= day.isoformat()
        return begins and (self.end_date is None or day.isoformat() <= self.end_date.iso())


class _Rule(msgspec.Struct, frozen=True):
    name: str
    lines: list[_Line]


class TrytonTaxRules:
    """The tax rules of one company."""

    def __init__(self, rest: TrytonRest, company: int) -> None:
        self._rest = rest
        self._company = company
        self._knows_places: bool | None = None

    async def tax(self, rule_id: int, country: str, region: str | None) -> CustomerTax | None:
        """Return what the rule charges for deliveries there; None if that depends on more than the place."""
        fields = [f"lines.{name}" for name in (*_LINE_FIELDS, *(_PLACE_FIELDS if await self._by_place() else ()))]
        found = await self._rest.search("account.tax.rule", [["id", "=", rule_id]], ["name", *fields], _Rule, limit=1)
        if not found:
            return None
        rule = found[0]
        today = await self._today() if any(line.is_dated for line in rule.lines) else date.min
        with understanding(VENDOR, writes=False):
            in_force = [line for line in rule.lines if line.holds_on(today)]
        lines = [line for line in in_force if await self._leads_to(line, country, region)]
        if lines and all(line.takes_tax_away for line in lines):
            return _exemption(rule.name, lines)
        first = lines[0] if lines else None
        if first is None or first.is_conditional or first.keep_origin:
            return None
        if first.tax is None:
            return CustomerTax(rule=rule.name, codes=[], percent="0")
        if first.tax.type != "percentage" or first.tax.rate is None:
            return None
        percent = plain(first.tax.rate.decimal * Decimal(100))
        return CustomerTax(rule=rule.name, codes=[first.tax.name], percent=percent)

    async def _today(self) -> date:
        """The day by which the company's own invoices go: a rate may change at its midnight, and not at UTC's."""
        domain = [["id", "=", self._company]]
        found = await self._rest.search("company.company", domain, COMPANY_FIELDS, CompanyRecord, limit=1)
        if not found:
            raise missing("unknown_company", str(self._company))
        return found[0].today

    async def _leads_to(self, line: _Line, country: str, region: str | None) -> bool:
        if line.to_country is not None and line.to_country.code != country:
            return False
        if line.to_subdivision is not None and line.to_subdivision.code != f"{country}-{region}":
            return False
        return line.to_organization is None or await self._is_member(country, line.to_organization.id)

    async def _is_member(self, country: str, organization: int) -> bool:
        domain = [["organization", "=", organization], ["country.code", "=", country]]
        return bool(await self._rest.search("country.organization.member", domain, ["id"], Id, limit=1))

    async def _by_place(self) -> bool:
        if self._knows_places is None:
            domain = [["model", "=", "account.tax.rule.line"], ["name", "=", "to_country"]]
            self._knows_places = bool(await self._rest.search("ir.model.field", domain, ["id"], Id, limit=1))
        return self._knows_places


def _exemption(rule: str, lines: list[_Line]) -> CustomerTax | None:
    """Return the effect of lines that all remove taxes: exemption from every tax, from some by name, or unknown."""
    if any(not line.is_conditional for line in lines):
        names = [line.tax.name for line in lines if line.tax is not None]
        return CustomerTax(rule=rule, codes=names[:1], percent="0")
    certain = [line for line in lines if line.origin_tax is not None and not line.depends_on_the_unknown]
    if not certain:
        return None
    # A replacement by a tax of another name is left to the order: one answer has one name.
    alike = [line for line in certain if line.tax == certain[0].tax]
    return CustomerTax(
        rule=rule,
        codes=[line.tax.name for line in alike[:1] if line.tax is not None],
        percent="0",
        instead_of=list(dict.fromkeys(line.origin_tax.name for line in alike if line.origin_tax is not None)),
    )
