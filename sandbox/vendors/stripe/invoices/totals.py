"""The arithmetic of an invoice: discounts, taxes, totals, and the customer's balance. Minor units throughout.

Every rounding is half away from zero, once per line and tax rate, and once per discount.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from sandbox.vendors.stripe.account import Account
from sandbox.vendors.stripe.catalogue.coupons import coupon_of
from sandbox.vendors.stripe.currencies import rounded, step
from sandbox.vendors.stripe.store import Record

_UNTAXED = {"exempt": "customer_exempt", "reverse": "reverse_charge"}


def line_amount(unit_amount_decimal: str, quantity: int | Decimal, currency: str) -> int:
    """Return what a quantity costs at a unit amount that may have fractions of a minor unit."""
    return rounded(Decimal(unit_amount_decimal) * quantity, step(currency))


def discounted(account: Account, amount: int, discount_ids: list[str], currency: str) -> int:
    """Return what is left of a single amount after the percentages of some discounts, each on what the one before
    left.
    """
    for discount_id in discount_ids:
        amount -= _reduction(coupon_of(account, discount_id), amount, step(currency))
    return amount


def calculate(
    account: Account, invoice: Record, take_credits: Callable[[list[Record], list[int]], None] | None = None
) -> None:
    """Fill in every amount of a draft from its lines; the invoice is not stored.

    `take_credits` lowers what is left of the lines after discounts, before they are taxed.
    """
    lines = invoice["_lines"]
    left = [_after_own_discounts(account, line) for line in lines]
    for discount_id in invoice["discounts"]:
        _spread(account, discount_id, lines, left, step(invoice["currency"]))
    if take_credits is not None:
        take_credits(lines, left)
    exempt = _UNTAXED.get(invoice["customer_tax_exempt"])
    for line, taxable in zip(lines, left, strict=True):
        own = line["_tax_rates"]
        rates = invoice["default_tax_rates"] if own is None else own
        line["taxes"] = tax_entries(account, taxable, rates, invoice["currency"], exempt)
    taxes = sum(tax["amount"] for line in lines for tax in line["taxes"])
    invoice["subtotal"] = invoice["subtotal_excluding_tax"] = sum(line["amount"] for line in lines)
    invoice["total_excluding_tax"] = sum(left)
    invoice["total"] = sum(left) + taxes
    invoice["total_discount_amounts"] = _sum_by_discount(lines)
    invoice["total_taxes"] = sum_taxes(lines)
    customer = account.fetch_live("customer", invoice["customer"])
    # The balance is in the customer's currency, and an invoice in another one leaves it alone.
    invoice["starting_balance"] = customer["balance"] if customer["currency"] in {None, invoice["currency"]} else 0
    settle_due(invoice)


def settle_due(invoice: Record) -> None:
    """Fill in what is due and what remains of it, from the total, the balance, credit notes and payments."""
    due = max(0, invoice["total"] + invoice["starting_balance"])
    invoice["amount_due"] = due - invoice["pre_payment_credit_notes_amount"]
    invoice["amount_remaining"] = max(0, invoice["amount_due"] - invoice["amount_paid"])


def sum_taxes(lines: list[Record]) -> list[Record]:
    """Return the taxes of all lines, one entry per tax rate and reason."""
    sums: dict[tuple[str, str], Record] = {}
    for line in lines:
        for tax in line["taxes"]:
            key = (tax["tax_rate_details"]["tax_rate"], tax["taxability_reason"])
            if key in sums:
                sums[key]["amount"] += tax["amount"]
                sums[key]["taxable_amount"] += tax["taxable_amount"]
            else:
                sums[key] = tax | {"tax_rate_details": dict(tax["tax_rate_details"])}
    return list(sums.values())


def tax_entries(
    account: Account, taxable: int, tax_rate_ids: list[str], currency: str, reason: str | None = None
) -> list[Record]:
    """Return the tax on one amount at each of some rates; a `reason` not to tax makes the taxes zero and is named."""
    entries = []
    for tax_rate_id in tax_rate_ids:
        percentage = Decimal(account.fetch("tax_rate", tax_rate_id)["percentage"])
        entries.append(
            {
                "amount": 0 if reason else rounded(taxable * percentage / 100, step(currency)),
                "tax_behavior": "exclusive",
                "tax_rate_details": {"tax_rate": tax_rate_id},
                "taxability_reason": reason or ("standard_rated" if percentage else "zero_rated"),
                "taxable_amount": 0 if reason else taxable,
                "type": "tax_rate_details",
            }
        )
    return entries


def _after_own_discounts(account: Account, line: Record) -> int:
    left: int = line["amount"]
    line["subtotal"] = line["amount"]
    line["discount_amounts"] = []
    if line["discountable"]:
        for discount_id in line["discounts"]:
            reduction = _reduction(coupon_of(account, discount_id), left, step(line["currency"]))
            line["discount_amounts"].append({"amount": reduction, "discount": discount_id})
            left -= reduction
    return left


def _spread(account: Account, discount_id: str, lines: list[Record], left: list[int], coin: int) -> None:
    """Take a discount on the whole invoice off the lines: rounded once, then divided by largest remainder."""
    shares = [index for index, line in enumerate(lines) if line["discountable"] and left[index] > 0]
    base = sum(left[index] for index in shares)
    whole = _reduction(coupon_of(account, discount_id), base, coin) // coin
    if not whole:
        return
    parts = {index: whole * left[index] // base for index in shares}
    by_remainder = sorted(shares, key=lambda index: (whole * left[index]) % base, reverse=True)
    for index in by_remainder[: whole - sum(parts.values())]:
        parts[index] += 1
    for index, part in parts.items():
        left[index] -= part * coin
        lines[index]["discount_amounts"].append({"amount": part * coin, "discount": discount_id})


def _reduction(coupon: Record, amount: int, coin: int) -> int:
    if amount <= 0:
        return 0
    if coupon["percent_off"] is not None:
        return rounded(amount * Decimal(coupon["percent_off"]) / 100, coin)
    return min(int(coupon["amount_off"]), amount)


def _sum_by_discount(lines: list[Record]) -> list[Record]:
    sums: dict[str, int] = {}
    for line in lines:
        for entry in line["discount_amounts"]:
            sums[entry["discount"]] = sums.get(entry["discount"], 0) + entry["amount"]
    return [{"amount": amount, "discount": discount_id} for discount_id, amount in sums.items()]
