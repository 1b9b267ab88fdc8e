"""SOQL's date literals (TODAY, LAST_N_DAYS:7, THIS_MONTH) as ranges of days in UTC; weeks begin on Sunday.

Source:
https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/sforce_api_calls_soql_select_dateformats.htm
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

_COUNTED = re.compile(r"(LAST|NEXT)_N_(DAYS|WEEKS|MONTHS|QUARTERS|YEARS):(\d{1,4})")
_AGO = re.compile(r"N_(DAYS|WEEKS|MONTHS|QUARTERS|YEARS)_AGO:(\d{1,4})")
_PERIOD = re.compile(r"(LAST|THIS|NEXT)_(WEEK|MONTH|QUARTER|YEAR)")
_ONE_DAY = timedelta(days=1)
_SINGLE_DAYS = {"YESTERDAY": -1, "TODAY": 0, "TOMORROW": 1}


@dataclass(frozen=True, slots=True)
class DayRange:
    """Days from `begin` up to, not including, `end`."""

    begin: date
    end: date

    def place(self, value: date) -> int:
        """-1 when the day or moment lies before the range, 0 inside, 1 after."""
        day = value.astimezone(UTC).date() if isinstance(value, datetime) else value
        return -1 if day < self.begin else 1 if day >= self.end else 0


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def day_range(literal: str, today: date) -> DayRange | None:
    """Return the range that a literal stands for; None if it is no date literal."""
    word = literal.upper()
    if word in _SINGLE_DAYS:
        return _days(today, _SINGLE_DAYS[word], 1)
    if word == "LAST_90_DAYS":
        return DayRange(today - timedelta(days=90), today + _ONE_DAY)
    if word == "NEXT_90_DAYS":
        return DayRange(today + _ONE_DAY, today + timedelta(days=91))
    if match := _PERIOD.fullmatch(word):
        shift = {"LAST": -1, "THIS": 0, "NEXT": 1}[match.group(1)]
        return _periods(today, match.group(2), shift, 1)
    if match := _COUNTED.fullmatch(word):
        return _counted(today, match.group(1), match.group(2).removesuffix("S"), int(match.group(3)))
    if match := _AGO.fullmatch(word):
        unit, count = match.group(1).removesuffix("S"), int(match.group(2))
        return _days(today, -count, 1) if unit == "DAY" else _periods(today, unit, -count, 1)
    return None


def _counted(today: date, direction: str, unit: str, count: int) -> DayRange:
    if unit == "DAY":
        # LAST_N_DAYS includes today, NEXT_N_DAYS begins tomorrow.
        return _days(today, -count, count + 1) if direction == "LAST" else _days(today, 1, count)
    return _periods(today, unit, -count if direction == "LAST" else 1, count)


def _days(today: date, first: int, count: int) -> DayRange:
    begin = today + timedelta(days=first)
    return DayRange(begin, begin + timedelta(days=count))


def _periods(today: date, unit: str, first: int, count: int) -> DayRange:
    step = _STEPS[unit]
    return DayRange(step(today, first), step(today, first + count))


def _week(day: date, shift: int) -> date:
    since_sunday = (day.weekday() + 1) % 7
    return day + timedelta(days=7 * shift - since_sunday)


def _month(day: date, shift: int) -> date:
    return _first_of_month(day.year, day.month - 1 + shift)


def _quarter(day: date, shift: int) -> date:
    return _first_of_month(day.year, (day.month - 1) // 3 * 3 + 3 * shift)


def _year(day: date, shift: int) -> date:
    return _first_of_month(day.year, 12 * shift)


def _first_of_month(year: int, months_since_january: int) -> date:
    return date(year + months_since_january // 12, months_since_january % 12 + 1, 1)


_STEPS: dict[str, Callable[[date, int], date]] = {
    "WEEK": _week,
    "MONTH": _month,
    "QUARTER": _quarter,
    "YEAR": _year,
}
