"""The contract of an ERP adapter."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from shared.canonical import (
    CreditStatus,
    Customer,
    CustomerDraft,
    CustomerEntry,
    ErpOrder,
    ErpOrderDraft,
    InvoicePage,
    Money,
    OrderCheck,
    OrderFindings,
)
from shared.canonical.money import minor_units
from system_api.vendor.findings import Finding


@dataclass(frozen=True)
class SoldProduct:
    """How an ERP sells a product: its list price, and the decimals that its unit allows in a quantity.

    `quantity_digits` is None if the ERP sets no limit.
    """

    price: Money
    quantity_digits: int | None = None


class Erp(Protocol):
    """One legal entity's books in an ERP.

    Every method may raise Rejected (the ERP said no; nothing happened), Unavailable (known not done) or, where it
    writes, OutcomeUnknown (sent, no trustworthy answer). External ids are ours and deterministic; every create searches
    for them first, so that calling it again never makes a second record.

    One Rejected is different: `read_back_mismatch` means that the ERP created a record that, read back, is not what was
    ordered. It exists until the saga's undo, registered before the step, cancels it.
    """

    async def check(self, tax_codes: Sequence[str]) -> list[Finding]:
        """Return what the ERP lacks for Quoteway; `tax_codes` are those that orders may have."""

    async def ready(self) -> str | None:
        """Return None if the ERP answers with our credentials, else one sentence about what is missing."""

    async def find_customer(self, account_id: str) -> Customer | None:
        """Return the customer linked to that account, active or not, or None; for a merged one, its successor."""

    async def ensure_customer(self, draft: CustomerDraft) -> Customer:
        """Return the customer linked to that account, updated from the CRM; create it if there is none (`created`).

        The draft's `known_vendor_id` comes first, then the account's id in every spelling, blocked and merged customers
        included; nothing is created before all that is checked. Raises Rejected (`customer_blocked`) if the ERP has
        deactivated the customer, and NeedsDecision if others may be it (`customer_ambiguous`) or the known one no
        longer exists (`customer_gone`). Only what the CRM masters is changed: name and invoice address. A missing tax
        id is added; Rejected (`tax_id_differs`) is raised if the customer has another one of the same register.
        """

    async def customer_candidates(self, draft: CustomerDraft) -> list[CustomerEntry]:
        """Return the customers that may be that account, the likeliest first."""

    async def find_customer_entry(self, vendor_id: str) -> CustomerEntry | None:
        """Return the customer of that id, described so that a person recognises it, active or not; None if absent."""

    async def check_order(self, check: OrderCheck) -> OrderFindings:
        """What would be refused of this order, and of its customer, once they are written. Reads only."""

    async def check_credit(self, account_id: str, amount: Money) -> CreditStatus | None:
        """Return whether `amount` more fits under the customer's limit; None if the ERP has no such customer."""

    async def list_prices(self, skus: list[str], currency: str) -> dict[str, SoldProduct]:
        """Return the list price and unit of each of `skus` that this legal entity sells in `currency`."""

    async def create_order(self, external_id: str, draft: ErpOrderDraft) -> ErpOrder:
        """Book the order as a quotation, read it back and compare line count, net amount and, except for rounding, tax.

        Raises Rejected with reason code `read_back_mismatch` if they differ, `already_cancelled` if the external id was
        cancelled before and cannot be used again.
        """

    async def find_order(self, external_id: str) -> ErpOrder:
        """Return the order under that external id; state `absent` if there is none."""

    async def confirm_order(self, external_id: str) -> ErpOrder:
        """Confirm the quotation. A confirmed order is left alone."""

    async def cancel_order(self, external_id: str, *, keep: str | None = None) -> ErpOrder:
        """Cancel every order under that external id except the one whose vendor id is `keep`.

        Absent and cancelled orders are left alone. The answer names what was cancelled.
        """

    async def list_invoices(self, account_id: str, *, open_only: bool, limit: int, cursor: str | None) -> InvoicePage:
        """Return the customer's invoices, newest first; an empty page if the ERP has no such customer."""


def tax_rounding(draft: ErpOrderDraft) -> Decimal:
    """Return how far an ERP's tax may differ from ours: one minor unit for each line.

    ERPs round per line or per document, half up or half to even; the law allows each, so all of them must pass.
    """
    return Decimal(len(draft.lines)).scaleb(-minor_units(draft.currency))
