"""The record that a subscription begins with."""

from __future__ import annotations

from sandbox.vendors.stripe.gateway.operation import Call
from sandbox.vendors.stripe.store import Record, new_id
from sandbox.vendors.stripe.wire import api_version
from sandbox.vendors.stripe.wire.params import Choice, Hash, Items

PAYMENT_SETTINGS = Hash(
    fields={
        "payment_method_types": Items(of=Choice(words=("card",)), unset=True),
        "save_default_payment_method": Choice(words=("off", "on_subscription")),
    }
)


def blank_subscription(call: Call, customer: Record, at: int) -> Record:
    """Return a subscription that is neither stored nor told; its billing mode is that of the request, or its
    version's.
    """
    default_mode = "flexible" if api_version.flexible_by_default(call.version) else "classic"
    mode = call.params.get("billing_mode", {}).get("type", default_mode)
    return call.account.new(
        "subscription",
        new_id("sub"),
        on_clock=customer["test_clock"],
        application=None,
        application_fee_percent=None,
        automatic_tax={"disabled_reason": None, "enabled": False, "liability": None},
        billing_cycle_anchor=at,
        billing_cycle_anchor_config=None,
        billing_mode={"flexible": {"proration_discounts": "included"} if mode == "flexible" else None, "type": mode},
        billing_schedules=[],
        billing_thresholds=None,
        cancel_at=None,
        cancel_at_period_end=False,
        canceled_at=None,
        cancellation_details={"comment": None, "feedback": None, "reason": None},
        collection_method="charge_automatically",
        currency="",
        customer=customer["id"],
        days_until_due=None,
        default_payment_method=None,
        default_source=None,
        default_tax_rates=[],
        description=None,
        discounts=[],
        ended_at=None,
        invoice_settings={"account_tax_ids": None, "custom_fields": None, "issuer": {"type": "self"}},
        latest_invoice=None,
        metadata={},
        next_pending_invoice_item_invoice=None,
        on_behalf_of=None,
        pause_collection=None,
        payment_settings={
            "payment_method_options": None, "payment_method_types": None, "save_default_payment_method": "off",
        },
        pending_invoice_item_interval=None,
        pending_setup_intent=None,
        pending_update=None,
        schedule=None,
        start_date=at,
        status="active",
        test_clock=customer["test_clock"],
        transfer_data=None,
        trial_end=None,
        trial_settings={"end_behavior": {"missing_payment_method": "create_invoice"}},
        trial_start=None,
    )  # fmt: skip
