"""Checks a Tryton company: currency, price digits, payment terms, taxes, warehouse, rights."""

from collections.abc import Awaitable, Callable, Sequence

import msgspec

from system_api.connections import TrytonConnection
from system_api.erp.tryton.rest import TrytonRest
from system_api.vendor.findings import Finding, Findings

# The models that orders read and write: our key's user must at least see each.
_MODELS = ("party.party", "product.product", "sale.sale", "account.invoice")


class _Named(msgspec.Struct, frozen=True):
    id: int
    name: str = ""


async def check_company(
    connection: TrytonConnection,
    rest: TrytonRest,
    ready: Callable[[], Awaitable[str | None]],
    tax_codes: Sequence[str],
) -> list[Finding]:
    """Return every finding at once; each part is checked even if another one failed."""
    findings = Findings()
    with findings.asking():
        missing = await ready()
        if missing is not None:
            findings.lacks(missing)
    with findings.asking():
        terms = await rest.search("account.invoice.payment_term", [], ["name"], _Named, limit=1000)
        if connection.payment_term not in {term.name for term in terms}:
            known = ", ".join(sorted(term.name for term in terms)) or "none"
            findings.lacks(
                f"Tryton has no payment term {connection.payment_term} (payment_term), which new customers get. "
                f"It has: {known}."
            )
    with findings.asking():
        domain = [["company", "=", connection.company]]
        taxes = {tax.name for tax in await rest.search("account.tax", domain, ["name"], _Named, limit=1000)}
        for code in tax_codes:
            if code not in taxes:
                findings.lacks(
                    f"Tryton's company {connection.company} has no tax named {code}, as the table of jurisdictions "
                    "calls it: an order that bears it is refused."
                )
    with findings.asking():
        domain = [["type", "=", "warehouse"]]
        there = sorted(each.name for each in await rest.search("stock.location", domain, ["name"], _Named, limit=1000))
        known = ", ".join(there) or "none"
        if connection.warehouse is None and len(there) > 1:
            findings.lacks(f"Tryton has several warehouses, and the connection names none (warehouse): {known}.")
        elif connection.warehouse not in {None, *there}:
            findings.lacks(f"Tryton has no warehouse {connection.warehouse} (warehouse). It has: {known}.")
    for model in _MODELS:
        with findings.asking():
            await rest.search(model, [], ["id"], _Named, limit=1)
    return findings.found
