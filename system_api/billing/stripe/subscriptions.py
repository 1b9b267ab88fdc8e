"""What a subscription in Stripe is made of, and whether Stripe holds what was ordered."""

from decimal import Decimal

from shared.canonical import (
    BillingFrequency,
    Collection,
    Money,
    Recurrence,
    Subscription,
    SubscriptionDraft,
    SubscriptionLine,
)
from shared.problem import Rejected
from system_api.billing.stripe.api import VENDOR
from system_api.billing.stripe.catalogue import price_in
from system_api.billing.stripe.money import charge_in_minor_units, to_minor_units
from system_api.billing.stripe.records import (
    ACCOUNT_ID,
    EXTERNAL_ID,
    INTERVALS,
    LINE_ID,
    LINE_RULE,
    ORDER_ID,
    PO_NUMBER,
    SKU,
    STARTS_ON,
    TERM_MONTHS,
    ItemRecord,
    PriceRecord,
    SubscriptionRecord,
    subscription_of,
)
from system_api.billing.stripe.starts import trial_end
from system_api.vendor.decimals import plain
from system_api.vendor.line_prices import price_line
from system_api.vendor.replies import understanding

Prices = dict[tuple[str, Recurrence], PriceRecord]
_OWN_FREQUENCY = {Recurrence.month: BillingFrequency.month, Recurrence.year: BillingFrequency.year}
PURCHASE_ORDER_CHARS_MAX = 140
"""What a custom field, which each invoice shows, takes as its value."""


def frequency_of(draft: SubscriptionDraft) -> BillingFrequency:
    """Return how often the subscription is invoiced."""
    return draft.billing_frequency or _OWN_FREQUENCY[draft.recurrence]


def subscription_params(
    external_id: str, draft: SubscriptionDraft, prices: Prices, tax_rate: str, now_s: float
) -> dict[str, object]:
    """Return the parameters that start it. Raises Rejected for what Stripe cannot charge."""
    metadata = {
        EXTERNAL_ID: external_id,
        ORDER_ID: draft.order_id,
        ACCOUNT_ID: draft.account_id,
        STARTS_ON: draft.starts_on,
        TERM_MONTHS: None if draft.term_months is None else str(draft.term_months),
        PO_NUMBER: draft.purchase_order_number,
    }
    return {
        "customer": draft.customer_vendor_id,
        "items": _items(draft, prices),
        "default_tax_rates": [tax_rate],
        "proration_behavior": "none",
        "metadata": metadata,
        "trial_end": trial_end(draft, now_s),
        "invoice_settings": _invoice_settings(draft),
        **_collection(draft),
    }


def compared(record: SubscriptionRecord, draft: SubscriptionDraft) -> Subscription:
    """Return the subscription. Raises Rejected (`read_back_mismatch`) if it is not what was ordered."""
    with understanding(VENDOR, writes=True):
        found = subscription_of(record)
        percents = sorted(rate.percentage or Decimal(0) for rate in record.default_tax_rates or [])
        expected_amount = Money.of(sum((item.net.value for item in draft.items), Decimal(0)), draft.currency)
        held = sorted(_held(item, draft.currency) for item in record.items.data)
        ordered = sorted((item.line_id or "", item.sku, Decimal(item.quantity), item.net.value) for item in draft.items)
        same = {
            "items": held == ordered,
            "period amount": found.period_amount == expected_amount,
            "billing frequency": found.billing_frequency == frequency_of(draft),
            "start": found.starts_on == draft.starts_on,
            "tax percent": percents == [Decimal(draft.tax_percent)],
        }
    differing = [name for name, equal in same.items() if not equal]
    if differing:
        raise Rejected(
            f"{VENDOR} holds {record.id} otherwise than it was ordered: {', '.join(differing)} differ.",
            reason_code="read_back_mismatch",
            vendor=VENDOR,
        )
    return found


def _held(item: ItemRecord, currency: str) -> tuple[str, str, Decimal, Decimal]:
    """Return an item in the form in which it is compared.

    Items that others have added may not be charged per unit: they match no ordered line.
    """
    amount = item.amount_in(currency)
    return item.line_id or "", item.sku, Decimal(item.quantity or 0), Decimal(-1) if amount is None else amount.value


def _items(draft: SubscriptionDraft, prices: Prices) -> list[dict[str, object]]:
    used: set[str] = set()
    items = []
    for item in draft.items:
        listed = price_in(prices, item.sku, draft.recurrence)
        entry: dict[str, object] = {
            "quantity": _whole_number(item),
            "metadata": {SKU: item.sku, LINE_ID: item.line_id},
            **_price(item, draft, listed, used),
        }
        items.append(entry)
    return items


def _price(item: SubscriptionLine, draft: SubscriptionDraft, listed: PriceRecord, used: set[str]) -> dict[str, object]:
    """Return the list price if it equals the accepted net amount, else a price for this line.

    Stripe refuses a price that another item of the subscription has: the second line of a product gets its own.
    """
    net = charge_in_minor_units(item.net)
    interval, count = INTERVALS[frequency_of(draft)]
    with understanding(VENDOR, writes=False):
        at_list = listed.charges(_whole_number(item)) == net and listed.billing_frequency is frequency_of(draft)
    if at_list and listed.id not in used:
        used.add(listed.id)
        return {"price": listed.id}
    return {
        "price_data": {
            "currency": draft.currency.lower(),
            "product": listed.product,
            "recurring": {"interval": interval, "interval_count": count},
            "unit_amount_decimal": _unit_amount(item, net),
            "tax_behavior": "exclusive",
        }
    }


def _unit_amount(item: SubscriptionLine, net: Decimal) -> str:
    if net < 0:
        raise Rejected(
            f"{VENDOR} charges no negative price; {item.sku} comes to {item.net.amount}.",
            reason_code="negative_price",
            vendor=VENDOR,
        )
    # The quoted price, if it yields the net amount: a price per unit that a person recognises.
    quoted = Decimal(to_minor_units(item.net_unit_price))
    parts = price_line(net, Decimal(item.quantity), LINE_RULE, quoted)
    if parts is None or len(parts) > 1:
        raise Rejected(
            f"{VENDOR} has no price at which {item.quantity} of {item.sku} come to {item.net.amount} "
            f"{item.net.currency}.",
            reason_code="net_not_bookable",
            vendor=VENDOR,
        )
    return plain(parts[0].unit_price)


def _whole_number(item: SubscriptionLine) -> int:
    quantity = Decimal(item.quantity)
    if quantity != quantity.to_integral_value():
        raise Rejected(
            f"{VENDOR} charges whole units only; {item.quantity} of {item.sku} are ordered.",
            reason_code="quantity_not_whole",
            vendor=VENDOR,
        )
    return int(quantity)


def _invoice_settings(draft: SubscriptionDraft) -> dict[str, object] | None:
    """Return the purchase order's number, shown on every invoice. Raises Rejected if it is too long."""
    number = draft.purchase_order_number
    if not number:
        return None
    if len(number) > PURCHASE_ORDER_CHARS_MAX:
        raise Rejected(
            f"The purchase order's number has {len(number)} characters; {VENDOR} shows {PURCHASE_ORDER_CHARS_MAX}.",
            reason_code="purchase_order_number_too_long",
            vendor=VENDOR,
        )
    return {"custom_fields": [{"name": "PO number", "value": number}]}


def _collection(draft: SubscriptionDraft) -> dict[str, object]:
    if draft.collection is Collection.charge_automatically:
        # With a declined card no subscription is created: nothing has to be undone.
        return {"collection_method": "charge_automatically", "payment_behavior": "error_if_incomplete"}
    return {"collection_method": "send_invoice", "days_until_due": draft.days_until_due}
