"""The start dates of a quote's lines, and whether the systems support them. Days are the legal entity's."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from process_api.quotes.readiness_fault import ReadinessFault
from shared.canonical import BillingFrequency, Quote, QuoteLine, Recurrence

PERIODS = (Recurrence.month, Recurrence.year)
_MONTHS_OF_PERIOD = {Recurrence.month: 1, Recurrence.year: 12}
_MONTHS_OF_INVOICE = {BillingFrequency.month: 1, BillingFrequency.quarter: 3, BillingFrequency.year: 12}
# Billing platforms take a start so many days ahead (the shortest known: two years).
START_DAYS_AHEAD_MAX = 730


@dataclass(frozen=True)
class SubscriptionGroup:
    """The recurring lines of one subscription: those of one period with the same first day."""

    recurrence: Recurrence
    starts_on: str | None
    lines: list[QuoteLine]
    suffix: str
    """The suffix of the subscription's external id after the order's."""

    def external_id(self, order_id: str) -> str:
        """Return the external id of an order's subscription for these lines."""
        return f"{order_id}-{self.suffix}"


def subscription_groups(quote: Quote) -> list[SubscriptionGroup]:
    """Return a quote's subscriptions, monthly ones first, those that start with the quote before later ones."""
    groups = []
    for period in PERIODS:
        lines = quote.recurring_lines(period)
        own = sorted({start_of(quote, line) or "" for line in lines} - {quote.start_date or ""})
        for start in (quote.start_date, *own):
            begun = [line for line in lines if start_of(quote, line) == start]
            if begun:
                suffix = period.value if start == quote.start_date else f"{period.value}-{start}"
                groups.append(SubscriptionGroup(period, start, begun, suffix))
    return groups


def start_of(quote: Quote, line: QuoteLine) -> str | None:
    """Return the day of a line's start or delivery; None for at once."""
    return line.start_date or quote.start_date


def delivery_date(quote: Quote) -> str | None:
    """Return the delivery day of the one-off lines; None for at once.

    They all have the same one (`date_faults`).
    """
    return next((start_of(quote, line) for line in quote.one_off_lines()), None)


def first_moment(day: str, zone: ZoneInfo) -> str:
    """Return the start of a day in that time zone, in UTC, as RFC 3339."""
    begins = datetime.combine(date.fromisoformat(day), time.min, tzinfo=zone)
    return begins.astimezone(UTC).isoformat().replace("+00:00", "Z")


def date_faults(quote: Quote, today: date) -> list[ReadinessFault]:
    """Return the dates that are impossible: billing starts nothing in the past, and the ERP has one date per order."""
    faults = [*_mixed_delivery_dates(quote)]
    for place, line in enumerate(quote.lines, start=1):
        start = start_of(quote, line)
        if line.recurrence is Recurrence.none or start is None:
            continue
        days = (date.fromisoformat(start) - today).days
        if days < 0:
            code, problem = "start_date_past", "is past. Billing begins nothing in the past: move the date"
        elif days > START_DAYS_AHEAD_MAX:
            code, problem = "start_date_too_far", f"is more than {START_DAYS_AHEAD_MAX} days away: bring it nearer"
        else:
            continue
        message = f"Line {place} ({line.sku}) begins on {start}, which {problem}."
        faults.append(
            ReadinessFault(code=code, message=message, line_id=line.line_id, field="startDate", system="billing")
        )
    return faults


def term_faults(quote: Quote) -> list[ReadinessFault]:
    """The recurring lines whose term ends within one of their invoices: billing invoices whole ones only.

    A subscription goes on after its term, and a cancellation at the term's end takes nothing back of the last invoice:
    the customer would pay for more months than were agreed (docs/decisions/0102).
    """
    term = quote.term_months
    if term is None:
        return []
    faults = []
    for place, line in enumerate(quote.lines, start=1):
        if line.recurrence is Recurrence.none:
            continue
        frequency = quote.billing_frequency
        months = _MONTHS_OF_INVOICE[frequency] if frequency else _MONTHS_OF_PERIOD[line.recurrence]
        if term % months == 0:
            continue
        message = (
            f"Line {place} ({line.sku}) is invoiced every {months} months, and the term of {term} "
            f"month{'s'[: term > 1]} is no multiple of that: the last invoice would charge more than was agreed. "
            "Choose another term or billing frequency."
        )
        faults.append(
            ReadinessFault(
                code="term_not_divisible", message=message, line_id=line.line_id, field="termMonths", system="billing"
            )
        )
    return faults


def _mixed_delivery_dates(quote: Quote) -> list[ReadinessFault]:
    dates = sorted({start_of(quote, line) or "at once" for line in quote.one_off_lines()})
    if len(dates) < 2:
        return []
    message = (
        f"The lines of quote {quote.number} that are charged once are wanted on different days ({', '.join(dates)}). "
        "The ERP keeps one day an order: make a quote for each."
    )
    return [ReadinessFault(code="mixed_start_dates", message=message, field="startDate", system="ERP")]
