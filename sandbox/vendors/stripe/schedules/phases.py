"""The phases of a subscription schedule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.vendors.stripe.account import Account
from sandbox.vendors.stripe.catalogue.coupons import DISCOUNTS
from sandbox.vendors.stripe.catalogue.prices import INTERVALS, RECURRING_DATA, inline_price, usable_price
from sandbox.vendors.stripe.catalogue.tax_rates import TAX_RATES, usable_tax_rates
from sandbox.vendors.stripe.invoices.resource import AUTOMATIC_TAX, COLLECTION_METHOD
from sandbox.vendors.stripe.new_subscriptions.one_off_items import ONE_OFF_ITEMS
from sandbox.vendors.stripe.periods import add_intervals
from sandbox.vendors.stripe.store import Record
from sandbox.vendors.stripe.wire.errors import invalid
from sandbox.vendors.stripe.wire.params import (
    Boolean,
    Choice,
    Currency,
    Fields,
    Hash,
    Integer,
    Items,
    Metadata,
    Moment,
    Param,
    Text,
    merge_metadata,
)

_ANCHOR = Choice(words=("automatic", "phase_start"))
INVOICE_SETTINGS = Hash(fields={"days_until_due": Integer(minimum=0)})
_ITEM: Fields = {
    "discounts": DISCOUNTS,
    "metadata": Metadata(),
    "plan": Text(),
    "price": Text(),
    "price_data": Hash(fields=RECURRING_DATA),
    "quantity": Integer(minimum=0, maximum=999_999_999),
    "tax_rates": TAX_RATES,
}
PRORATION_BEHAVIOR = Choice(words=("create_prorations", "none", "always_invoice"))
_PHASE: dict[str, Param] = {
    "add_invoice_items": ONE_OFF_ITEMS,
    "automatic_tax": AUTOMATIC_TAX,
    "billing_cycle_anchor": _ANCHOR,
    "collection_method": COLLECTION_METHOD,
    "currency": Currency(),
    "default_payment_method": Text(),
    "default_tax_rates": TAX_RATES,
    "description": Text(unset=True, chars_max=500),
    "discounts": DISCOUNTS,
    "duration": Hash(fields={"interval": Choice(words=INTERVALS, required=True), "interval_count": Integer(minimum=1)}),
    "end_date": Moment(words=("now",)),
    "invoice_settings": INVOICE_SETTINGS,
    "items": Items(of=Hash(fields=_ITEM), required=True, count_max=20),
    "metadata": Metadata(),
    "proration_behavior": PRORATION_BEHAVIOR,
    "start_date": Moment(words=("now",)),
    "trial": Boolean(),
    "trial_end": Moment(words=("now",)),
}
PHASES = Items(of=Hash(fields=_PHASE), count_max=10)
# The first phase of a new schedule begins with the schedule, and each other one where the one before it ends.
NEW_PHASES = Items(
    of=Hash(fields={name: param for name, param in _PHASE.items() if name != "start_date"}), count_max=10
)


def make_phases(account: Account, wanted: list[Mapping[str, Any]], start: int) -> list[Record]:
    """Return the phases that a request asks for, each beginning where the one before it ends.

    Raises StripeError for a phase that ends before it begins, whose prices can't be used, or in another currency than
    the first.
    """
    phases: list[Record] = []
    for index, params in enumerate(wanted):
        phase = _phase(account, params, start, f"phases[{index}]")
        if phase["end_date"] <= phase["start_date"]:
            raise invalid("A phase must end after it begins.", param=f"phases[{index}][end_date]")
        if phases and phase["currency"] != phases[0]["currency"]:
            raise invalid(
                f"All phases must have the same currency: found {phases[0]['currency']} and {phase['currency']}.",
                param=f"phases[{index}][items]",
            )
        phases.append(phase)
        start = phase["end_date"]
    return phases


def _phase(account: Account, params: Mapping[str, Any], start: int, param: str) -> Record:
    items = [_item(account, each, f"{param}[items][{index}]") for index, each in enumerate(params["items"])]
    if not items:
        raise invalid("A phase must have at least one item.", code="parameter_missing", param=f"{param}[items]")
    prices = [account.fetch("price", item["price"]) for item in items]
    end = _end(account, params, prices[0], start, param)
    rates = usable_tax_rates(account, params.get("default_tax_rates"), param=f"{param}[default_tax_rates]")
    return {
        "add_invoice_items": [],
        "application_fee_percent": None,
        "billing_cycle_anchor": params.get("billing_cycle_anchor"),
        "billing_thresholds": None,
        "collection_method": params.get("collection_method"),
        "currency": prices[0]["currency"],
        "default_payment_method": params.get("default_payment_method"),
        "default_tax_rates": rates,
        "description": params.get("description"),
        "discounts": [_shown_discount(each) for each in params.get("discounts") or []],
        "end_date": end,
        "invoice_settings": _invoice_settings(params),
        "items": items,
        "metadata": merge_metadata({}, params.get("metadata")),
        "on_behalf_of": None,
        "proration_behavior": params.get("proration_behavior", "create_prorations"),
        "start_date": start,
        "transfer_data": None,
        "trial_end": end if params.get("trial") else params.get("trial_end"),
        "_add_invoice_items": [dict(each) for each in params.get("add_invoice_items", [])],
    }


def _invoice_settings(params: Mapping[str, Any]) -> Record | None:
    given = params.get("invoice_settings")
    if given is None:
        return None
    return {"account_tax_ids": None, "days_until_due": given.get("days_until_due"), "issuer": None}


def _shown_discount(entry: Mapping[str, Any]) -> Record:
    return {"coupon": entry.get("coupon"), "discount": entry.get("discount"), "promotion_code": None}


def _end(account: Account, params: Mapping[str, Any], price: Record, start: int, param: str) -> int:
    if "end_date" in params and "duration" in params:
        raise invalid("You may only specify one of these parameters: duration, end_date.", param=f"{param}[end_date]")
    if "end_date" in params:
        return account.now() if params["end_date"] == "now" else int(params["end_date"])
    duration = params.get("duration") or price["recurring"]
    return add_intervals(start, duration["interval"], duration.get("interval_count", 1))


def _item(account: Account, params: Mapping[str, Any], param: str) -> Record:
    ways = [name for name in ("price", "plan", "price_data") if name in params]
    if len(ways) != 1:
        raise invalid("You must specify exactly one of price, plan and price_data.", param=f"{param}[price]")
    price = (
        inline_price(account, params["price_data"])
        if ways == ["price_data"]
        else usable_price(account, params[ways[0]], recurring=True, param=f"{param}[{ways[0]}]")
    )
    item: Record = {
        "billing_thresholds": None,
        "discounts": [_shown_discount(each) for each in params.get("discounts") or []],
        "metadata": merge_metadata({}, params.get("metadata")),
        "plan": price["id"],
        "price": price["id"],
        "quantity": params.get("quantity", 1),
        "tax_rates": usable_tax_rates(account, params.get("tax_rates"), param=f"{param}[tax_rates]"),
    }
    if price["recurring"]["usage_type"] == "metered":
        del item["quantity"]
    return item


def phase_of_subscription(subscription: Record, items: list[Record]) -> Record:
    """Return the phase that a running subscription is in, from its present period."""
    return {
        "add_invoice_items": [],
        "application_fee_percent": None,
        "billing_cycle_anchor": None,
        "billing_thresholds": None,
        "collection_method": None,
        "currency": subscription["currency"],
        "default_payment_method": subscription["default_payment_method"],
        "default_tax_rates": list(subscription["default_tax_rates"]),
        "description": subscription["description"],
        "discounts": [_shown_discount({"discount": each}) for each in subscription["discounts"]],
        "end_date": max(item["current_period_end"] for item in items),
        "invoice_settings": None,
        "items": [_as_phase_item(item) for item in items],
        "metadata": {},
        "on_behalf_of": None,
        "proration_behavior": "create_prorations",
        "start_date": min(item["current_period_start"] for item in items),
        "transfer_data": None,
        "trial_end": subscription["trial_end"],
        "_add_invoice_items": [],
    }


def _as_phase_item(item: Record) -> Record:
    shown = {
        "billing_thresholds": None,
        "discounts": [_shown_discount({"discount": each}) for each in item["discounts"]],
        "metadata": dict(item["metadata"]),
        "plan": item["price"],
        "price": item["price"],
        "tax_rates": list(item["tax_rates"]),
    }
    return shown | ({"quantity": item["quantity"]} if item["quantity"] is not None else {})


def subscription_params(schedule: Record, phase: Record) -> dict[str, Any]:
    """Return the phase as the parameters of a subscription, with the schedule's defaults where it says nothing."""
    defaults = schedule["default_settings"]
    method = phase["collection_method"] or defaults["collection_method"]
    params: dict[str, Any] = {
        "collection_method": method,
        "default_tax_rates": phase["default_tax_rates"],
        "discounts": [_discount_param(each) for each in phase["discounts"]],
        "metadata": phase["metadata"],
        "proration_behavior": phase["proration_behavior"],
    }
    if method == "send_invoice":
        settings = phase["invoice_settings"] or defaults["invoice_settings"]
        params["days_until_due"] = settings["days_until_due"]
    payment_method = phase["default_payment_method"] or defaults["default_payment_method"]
    if payment_method is not None:
        params["default_payment_method"] = payment_method
    if phase["description"] is not None:
        params["description"] = phase["description"]
    if phase["trial_end"] is not None:
        params["trial_end"] = phase["trial_end"]
    return params


def item_params(item: Record) -> dict[str, Any]:
    """Return an item of a phase as the parameters of a subscription item."""
    params = {name: item[name] for name in ("metadata", "price", "quantity", "tax_rates") if name in item}
    return params | {"discounts": [_discount_param(each) for each in item["discounts"]]}


def _discount_param(entry: Record) -> dict[str, Any]:
    return {name: entry[name] for name in ("coupon", "discount") if entry[name] is not None}
