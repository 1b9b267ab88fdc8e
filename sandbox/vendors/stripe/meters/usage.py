"""What metered subscription items charge: in arrears, for the usage of the period that ended.

Stripe leaves a renewal's draft open to late events until it is finalized; the sandbox counts when the period ends.
"""

from __future__ import annotations

from sandbox.vendors.stripe.account import Account
from sandbox.vendors.stripe.invoices.drafts import subscription_line
from sandbox.vendors.stripe.meters.events import usage
from sandbox.vendors.stripe.store import Record


def usage_lines(account: Account, subscription: Record, items: list[Record], until: int) -> list[Record]:
    """Return a line for the usage of each metered item, from the beginning of its period."""
    lines = []
    for item in items:
        price = account.fetch("price", item["price"])
        if price["recurring"]["usage_type"] != "metered":
            continue
        meter = account.fetch("billing.meter", price["recurring"]["meter"])
        start, end = item["current_period_start"], min(until, item["current_period_end"])
        # A period that is cut short ends with this second, in which something may have been used.
        cut_short = end < item["current_period_end"]
        counted = usage(account, meter, subscription["customer"], start, end + cut_short)
        lines.append(subscription_line(account, subscription, item, start, end, counted))
    return lines
