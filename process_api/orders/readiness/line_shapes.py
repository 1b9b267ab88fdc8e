"""Checks that ERP and billing support the lines: their numbers, amounts, dates and kinds."""

from decimal import Decimal

from process_api.orders.dates import date_faults, subscription_groups, term_faults
from process_api.orders.readiness.examination import BILLING, Examination
from process_api.orders.readiness.faults import line_fault
from process_api.quotes.amounts import amount_faults
from process_api.quotes.readiness_fault import ReadinessFault
from shared.canonical import Recurrence
from shared.canonical.subscription import SUBSCRIPTION_ITEMS_MAX


async def amounts(exam: Examination) -> list[ReadinessFault]:
    """Check that the quote's amounts can be booked as they were accepted."""
    return amount_faults(exam.quote, exam.rules)


async def dates(exam: Examination) -> list[ReadinessFault]:
    """Whether the systems can keep the days on which the lines begin, and the term that they run for."""
    return [*date_faults(exam.quote, exam.today), *term_faults(exam.quote)]


async def recurring_lines(exam: Examination) -> list[ReadinessFault]:
    """Check that each period's lines fit into a subscription: their number, and whole units of each."""
    quote = exam.quote
    faults = []
    for group in subscription_groups(quote):
        lines, period = group.lines, group.recurrence
        if len(lines) > SUBSCRIPTION_ITEMS_MAX:
            faults.append(
                ReadinessFault(
                    code="too_many_recurring_lines",
                    message=f"Quote {quote.number} has {len(lines)} lines per {period.value}; a subscription takes "
                    f"{SUBSCRIPTION_ITEMS_MAX}. Split the quote.",
                    field="lines",
                    system=BILLING,
                )
            )
        faults += [
            line_fault(
                quote,
                line,
                "quantity_not_whole",
                f"{line.quantity} of it cannot be charged, billing counts whole units.",
                "quantity",
                BILLING,
            )
            for line in lines
            if not _is_whole(line.quantity)
        ]
    return faults


async def kinds_of_lines(exam: Examination) -> list[ReadinessFault]:
    """Check for lines that cannot be ordered: zero quantity, usage, in arrears, or a part without its bundle."""
    quote = exam.quote
    on_quote = {line.line_id for line in quote.lines}
    faults = [
        line_fault(
            quote,
            line,
            "usage_not_supported",
            "it is charged by use, which cannot be ordered yet. Take it off the quote.",
            "usage",
        )
        for line in quote.lines
        if line.usage
    ]
    # Systems accept it, and book nothing: a sale without goods, and an item that never charges.
    faults += [
        line_fault(quote, line, "quantity_zero", "its quantity is 0. Enter how many are sold.", "quantity")
        for line in quote.lines
        if Decimal(line.quantity) == 0
    ]
    # Billing charges recurring lines before their period, and only usage after it.
    faults += [
        line_fault(
            quote,
            line,
            "arrears_not_supported",
            "it is to be charged in arrears, and billing charges what recurs at the beginning of each period. Have it "
            "charged in advance.",
            "inArrears",
            BILLING,
        )
        for line in quote.lines
        if line.in_arrears and not line.usage and line.recurrence is not Recurrence.none
    ]
    faults += [
        line_fault(
            quote,
            line,
            "bundle_incomplete",
            "it is a part of a bundle that is not on the quote. Add the bundle, or take the part off.",
            "bundleParentId",
        )
        for line in quote.lines
        if line.bundle_parent_id is not None and line.bundle_parent_id not in on_quote
    ]
    return faults


def _is_whole(quantity: str) -> bool:
    return Decimal(quantity) == Decimal(quantity).to_integral_value()
