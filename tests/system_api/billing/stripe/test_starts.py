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
from sandbox.vendors.stripe.periods import add_intervals
from shared.problem import Unavailable
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


def begun_at_once(now: datetime, zone: str | None) -> datetime:
    """When the first period begins of what is started without a date, by the request that is sent at `now`."""
    draft = monthly("cus_1", "001QW0000000001AAA", timezone=zone, items=[])
    end = subscription_params("ord-1-month", draft, {}, "txr_1", now_s=now.timestamp())["trial_end"]
    assert end is None or isinstance(end, int)
    return now if end is None else datetime.fromtimestamp(end, UTC)


@pytest.mark.parametrize(
    ("now", "zone", "begins"),
    [
        # Half past midnight on 1 December in Berlin: it was charged on 30 December, 30 January and so on.
        ("2026-11-30T23:30:00Z", "Europe/Berlin", "2026-12-01T00:00:00Z"),
        ("2027-06-30T22:15:00Z", "Europe/Berlin", "2027-07-01T00:00:00Z"),
        ("2026-12-01T00:30:00Z", "Europe/Berlin", "2026-12-01T00:30:00Z"),
        ("2026-11-30T22:30:00Z", "Europe/Berlin", "2026-11-30T22:30:00Z"),
        # Eight in the evening of 30 November in New York: UTC has 1 December, the next day there.
        ("2026-12-01T01:00:00Z", "America/New_York", "2026-12-01T06:00:00Z"),
        ("2027-07-01T04:30:00Z", "America/New_York", "2027-07-01T05:00:00Z"),
        ("2026-12-01T12:00:00Z", "America/New_York", "2026-12-01T12:00:00Z"),
        ("2026-12-01T00:30:00Z", "UTC", "2026-12-01T00:30:00Z"),
        ("2026-11-30T23:30:00Z", None, "2026-11-30T23:30:00Z"),
    ],
)
def test_what_begins_at_once_begins_on_a_day_that_utc_has_too(now: str, zone: str | None, begins: str) -> None:
    assert begun_at_once(datetime.fromisoformat(now), zone) == datetime.fromisoformat(begins)


@given(minutes=st.integers(0, 400 * 24 * 60), zone=st.sampled_from(ZONES))
def test_what_begins_at_once_is_charged_on_the_business_day_or_the_next(minutes: int, zone: str) -> None:
    now = datetime(2026, 12, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    today = now.astimezone(ZoneInfo(zone)).date()

    try:
        begins = begun_at_once(now, zone)
    except Unavailable as near:  # asked again once the day has come
        begins = begun_at_once(now + timedelta(seconds=near.retry_after_s or 0), zone)

    day = begins.astimezone(ZoneInfo(zone)).date()
    assert day == begins.date(), "UTC, by which Stripe counts, has the same day"
    assert today <= day <= today + timedelta(days=1)
    assert begins - now <= timedelta(hours=14)
    if day != today:
        assert now.date() == day, "it waits for the next day only where UTC has that already"
