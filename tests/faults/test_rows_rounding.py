"""Row 27: ERP and billing round by rules of their own, and hold what the customer accepted all the same.

The requests are those that the process tier and the adapters make; what the vendors make of them is reckoned here by
the vendors' own rules. The journeys and the adapters' contract tests ask the vendors themselves.
"""

from collections import defaultdict
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from process_api.orders.booking.billing_start import recurring_line
from process_api.orders.booking.erp_booking import one_off_line
from process_api.quotes.amounts import accepted_net
from shared.canonical import ErpOrderDraft, Money, Quote, QuoteLine, QuoteStatus, Recurrence, SubscriptionDraft
from shared.canonical.money import minor_units
from shared.problem import Rejected
from system_api.billing.stripe.money import from_minor_units, smallest_charge
from system_api.billing.stripe.records import PriceRecord, Recurring
from system_api.billing.stripe.subscriptions import subscription_params
from system_api.erp.tryton import lines as tryton_lines
from system_api.erp.tryton.records import CompanyRecord, Currency, ProductRecord, UnitRecord
from system_api.vendor import line_prices
from system_api.vendor.line_prices import LinePart

CURRENCIES = ["EUR", "JPY", "ISK", "KWD"]
PRICES = st.decimals(min_value=0, max_value=100_000, places=2)
DISCOUNTS = st.decimals(min_value=0, max_value=100, places=2)
WHOLE = st.integers(min_value=1, max_value=100_000).map(Decimal)
PARTS = st.decimals(min_value=Decimal("0.01"), max_value=100_000, places=2)


def line_of(place: int, price: Money, quantity: Decimal, discount: Decimal, **more: Any) -> QuoteLine:
    return QuoteLine(
        line_id=f"line-{place}",
        sku="S",
        description="S",
        quantity=f"{quantity:f}",
        unit_price=price,
        discount_percent=f"{discount:f}",
        **more,
    )


def quote_of(lines: list[QuoteLine], currency: str) -> Quote:
    return Quote(
        quote_id="q",
        number="1",
        revision=1,
        status=QuoteStatus.accepted,
        account_id="a",
        legal_entity="NW-DE",
        currency=currency,
        lines=lines,
    )


@st.composite
def quotes(draw: st.DrawFn) -> Quote:
    """A quote with one-off lines, of parts of a unit too, and recurring ones; its totals are the CRM's or reckoned."""
    currency = draw(st.sampled_from(CURRENCIES))
    lines = []
    for place in range(draw(st.integers(min_value=1, max_value=4))):
        recurrence = draw(st.sampled_from([Recurrence.none, Recurrence.month]))
        price, discount = draw(PRICES), draw(DISCOUNTS)
        quantity = draw(st.one_of(WHOLE, PARTS) if recurrence is Recurrence.none else WHOLE)
        net = quantity * price * (1 - discount / 100)
        total = draw(st.sampled_from([None, Money.of(net, currency)]))
        unit_price = Money.exact(price, currency)
        lines.append(line_of(place, unit_price, quantity, discount, recurrence=recurrence, total=total))
    return quote_of(lines, currency)


def erp_net(quote: Quote) -> Decimal:
    """What Tryton makes of the sale: each of its lines rounded half to even, and their sum."""
    lines = [one_off_line(line) for line in quote.one_off_lines()]
    if not lines:
        return Decimal(0)
    zero = Money.of(Decimal(0), quote.currency)
    draft = ErpOrderDraft(
        account_id="a",
        customer_vendor_id="1",
        currency=quote.currency,
        tax_code="DE",
        lines=lines,
        expected_tax=zero,
        expected_total=zero,
    )
    product = ProductRecord(id=1, code="S", salable=True, list_price_used=None, sale_uom=UnitRecord(1))
    company = CompanyRecord(id=1, currency=Currency(id=1, code=quote.currency))
    made = tryton_lines.sale_lines(draft, {"S": product}, [1], tryton_lines.line_rule(company, 4))
    coin = Decimal(1).scaleb(-minor_units(quote.currency))
    amounts = defaultdict[str, Decimal](Decimal)
    for each in made:
        price = Decimal(each["unit_price"]["decimal"])
        assert price == price.quantize(Decimal("0.0001")), "Tryton refuses a fifth digit"
        amounts[each["note"]] += (each["quantity"] * price).quantize(coin, ROUND_HALF_EVEN)
    assert list(amounts.values()) == [line.net_amount.value for line in quote.one_off_lines()]
    return sum(amounts.values(), Decimal(0))


def billing_net(quote: Quote) -> Decimal:
    """What Stripe makes of the subscription: each of its items rounded half up to its minor unit, and their sum."""
    lines = quote.recurring_lines(Recurrence.month)
    if not lines:
        return Decimal(0)
    draft = SubscriptionDraft(
        account_id="a",
        order_id="o",
        customer_vendor_id="c",
        currency=quote.currency,
        recurrence=Recurrence.month,
        items=[recurring_line(quote, line) for line in lines],
        tax_code="DE",
        tax_percent="19",
    )
    listed = PriceRecord(
        id="price_1", currency=quote.currency.lower(), product="S", unit_amount_decimal=Decimal(777),
        recurring=Recurring("month"),
    )  # fmt: skip
    items: Any = subscription_params("o-month", draft, {("S", Recurrence.month): listed}, "txr_1", 0)["items"]
    total = Decimal(0)
    for item in items:
        unit = Decimal(item["price_data"]["unit_amount_decimal"]) if "price_data" in item else Decimal(777)
        assert unit == unit.quantize(Decimal("1e-12")), "Stripe refuses a thirteenth digit"
        charged = (item["quantity"] * unit).quantize(Decimal(1), ROUND_HALF_UP)
        total += from_minor_units(charged, quote.currency).value
    return total


@given(quotes())
def test_row_27_what_was_signed_is_what_erp_and_billing_make_of_it(quote: Quote) -> None:
    recurring = quote.recurring_lines(Recurrence.month)
    if any(line.net_amount.value % smallest_charge(quote.currency) for line in recurring):
        # Stripe has no third decimal in KWD: the line is refused by name, and nothing is off.
        with pytest.raises(Rejected, match=r"charges KWD in steps of 0\.01"):
            billing_net(quote)
        return

    assert erp_net(quote) + billing_net(quote) == accepted_net(quote).value


def test_row_27_mutation_with_the_quoted_prices_alone_a_cent_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    def as_quoted(_net: Decimal, quantity: Decimal, _rule: object, quoted: Decimal | None = None) -> list[LinePart]:
        return [LinePart(quantity, quoted or Decimal(0))]

    sensor = line_of(1, Money(amount="89.50", currency="EUR"), Decimal(1), Decimal(5))  # 85.025
    quote = quote_of([sensor], "EUR")
    assert erp_net(quote) == Decimal("85.03")

    assert vars(tryton_lines)["price_line"] is line_prices.price_line
    monkeypatch.setattr(tryton_lines, "price_line", as_quoted)

    with pytest.raises(AssertionError, match=r"85\.02"):
        erp_net(quote)
