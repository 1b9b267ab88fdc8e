"""Disputes: a charge that its card's holder calls wrong.

Source: Stripe's "How disputes work" and "Testing", "Disputes": test cards that dispute at once, and evidence that wins
or loses (`winning_evidence`, `losing_evidence` as `uncategorized_text`). Nobody answers within seven days: it is lost.
"""

from __future__ import annotations

from sandbox.vendors.stripe.account import Account
from sandbox.vendors.stripe.customers.test_cards import Dispute
from sandbox.vendors.stripe.gateway.listing import CREATED, PAGE, list_records
from sandbox.vendors.stripe.gateway.operation import Call, Operation
from sandbox.vendors.stripe.payments import ledger
from sandbox.vendors.stripe.store import Record, new_id
from sandbox.vendors.stripe.wire.errors import invalid
from sandbox.vendors.stripe.wire.params import Boolean, Fields, Hash, Metadata, Text, merge_metadata

_EVIDENCE_TEXTS = (
    "access_activity_log", "billing_address", "cancellation_policy", "cancellation_policy_disclosure",
    "cancellation_rebuttal", "customer_communication", "customer_email_address", "customer_name",
    "customer_purchase_ip", "customer_signature", "duplicate_charge_documentation", "duplicate_charge_explanation",
    "duplicate_charge_id", "product_description", "receipt", "refund_policy", "refund_policy_disclosure",
    "refund_refusal_explanation", "service_date", "service_documentation", "shipping_address", "shipping_carrier",
    "shipping_date", "shipping_documentation", "shipping_tracking_number", "uncategorized_file", "uncategorized_text",
)  # fmt: skip
_ANSWERED_WITHIN_S = 7 * 86_400
_OPEN = frozenset({"needs_response", "under_review", "warning_needs_response", "warning_under_review"})
_ENDS = {"winning_evidence": "won", "losing_evidence": "lost"}


def open_dispute(account: Account, charge: Record, kind: Dispute) -> Record:
    """Dispute a charge: its money and a fee are withdrawn, unless it is only an inquiry."""
    now = account.now(charge["_test_clock"])
    dispute = account.new(
        "dispute",
        new_id("du"),
        on_clock=charge["_test_clock"],
        amount=charge["amount"],
        balance_transactions=[],
        charge=charge["id"],
        currency=charge["currency"],
        enhanced_eligibility_types=[],
        evidence=dict.fromkeys(_EVIDENCE_TEXTS) | {"enhanced_evidence": {}},
        evidence_details={
            "due_by": now + _ANSWERED_WITHIN_S,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
            "submission_method": "not_submitted",
        },
        is_charge_refundable=kind.inquiry,
        metadata={},
        network_reason_code=kind.network_reason_code,
        payment_intent=charge["payment_intent"],
        payment_method_details={
            "card": {
                "brand": charge["payment_method_details"]["card"]["brand"],
                "network": charge["payment_method_details"]["card"]["network"],
                "case_type": "inquiry" if kind.inquiry else "chargeback",
                "network_reason_code": kind.network_reason_code,
            },
            "type": "card",
        },
        reason=kind.reason,
        status="warning_needs_response" if kind.inquiry else "needs_response",
    )
    dispute |= {"_test_clock": charge["_test_clock"], "_inquiry": kind.inquiry}
    charge |= {"disputed": True, "_funds_withdrawn": not kind.inquiry}
    account.store.put(charge)
    account.store.put(dispute)
    account.emit("charge.dispute.created", dispute)
    if not kind.inquiry:
        _move(account, dispute, -1)
    return dispute


def _move(account: Account, dispute: Record, sign: int) -> None:
    booked = ledger.book(
        account,
        "adjustment",
        sign * dispute["amount"],
        dispute["currency"],
        dispute["id"],
        fee=ledger.DISPUTE_FEE if sign < 0 else 0,
        category="dispute" if sign < 0 else "dispute_reversal",
        description=f"Chargeback {'withdrawal' if sign < 0 else 'reversal'} for {dispute['charge']}",
    )
    dispute["balance_transactions"].append(account.shown(booked))
    account.store.put(dispute)
    account.emit(f"charge.dispute.funds_{'withdrawn' if sign < 0 else 'reinstated'}", dispute)


def end_dispute(account: Account, dispute: Record, outcome: str) -> Record:
    """Close a dispute: `won` gives the money back, `lost` does not; an inquiry is only closed."""
    dispute["status"] = "warning_closed" if dispute["_inquiry"] else outcome
    account.store.put(dispute)
    account.emit("charge.dispute.closed", dispute)
    if dispute["_inquiry"] and outcome == "won":
        charge = account.fetch("charge", dispute["charge"])
        account.store.put(charge | {"disputed": False})
    elif outcome == "won":
        charge = account.fetch("charge", dispute["charge"])
        account.store.put(charge | {"_funds_withdrawn": False})
        _move(account, dispute, 1)
    return dispute


def lapse(account: Account, dispute: Record, _: int) -> None:
    """Lose a dispute that nobody answered; work that time does."""
    dispute["evidence_details"]["past_due"] = True
    end_dispute(account, dispute, "lost")


def update(call: Call) -> Record:
    """POST /v1/disputes/{id}: evidence, which is submitted unless `submit` is false"""
    account, params, dispute = call.account, call.params, call.fetch("dispute")
    before = account.shown(dispute)
    if "metadata" in params:
        dispute["metadata"] = merge_metadata(dispute["metadata"], params["metadata"])
    if "evidence" in params:
        _refuse_closed(dispute)
        dispute["evidence"] |= params["evidence"]
        dispute["evidence_details"]["has_evidence"] = True
    if params.get("submit", "evidence" in params):
        _refuse_closed(dispute)
        details = dispute["evidence_details"]
        details |= {"submission_count": details["submission_count"] + 1, "submission_method": "manual"}
        dispute["status"] = "warning_under_review" if dispute["_inquiry"] else "under_review"
    account.store.put(dispute)
    account.emit_update("charge.dispute.updated", before, dispute)
    outcome = _ENDS.get(dispute["evidence"]["uncategorized_text"] or "")
    return end_dispute(account, dispute, outcome) if outcome and dispute["status"].endswith("under_review") else dispute


def close(call: Call) -> Record:
    """POST /v1/disputes/{id}/close: accept that it is lost"""
    dispute = call.fetch("dispute")
    _refuse_closed(dispute)
    return end_dispute(call.account, dispute, "lost")


def _refuse_closed(dispute: Record) -> None:
    if dispute["status"] not in _OPEN:
        raise invalid("This dispute is already closed", code="dispute_already_closed")


_EVIDENCE: Fields = {name: Text(unset=True, chars_max=20_000) for name in _EVIDENCE_TEXTS}
OPERATIONS = (
    Operation(
        "GET",
        "/v1/disputes",
        lambda call: list_records(call, "dispute", scoped=True),
        {**PAGE, **CREATED, "charge": Text(), "payment_intent": Text()},
    ),
    Operation("GET", "/v1/disputes/{id}", lambda call: call.fetch("dispute")),
    Operation(
        "POST",
        "/v1/disputes/{id}",
        update,
        {"evidence": Hash(fields=_EVIDENCE), "metadata": Metadata(), "submit": Boolean()},
    ),
    Operation("POST", "/v1/disputes/{id}/close", close),
)
