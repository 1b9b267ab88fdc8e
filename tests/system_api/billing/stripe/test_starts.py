"""Subscriptions with a later start: their start in Stripe, and their days of charging in the legal entity's time
zone.
"""

import calendar
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from process_api.orders.dates import first_moment
from sandbox.vendors.stripe.subscriptions.periods import add_intervals
from system_api.billing.stripe.subscriptions import subscription_params
from tests.system_api.billing.drafts import monthly

ZONES = (
    "Europe/Berlin",
    "Europe/London",
    "Atlantic/Azores",
    "America/St_Johns",
    "America/New_York",
    "America/Los_Angeles",
    "Pacific/Honolulu",
    "Asia/Kolkata",
    "Australia/Sydney",
    "Pacific/Auckland",
    "Pacific/Kiritimati",
    "UTC",
)
FIRST_DAY = date(2026, 12, 1)


def charged_on(start: date, zone: str, interval: str, periods: int) -> list[date]:
    """Return the days, in the zone, on which the first periods begin, by the simulator's calendar."""
    moment = first_moment(start.isoformat(), ZoneInfo(zone))
    draft = monthly("cus_1", "001QW0000000001AAA", starts_on=start.isoformat(), starts_at=moment, items=[])
    anchor = subscription_params("ord-1-month", draft, {}, "txr_1", now_s=0.0)["trial_end"]
    assert isinstance(anchor, int)
    moments = (add_intervals(anchor, interval, count) for count in range(periods))
    return [datetime.fromtimestamp(each, UTC).astimezone(ZoneInfo(zone)).date() for each in moments]


def months_after(start: date, months: int) -> date:
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    return date(year, month + 1, min(start.day, calendar.monthrange(year, month + 1)[1]))


@pytest.mark.parametrize(
    ("start", "zone"),
    [
        (date(2027, 3, 1), "Europe/Berlin"),  # in UTC 28 February: it was charged on 29 March, 29 April and so on
        (date(2027, 1, 31), "Europe/Berlin"),  # in UTC 30 January: it was charged on 1 March, not on 28 February
        (date(2027, 7, 1), "America/New_York"),  # at midnight in summer: it was charged on 30 November
    ],
)
def test_start_on_another_day_in_utc_is_charged_on_its_local_day(start: date, zone: str) -> None:
    assert charged_on(start, zone, "month", 24) == [months_after(start, months) for months in range(24)]


@given(days=st.integers(0, 730), zone=st.sampled_from(ZONES))
def test_periods_begin_on_the_days_that_were_agreed(days: int, zone: str) -> None:
    start = FIRST_DAY + timedelta(days=days)

    assert charged_on(start, zone, "month", 24) == [months_after(start, months) for months in range(24)]
    assert charged_on(start, zone, "year", 5) == [months_after(start, 12 * years) for years in range(5)]
