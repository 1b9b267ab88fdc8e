"""Billing periods: calendar arithmetic from an anchor, in UTC.

Source: Stripe's "Billing cycle": months and years keep the anchor's day and time; where a month has no such day its
last one takes its place, and the next month returns to the anchor's day.
"""

from __future__ import annotations

import calendar
from datetime import UTC, datetime

_SECONDS = {"day": 86_400, "week": 7 * 86_400}
_MONTHS = {"month": 1, "year": 12}
_DAYS_LONGEST = {"day": 1, "week": 7, "month": 31, "year": 366}
_DAYS_SHORTEST = {"day": 1, "week": 7, "month": 28, "year": 365}


def add_intervals(anchor: int, interval: str, count: int) -> int:
    """Return the moment `count` intervals after the anchor (before it, when negative); Unix seconds."""
    if interval in _SECONDS:
        return anchor + _SECONDS[interval] * count
    start = datetime.fromtimestamp(anchor, UTC)
    month = start.year * 12 + start.month - 1 + _MONTHS[interval] * count
    year, month = month // 12, month % 12 + 1
    day = min(start.day, calendar.monthrange(year, month)[1])
    return int(start.replace(year=year, month=month, day=day).timestamp())


def boundary_after(anchor: int, interval: str, count: int, moment: int) -> int:
    """Return the first period boundary later than `moment`; the anchor is a boundary, and periods extend both ways
    from it.
    """
    # Months and years differ in length: begin at a boundary that is early for certain, then take single steps.
    days = _DAYS_LONGEST if moment >= anchor else _DAYS_SHORTEST
    step = (moment - anchor) // (days[interval] * 86_400 * count) - 1
    while add_intervals(anchor, interval, step * count) <= moment:
        step += 1
    return add_intervals(anchor, interval, step * count)


def boundary_before(anchor: int, interval: str, count: int, boundary: int) -> int:
    """Return the period boundary that precedes `boundary`, which is one itself."""
    step = 0
    while add_intervals(anchor, interval, step * count) >= boundary:
        step -= 1
    while add_intervals(anchor, interval, (step + 1) * count) < boundary:
        step += 1
    return add_intervals(anchor, interval, step * count)
