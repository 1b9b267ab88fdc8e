"""What Quoteway needs of an ERP: one small contract, one file per vendor."""

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
    """How an ERP sells a product: its list price, and how many digits a quantity of its unit has behind the point.

    `quantity_digits` is None where the ERP sets no limit.
    """

    price: Money
    quantity_digits: int | None = None


class Erp(Protocol):
    """One legal entity's books.

    Every method may raise Rejected (the ERP said no; nothing happened), Unavailable (known not done) or, where it
    writes, OutcomeUnknown (sent, no trustworthy answer). External ids are ours and deterministic; every create searches
    for them first, so that calling it again never makes a second record.

    One Rejected is different: `read_back_mismatch` means that the ERP made a record which, read back, is not what was
    ordered. The record exists until the saga's undo, registered before the step, cancels it.
    """

    async def check(self, tax_codes: Sequence[str]) -> list[Finding]:
        """What the ERP lacks for Quoteway; `tax_codes` are those that orders may bear."""

    async def ready(self) -> str | None:
        """None if the ERP answers with our credentials, else one sentence about what is missing."""

    async def find_customer(self, account_id: str) -> Customer | None:
        """The customer linked to that account, active or not, or None. Of merged ones, the one they became."""

    async def ensure_customer(self, draft: CustomerDraft) -> Customer:
        """The customer linked to that account, as the CRM states it now; created where there is none (`created`).

        What the draft knows comes first (`known_vendor_id`, then the account's id in every spelling, blocked and merged
        customers too); nothing is created before all that is asked. Raises Rejected (`customer_blocked`) where the ERP
        has taken the customer out of use, and NeedsDecision where others may be it (`customer_ambiguous`) or the known
        one is gone (`customer_gone`). Only what the CRM masters is changed: name and invoice address; a tax id that it
        lacks is added, and Rejected (`tax_id_differs`) raised where it has another of the same register.
        """

    async def customer_candidates(self, draft: CustomerDraft) -> list[CustomerEntry]:
        """The customers that may be that account, the likeliest first."""

    async def find_customer_entry(self, vendor_id: str) -> CustomerEntry | None:
        """The customer of that id as a person would recognise it, active or not; None where there is none."""

    async def check_order(self, check: OrderCheck) -> OrderFindings:
        """What would be refused of this order, and of its customer, once they are written. Reads only."""

    async def check_credit(self, account_id: str, amount: Money) -> CreditStatus | None:
        """Whether `amount` more fits under the customer's limit; None where the ERP has no such customer."""

    async def list_prices(self, skus: list[str], currency: str) -> dict[str, SoldProduct]:
        """The list price and unit of each of `skus` that this legal entity sells in `currency`."""

    async def create_order(self, external_id: str, draft: ErpOrderDraft) -> ErpOrder:
        """Book the order as a quotation, read it back and compare line count, net amount and, but for rounding, tax.

        Raises Rejected with reason code `read_back_mismatch` where they differ, `already_cancelled` where the external
        id was cancelled before: it is used up.
        """

    async def find_order(self, external_id: str) -> ErpOrder:
        """The order under that external id; state `absent` where there is none."""

    async def confirm_order(self, external_id: str) -> ErpOrder:
        """Confirm the quotation. An order that is confirmed already is left alone."""

    async def cancel_order(self, external_id: str, *, keep: str | None = None) -> ErpOrder:
        """Cancel every order under that external id but the one whose vendor id is `keep`.

        What is absent or cancelled already is left alone. The answer names what was cancelled.
        """

    async def list_invoices(self, account_id: str, *, open_only: bool, limit: int, cursor: str | None) -> InvoicePage:
        """The customer's invoices, newest first; an empty page where the ERP has no such customer."""


def tax_rounding(draft: ErpOrderDraft) -> Decimal:
    """How far an ERP's tax may be from ours: one of the currency's smallest coins for each line.

    ERPs round per line or per document, half up or half to even; that is how the law lets them, and no other order.
    """
    return Decimal(len(draft.lines)).scaleb(-minor_units(draft.currency))
