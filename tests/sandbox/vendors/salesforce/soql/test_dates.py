"""Date literals as ranges of days."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.vendors.salesforce.soql.dates import day_range

# A Wednesday, in the third quarter.
TODAY = date(2026, 8, 12)


@pytest.mark.parametrize(
    ("literal", "begin", "end"),
    [
        ("YESTERDAY", "2026-08-11", "2026-08-12"),
        ("today", "2026-08-12", "2026-08-13"),
        ("TOMORROW", "2026-08-13", "2026-08-14"),
        ("LAST_WEEK", "2026-08-02", "2026-08-09"),
        ("THIS_WEEK", "2026-08-09", "2026-08-16"),
        ("NEXT_WEEK", "2026-08-16", "2026-08-23"),
        ("LAST_MONTH", "2026-07-01", "2026-08-01"),
        ("THIS_MONTH", "2026-08-01", "2026-09-01"),
        ("NEXT_MONTH", "2026-09-01", "2026-10-01"),
        ("LAST_QUARTER", "2026-04-01", "2026-07-01"),
        ("THIS_QUARTER", "2026-07-01", "2026-10-01"),
        ("NEXT_QUARTER", "2026-10-01", "2027-01-01"),
        ("LAST_YEAR", "2025-01-01", "2026-01-01"),
        ("THIS_YEAR", "2026-01-01", "2027-01-01"),
        ("LAST_90_DAYS", "2026-05-14", "2026-08-13"),
        ("NEXT_90_DAYS", "2026-08-13", "2026-11-11"),
        ("LAST_N_DAYS:0", "2026-08-12", "2026-08-13"),
        ("LAST_N_DAYS:7", "2026-08-05", "2026-08-13"),
        ("NEXT_N_DAYS:7", "2026-08-13", "2026-08-20"),
        ("N_DAYS_AGO:7", "2026-08-05", "2026-08-06"),
        ("LAST_N_WEEKS:2", "2026-07-26", "2026-08-09"),
        ("LAST_N_MONTHS:8", "2025-12-01", "2026-08-01"),
        ("NEXT_N_MONTHS:5", "2026-09-01", "2027-02-01"),
        ("N_MONTHS_AGO:8", "2025-12-01", "2026-01-01"),
        ("LAST_N_QUARTERS:3", "2025-10-01", "2026-07-01"),
        ("NEXT_N_YEARS:2", "2027-01-01", "2029-01-01"),
    ],
)
def test_literals(literal: str, begin: str, end: str) -> None:
    days = day_range(literal, TODAY)
    assert days is not None
    assert (days.begin.isoformat(), days.end.isoformat()) == (begin, end)


@pytest.mark.parametrize("text", ["SOON", "LAST_N_DAYS", "LAST_N_DAYS:", "N_DAYS_AGO:-1", "THIS_DAY"])
def test_what_is_no_literal(text: str) -> None:
    assert day_range(text, TODAY) is None


@given(st.dates(date(1950, 1, 1), date(2100, 1, 1)), st.sampled_from(["WEEK", "MONTH", "QUARTER", "YEAR"]))
def test_last_this_and_next_touch_without_a_gap(today: date, unit: str) -> None:
    last, this, following = (day_range(f"{which}_{unit}", today) for which in ("LAST", "THIS", "NEXT"))
    assert last is not None
    assert this is not None
    assert following is not None
    assert last.end == this.begin
    assert this.end == following.begin
    assert this.place(today) == 0


def test_a_moment_is_placed_by_its_utc_day() -> None:
    days = day_range("TODAY", TODAY)
    assert days is not None
    midnight = datetime(2026, 8, 12, tzinfo=UTC)
    assert [days.place(midnight + timedelta(seconds=s)) for s in (-1, 0, 86_399, 86_400)] == [-1, 0, 0, 1]
