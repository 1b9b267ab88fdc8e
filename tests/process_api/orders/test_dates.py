"""When lines begin: which subscriptions they make, and which dates no system keeps."""

from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from process_api.orders.dates import date_faults, delivery_date, first_moment, subscription_groups
from shared.canonical import Quote, QuoteLine, Recurrence
from tests.process_api.system_stand_in import line, mixed_quote

TODAY = date(2026, 11, 30)


def starting(line_id: str, recurrence: Recurrence, start: str | None = None) -> QuoteLine:
    return msgspec.structs.replace(line(line_id, f"SKU-{line_id}", "1", "10.00", recurrence), start_date=start)


def quote(*lines: QuoteLine, **changes: Any) -> Quote:
    return msgspec.structs.replace(mixed_quote(), lines=list(lines), **changes)


def test_lines_of_one_period_and_one_start_are_one_subscription() -> None:
    found = subscription_groups(
        quote(
            starting("a", Recurrence.year),
            starting("b", Recurrence.month, "2027-02-01"),
            starting("c", Recurrence.month),
            starting("d", Recurrence.none),
            starting("e", Recurrence.month, "2026-12-15"),
            starting("f", Recurrence.month, "2027-02-01"),
            start_date="2026-12-15",
        )
    )

    made = [(group.external_id("ord-1"), group.starts_on, [line.line_id for line in group.lines]) for group in found]
    assert made == [
        ("ord-1-month", "2026-12-15", ["c", "e"]),
        ("ord-1-month-2027-02-01", "2027-02-01", ["b", "f"]),
        ("ord-1-year", "2026-12-15", ["a"]),
    ]


def test_a_quote_without_dates_makes_a_subscription_a_period() -> None:
    found = subscription_groups(quote(starting("a", Recurrence.year), starting("b", Recurrence.month)))

    assert [(group.external_id("ord-1"), group.starts_on) for group in found] == [
        ("ord-1-month", None),
        ("ord-1-year", None),
    ]


@pytest.mark.parametrize(
    ("day", "zone", "moment"),
    [
        ("2027-02-01", "Europe/Berlin", "2027-01-31T23:00:00Z"),
        ("2027-07-01", "Europe/Berlin", "2027-06-30T22:00:00Z"),
        ("2027-02-01", "America/New_York", "2027-02-01T05:00:00Z"),
        # On this day midnight is skipped there.
        ("2018-11-04", "America/Sao_Paulo", "2018-11-04T03:00:00Z"),
    ],
)
def test_a_day_begins_in_the_legal_entitys_time_zone(day: str, zone: str, moment: str) -> None:
    assert first_moment(day, ZoneInfo(zone)) == moment


@pytest.mark.parametrize(
    ("start", "code"),
    [
        ("2026-11-30", None),
        ("2027-02-01", None),
        ("2026-11-29", "start_date_past"),
        ("2028-11-29", None),
        ("2028-11-30", "start_date_too_far"),
    ],
)
def test_billing_begins_neither_in_the_past_nor_years_ahead(start: str, code: str | None) -> None:
    faults = date_faults(quote(starting("a", Recurrence.none), starting("b", Recurrence.month, start)), TODAY)

    assert [(fault.code, fault.line_id) for fault in faults] == ([(code, "b")] if code else [])
    assert all(f"Line 2 (SKU-b) begins on {start}" in fault.message for fault in faults)


def test_a_day_in_the_past_holds_nothing_up_in_the_erp() -> None:
    assert date_faults(quote(starting("a", Recurrence.none, "2026-01-01")), TODAY) == []


def test_goods_wanted_on_different_days_are_refused() -> None:
    mixed = quote(starting("a", Recurrence.none), starting("b", Recurrence.none, "2027-02-01"))

    (fault,) = date_faults(mixed, TODAY)

    assert fault.code == "mixed_start_dates"
    assert "(2027-02-01, at once)" in fault.message


def test_goods_are_wanted_when_the_quote_begins_unless_they_say_otherwise() -> None:
    assert delivery_date(quote(starting("a", Recurrence.none), start_date="2027-01-01")) == "2027-01-01"
    assert delivery_date(quote(starting("a", Recurrence.none, "2027-03-01"), start_date="2027-01-01")) == "2027-03-01"
    assert delivery_date(quote(starting("a", Recurrence.month))) is None
