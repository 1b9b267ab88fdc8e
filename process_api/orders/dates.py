"""When a quote's lines begin, and whether the systems can have them begin then. Days are the legal entity's."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from process_api.orders.readiness_fault import ReadinessFault
from shared.canonical import Quote, QuoteLine, Recurrence

PERIODS = (Recurrence.month, Recurrence.year)
# Billing platforms take a start so many days ahead (the shortest known: two years).
START_DAYS_AHEAD_MAX = 730


@dataclass(frozen=True)
class SubscriptionGroup:
    """The recurring lines that become one subscription: those of one period that begin on one day."""

    recurrence: Recurrence
    starts_on: str | None
    lines: list[QuoteLine]
    suffix: str
    """What the subscription's external id has behind the order's."""

    def external_id(self, order_id: str) -> str:
        """Return the external id of the subscription that an order has for these lines."""
        return f"{order_id}-{self.suffix}"


def subscription_groups(quote: Quote) -> list[SubscriptionGroup]:
    """Return the subscriptions that a quote makes, monthly ones first, those that begin with the quote before later
    ones.
    """
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
    """Return the day on which a line begins or is delivered; None for at once."""
    return line.start_date or quote.start_date


def delivery_date(quote: Quote) -> str | None:
    """Return the day on which the one-off lines are wanted; None for at once.

    They have the same one (`date_faults`).
    """
    return next((start_of(quote, line) for line in quote.one_off_lines()), None)


def first_moment(day: str, zone: ZoneInfo) -> str:
    """Return the moment at which a day begins there, in UTC, as RFC 3339 writes it."""
    begins = datetime.combine(date.fromisoformat(day), time.min, tzinfo=zone)
    return begins.astimezone(UTC).isoformat().replace("+00:00", "Z")


def date_faults(quote: Quote, today: date) -> list[ReadinessFault]:
    """Return the dates that cannot be kept: billing begins nothing in the past, and the ERP keeps one date an order."""
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


def _mixed_delivery_dates(quote: Quote) -> list[ReadinessFault]:
    dates = sorted({start_of(quote, line) or "at once" for line in quote.one_off_lines()})
    if len(dates) < 2:
        return []
    message = (
        f"The lines of quote {quote.number} that are charged once are wanted on different days ({', '.join(dates)}). "
        "The ERP keeps one day an order: make a quote for each."
    )
    return [ReadinessFault(code="mixed_start_dates", message=message, field="startDate", system="ERP")]
