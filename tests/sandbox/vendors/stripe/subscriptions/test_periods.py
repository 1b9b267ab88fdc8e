"""Calendar arithmetic of billing periods."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.vendors.stripe.periods import add_intervals, boundary_after, boundary_before

MOMENTS = st.integers(min_value=946_684_800, max_value=2_524_608_000)  # 2000 to 2050
INTERVALS = st.sampled_from(["day", "week", "month", "year"])


def _at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("start", "interval", "count", "end"),
    [
        ("2025-01-31", "month", 1, "2025-02-28"),
        ("2025-01-31", "month", 2, "2025-03-31"),
        ("2024-01-31", "month", 1, "2024-02-29"),
        ("2024-02-29", "year", 1, "2025-02-28"),
        ("2024-02-29", "year", 4, "2028-02-29"),
        ("2025-12-15", "month", 1, "2026-01-15"),
        ("2025-03-31", "month", -1, "2025-02-28"),
        ("2025-06-01", "week", 2, "2025-06-15"),
        ("2025-06-01", "day", 30, "2025-07-01"),
    ],
)
def test_the_day_of_the_anchor_is_kept_where_it_exists(start: str, interval: str, count: int, end: str) -> None:
    assert add_intervals(_at(start), interval, count) == _at(end)


@given(anchor=MOMENTS, moment=MOMENTS, interval=INTERVALS, count=st.integers(1, 12))
def test_boundaries_enclose_every_moment(anchor: int, moment: int, interval: str, count: int) -> None:
    end = boundary_after(anchor, interval, count, moment)
    start = boundary_before(anchor, interval, count, end)
    assert start <= moment < end
    assert boundary_after(anchor, interval, count, start) == end
    assert boundary_after(anchor, interval, count, anchor) == add_intervals(anchor, interval, count)
