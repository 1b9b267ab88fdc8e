"""The time format of all contracts of the process tier."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, func


def rfc3339(moment: datetime) -> str:
    """Return a time in UTC, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def of_age(moment: ColumnElement[datetime], min_age_s: int | None, max_age_s: int | None) -> list[ColumnElement[bool]]:
    """Return the conditions that a moment lies so many seconds back, by the database's clock; None means no bound."""
    found: list[ColumnElement[bool]] = []
    if min_age_s is not None:
        found.append(moment <= func.now() - timedelta(seconds=min_age_s))
    if max_age_s is not None:
        found.append(moment >= func.now() - timedelta(seconds=max_age_s))
    return found
