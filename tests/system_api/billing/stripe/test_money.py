"""Money in Stripe's minor units, in both directions, for every currency."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.canonical import Money
from shared.problem import Rejected
from system_api.billing.stripe.money import (
    charge_in_minor_units,
    from_minor_units,
    shown_unit_price,
    smallest_charge,
    to_minor_units,
)
from tests.shared.iso_4217 import ISO_4217

# docs.stripe.com/currencies: how 1,000 of a currency are sent.
_THOUSAND_BY_CODES = {
    "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF": 1000,
    "BHD JOD KWD OMR TND": 1_000_000,
}
_THOUSAND = {code: sent for codes, sent in _THOUSAND_BY_CODES.items() for code in codes.split()}
NOT_CHARGED = {"CLF", "IQD", "LYD", "UYI", "UYW"}
CHARGED = sorted(set(ISO_4217) - NOT_CHARGED)


@pytest.mark.parametrize("currency", CHARGED)
def test_every_currency_is_sent_as_stripe_documents_it_and_read_back(currency: str) -> None:
    thousand = Money.of(Decimal(1000), currency)

    sent = charge_in_minor_units(thousand)

    assert sent == _THOUSAND.get(currency, 100_000)
    assert from_minor_units(sent, currency).value == Decimal(1000)
    assert Decimal(to_minor_units(thousand)) == sent


@given(st.sampled_from(CHARGED), st.integers(min_value=-10_000_000, max_value=10_000_000))
def test_chargeable_amount_survives_the_round_trip(currency: str, steps: int) -> None:
    amount = Money.of(smallest_charge(currency) * steps, currency)

    assert from_minor_units(charge_in_minor_units(amount), currency).value == amount.value


@given(st.sampled_from(CHARGED), st.decimals(min_value=0, max_value=10**9, places=4))
def test_unit_price_survives_the_round_trip(currency: str, price: Decimal) -> None:
    money = Money.exact(price, currency)

    assert from_minor_units(Decimal(to_minor_units(money)), currency).value == price


@pytest.mark.parametrize("currency", sorted(NOT_CHARGED))
def test_a_currency_that_stripe_does_not_charge_is_refused_by_name(currency: str) -> None:
    with pytest.raises(Rejected, match=currency) as raised:
        charge_in_minor_units(Money(amount="1", currency=currency))
    assert raised.value.reason_code == "currency_not_charged"


@pytest.mark.parametrize(
    ("amount", "currency", "step"),
    [("1.005", "KWD", "0.01"), ("1.50", "MGA", "1"), ("1.50", "ISK", "1"), ("1.005", "EUR", "0.01")],
)
def test_an_amount_between_two_steps_is_refused_by_name(amount: str, currency: str, step: str) -> None:
    with pytest.raises(Rejected, match=f"{currency} in steps of {step}; {amount}") as raised:
        charge_in_minor_units(Money(amount=amount, currency=currency))
    assert raised.value.reason_code == "amount_not_chargeable"


def test_a_unit_price_finer_than_money_is_shown_rounded() -> None:
    assert shown_unit_price(Decimal("33.333333333333"), "EUR").amount == "0.333333"
    assert shown_unit_price(Decimal("10000"), "ISK").amount == "100"
