"""Moments, as every contract of the process tier writes them."""

from datetime import UTC, datetime


def rfc3339(moment: datetime) -> str:
    """Return a moment in UTC, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
