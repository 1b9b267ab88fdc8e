"""Checks that a quote's amounts can be booked exactly as accepted: to the cent, in this currency."""

from decimal import Decimal

from process_api.legal_entities import LegalEntity
from process_api.quotes.readiness_fault import ReadinessFault
from shared.canonical import BillingFrequency, Money, MoneyError, Quote, QuoteLine, Recurrence, TaxedLine
from shared.canonical.money import NET_MAX, minor_units
from shared.problem import Refused

SHIPPING_LINE_ID = "shipping"
"""The line id of shipping in tax and booking: shipping is no line of the quote."""

# The months that a price covers, and those that an invoice covers.
_MONTHS_OF_PRICE = {Recurrence.month: 1, Recurrence.year: 12}
_MONTHS_OF_INVOICE = {BillingFrequency.month: 1, BillingFrequency.quarter: 3, BillingFrequency.year: 12}


def check_amounts(quote: Quote, rules: LegalEntity | None = None) -> None:
    """Raise Rejected, with every reason, if the quote's amounts cannot be booked."""
    faults = amount_faults(quote, rules)
    if faults:
        raise Refused(" ".join(fault.message for fault in faults), reason_code=faults[0].code)


def amount_faults(quote: Quote, rules: LegalEntity | None = None) -> list[ReadinessFault]:
    """Return the faults that keep the quote's amounts from being booked as accepted.

    Without rules, any currency is allowed.
    """
    shipping = _unpayable_shipping(quote)
    if shipping_of(quote).currency != quote.currency:
        return shipping
    try:
        return [
            *_wrong_currency(quote, rules),
            *_unpayable_lines(quote),
            *shipping,
            *_other_grand_total(quote, accepted_net(quote)),
            *_indivisible(quote),
        ]
    except MoneyError:
        message = f"The amounts of quote {quote.number} are too large."
        return [ReadinessFault(code="amounts_too_large", message=message, field="lines")]


def sum_of(lines: list[QuoteLine], currency: str) -> Money:
    """Return the sum of the lines' net amounts."""
    return Money.exact(sum((line.net_amount.value for line in lines), Money.of(Decimal(0), currency).value), currency)


def shipping_of(quote: Quote) -> Money:
    """Return shipping before tax."""
    return quote.shipping or Money.of(Decimal(0), quote.currency)


def accepted_net(quote: Quote) -> Money:
    """Return what the customer accepted before tax: the lines and shipping. Raises MoneyError from NET_MAX on."""
    net = sum_of(quote.lines, quote.currency) + shipping_of(quote)
    if abs(net.value) >= NET_MAX:
        raise MoneyError(f"{net.amount} {net.currency} is too much for one order")
    return net


def erp_net(quote: Quote) -> Money:
    """Return what the ERP will invoice before tax: the one-off lines and shipping."""
    return sum_of(quote.one_off_lines(), quote.currency) + shipping_of(quote)


def has_erp_lines(quote: Quote) -> bool:
    """Return whether there is anything for the ERP to invoice."""
    return bool(quote.one_off_lines()) or shipping_of(quote).value != 0


def taxed_lines(quote: Quote) -> list[TaxedLine]:
    """Return everything that is taxed: the lines and shipping."""
    lines = [TaxedLine(line_id=line.line_id, net=line.net_amount) for line in quote.lines]
    if shipping_of(quote).value:
        lines.append(TaxedLine(line_id=SHIPPING_LINE_ID, net=shipping_of(quote)))
    return lines


def invoiced_at_once(line: QuoteLine, frequency: BillingFrequency | None) -> Money | None:
    """Return the amount of a recurring line on one invoice; None if it is no amount of the currency."""
    net, currency = line.net_amount, line.unit_price.currency
    if frequency is None:
        return net
    product = net.value * _MONTHS_OF_INVOICE[frequency]
    amount = Money.of(product / _MONTHS_OF_PRICE[line.recurrence], currency)
    return amount if amount.value * _MONTHS_OF_PRICE[line.recurrence] == product else None


def _wrong_currency(quote: Quote, rules: LegalEntity | None) -> list[ReadinessFault]:
    """Check the currency: billing may sell in others, but an ERP's company sells only in its books' currency."""
    if rules is None or rules.currency is None or rules.currency == quote.currency or not has_erp_lines(quote):
        return []
    message = f"Quote {quote.number} is in {quote.currency}; {quote.legal_entity} sells in {rules.currency}."
    return [ReadinessFault(code="wrong_currency", message=message, field="currency")]


def _unpayable_lines(quote: Quote) -> list[ReadinessFault]:
    """Return the lines whose amount has more decimals than the currency, or another currency."""
    coin = Decimal(1).scaleb(-minor_units(quote.currency))
    faults = []
    for place, line in enumerate(quote.lines, start=1):
        net = line.net_amount
        if net.currency != quote.currency or net.value % coin:
            message = (
                f"Line {place} ({line.sku}) comes to {net.amount} {net.currency}, which cannot be paid: quote "
                f"{quote.number} is in {quote.currency}, in steps of {coin:f}."
            )
            faults.append(
                ReadinessFault(code="amount_not_payable", message=message, line_id=line.line_id, field="total")
            )
    return faults


def _unpayable_shipping(quote: Quote) -> list[ReadinessFault]:
    coin, shipping = Decimal(1).scaleb(-minor_units(quote.currency)), shipping_of(quote)
    if shipping.value < 0:  # the discount policy only covers lines
        message = (
            f"Shipping on quote {quote.number} is {shipping.amount} {shipping.currency}: it cannot be less than "
            "nothing. Give a reduction as a discount on the lines."
        )
        return [ReadinessFault(code="shipping_negative", message=message, field="shipping")]
    if shipping.currency == quote.currency and not shipping.value % coin:
        return []
    message = (
        f"Shipping on quote {quote.number} is {shipping.amount} {shipping.currency}, which cannot be paid: the quote "
        f"is in {quote.currency}, in steps of {coin:f}."
    )
    return [ReadinessFault(code="amount_not_payable", message=message, field="shipping")]


def _other_grand_total(quote: Quote, net: Money) -> list[ReadinessFault]:
    """Return a fault if the booked total would differ from the accepted one.

    A CRM that calculates no tax has a grand total before tax.
    """
    accepted, tax = quote.grand_total, quote.tax
    comes_to = net.value + (tax.value if tax is not None else Decimal(0))
    if accepted is None or (accepted.value == comes_to and accepted.currency == quote.currency):
        return []
    parts = ["its lines"]
    parts += [f"{shipping_of(quote).amount} for shipping"] if shipping_of(quote).value else []
    parts += [f"{tax.amount} of tax"] if tax is not None and tax.value else []
    message = (
        f"The customer accepted quote {quote.number} at {accepted.amount} {accepted.currency} in all, but "
        f"{' and '.join(parts)} come to {comes_to:f} {quote.currency}. Have it priced and accepted again."
    )
    return [ReadinessFault(code="grand_total_mismatch", message=message, field="grandTotal")]


def _indivisible(quote: Quote) -> list[ReadinessFault]:
    """Return the recurring lines whose amount cannot be divided into equal invoices."""
    faults = []
    for place, line in enumerate(quote.lines, start=1):
        frequency = quote.billing_frequency
        if line.recurrence is Recurrence.none or frequency is None or invoiced_at_once(line, frequency) is not None:
            continue
        net = line.net_amount
        message = (
            f"Line {place} ({line.sku}) is {net.amount} {net.currency} per {line.recurrence.value}, which cannot be "
            f"divided into equal invoices per {frequency.value}. Choose another billing frequency or price."
        )
        faults.append(
            ReadinessFault(
                code="billing_frequency_not_divisible",
                message=message,
                line_id=line.line_id,
                field="billingFrequency",
                system="billing",
            )
        )
    return faults
