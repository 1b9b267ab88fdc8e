"""Stripe's test cards, and what each of them does.

Source: Stripe's "Testing" (docs.stripe.com/testing): the sections on declined payments, disputes, refunds, available
balance and 3D Secure. A card is named by its token (`tok_visa`), its payment method (`pm_card_visa`) or its number.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Decline:
    """Why a card refuses: the error's code, its decline code, and its words."""

    code: str
    decline_code: str
    message: str


@dataclass(frozen=True)
class Dispute:
    """What a card's holder does after paying: the reason given, and whether it is only an inquiry."""

    reason: str
    network_reason_code: str
    inquiry: bool = False


@dataclass(frozen=True)
class TestCard:
    """One test card."""

    __test__ = False  # pytest takes a class that begins with Test for one of its own

    brand: str
    number: str
    decline: Decline | None = None
    dispute: Dispute | None = None
    refund: str = "succeeded"
    available_at_once: bool = False

    @property
    def last4(self) -> str:
        """The last digits, by which a card is shown."""
        return self.number[-4:]


_GENERIC = Decline("card_declined", "generic_decline", "Your card was declined.")

CARDS: dict[str, TestCard] = {
    "visa": TestCard("visa", "4242424242424242"),
    "mastercard": TestCard("mastercard", "5555555555554444"),
    "bypassPending": TestCard("visa", "4000000000000077", available_at_once=True),
    "chargeDeclined": TestCard("visa", "4000000000000002", _GENERIC),
    "chargeCustomerFail": TestCard("visa", "4000000000000341", _GENERIC),
    "chargeDeclinedInsufficientFunds": TestCard(
        "visa",
        "4000000000009995",
        Decline("card_declined", "insufficient_funds", "Your card has insufficient funds."),
    ),
    "chargeDeclinedLostCard": TestCard(
        "visa", "4000000000009987", Decline("card_declined", "lost_card", "Your card was declined.")
    ),
    "chargeDeclinedExpiredCard": TestCard(
        "visa", "4000000000000069", Decline("expired_card", "expired_card", "Your card has expired.")
    ),
    "chargeDeclinedProcessingError": TestCard(
        "visa",
        "4000000000000119",
        Decline(
            "processing_error",
            "processing_error",
            "An error occurred while processing your card. Try again in a little bit.",
        ),
    ),
    "authenticationRequired": TestCard(
        "visa",
        "4000002760003184",
        Decline(
            "authentication_required",
            "authentication_required",
            "Your card was declined. This transaction requires authentication.",
        ),
    ),
    "createDispute": TestCard("visa", "4000000000000259", dispute=Dispute("fraudulent", "10.4")),
    "createDisputeProductNotReceived": TestCard(
        "visa", "4000000000002685", dispute=Dispute("product_not_received", "13.1")
    ),
    "createDisputeInquiry": TestCard("visa", "4000000000001976", dispute=Dispute("fraudulent", "10.4", inquiry=True)),
    "pendingRefund": TestCard("visa", "4000000000007726", refund="pending"),
    "refundFail": TestCard("visa", "4000000000005126", refund="fails"),
}
BY_NUMBER = {card.number: name for name, card in CARDS.items()}
