"""The time format of all contracts of the process tier."""

from datetime import UTC, datetime


def rfc3339(moment: datetime) -> str:
    """Return a time in UTC, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
