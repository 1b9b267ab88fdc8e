"""The `Stripe-Version` header: which versions the sandbox speaks."""

from __future__ import annotations

import re

from sandbox.vendors.stripe.wire.errors import invalid

# The version that the account is pinned to: it answers requests without the header, and shapes events.
DEFAULT = "2026-10-28.endive"
# Periods moved to subscription items, and taxes, pricing and parents got their present shape, with this release.
OLDEST = "2025-03-31.basil"
# From this release on a new subscription is in flexible billing mode unless it says otherwise.
FLEXIBLE_BILLING_DEFAULT = "2025-09-30.clover"

_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(\.[a-z]+)?")


def negotiate(header: str | None) -> str:
    """Return the version to answer in.

    Raises StripeError (400) for a version that is malformed, or older than the shapes the sandbox knows: an answer in
    another shape than the one asked for would be a lie.
    """
    if header is None:
        return DEFAULT
    if not _VERSION.fullmatch(header):
        raise invalid(f"Invalid Stripe API version: {header}")
    if header < OLDEST[:10]:
        raise invalid(f"Invalid Stripe API version: {header}. The sandbox speaks {OLDEST} and later.")
    return header


def flexible_by_default(version: str) -> bool:
    """Return whether subscriptions made under this version are in flexible billing mode by default."""
    return version >= FLEXIBLE_BILLING_DEFAULT[:10]
