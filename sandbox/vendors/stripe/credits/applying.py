"""Credits on an invoice: taken off what metered prices charge when it is finalized, and given back when it is voided.

Source: Stripe's "Billing credits" (which grants go first), and its API reference, "Invoice", `pretax_credit_amounts`:
before taxes. That they come after discounts is assumed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.vendors.stripe.account import Account
from sandbox.vendors.stripe.credits.ledger import GRANT, TRANSACTION, applies_to, available, enter
from sandbox.vendors.stripe.store import Record, new_id

_NEVER = 1 << 62


class CreditsForInvoice:
    """What a draft takes of its customer's credits; nothing is booked before it is finalized."""

    def __init__(self, account: Account, invoice: Record) -> None:
        self._account = account
        self._invoice = invoice
        self._taken: list[tuple[Record, str, str, int]] = []

    def take(self, lines: list[Record], left: list[int]) -> None:
        """Lower what is left of each metered line by what grants have for it, and say so on line and invoice."""
        grants = sorted(self._account.store.scan(GRANT, customer=self._invoice["customer"]), key=_order)
        usable = {grant["id"]: available(self._account, grant) for grant in grants}
        for index, line in enumerate(lines):
            line["pretax_credit_amounts"] = []
            price = self._price_of(line)
            for grant in grants if price is not None else ():
                same = grant["amount"]["monetary"]["currency"] == line["currency"]
                part = min(usable[grant["id"]], left[index]) if same and applies_to(grant, price or {}) else 0
                if part > 0:
                    transaction = new_id("cbtxn")
                    self._taken.append((dict(grant), line["id"], transaction, part))
                    line["pretax_credit_amounts"].append(_amount(transaction, part))
                    usable[grant["id"]] -= part
                    left[index] -= part
        self._invoice["total_pretax_credit_amounts"] = [_amount(each[2], each[3]) for each in self._taken]

    def book(self) -> None:
        """Enter what was taken into the grants' ledgers."""
        for grant, line, transaction, part in self._taken:
            details = {"invoice": self._invoice["id"], "invoice_line_item": line}
            enter(self._account, grant, "credits_applied", part, details, id_=transaction)

    def _price_of(self, line: Mapping[str, Any]) -> Mapping[str, Any] | None:
        details = (line.get("pricing") or {}).get("price_details")
        return self._account.store.get("price", details["price"]) if details else None


def give_back(account: Account, invoice: Mapping[str, Any]) -> None:
    """Reinstate what a voided invoice had taken."""
    for entry in invoice["total_pretax_credit_amounts"]:
        move = account.fetch(TRANSACTION, entry["credit_balance_transaction"])
        grant, details = account.fetch(GRANT, move["credit_grant"]), move["debit"]["credits_applied"]
        enter(account, grant, "credits_application_invoice_voided", entry["amount"], dict(details))


def _order(grant: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return which grants are used up first: by priority, then what expires soonest, what was given for free, the
    oldest.
    """
    expires = _NEVER if grant["expires_at"] is None else grant["expires_at"]
    return grant["priority"], expires, grant["category"] != "promotional", grant["effective_at"], grant["created"]


def _amount(transaction: str, amount: int) -> Record:
    return {
        "amount": amount,
        "credit_balance_transaction": transaction,
        "discount": None,
        "type": "credit_balance_transaction",
    }
