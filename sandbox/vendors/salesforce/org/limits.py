"""The day's API quota: counted per request, told on every answer, and refused when it is used up."""

from collections.abc import Callable
from datetime import date, datetime

from sandbox.vendors.salesforce.errors import SalesforceError


def total_requests_exceeded() -> SalesforceError:
    return SalesforceError("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", status=403)


def concurrent_requests_exceeded() -> SalesforceError:
    message = "ConcurrentRequests (Concurrent API Requests) Limit exceeded."
    return SalesforceError("REQUEST_LIMIT_EXCEEDED", message, status=403)


class DailyQuota:
    """Requests used since midnight UTC. (Salesforce counts a rolling 24 hours; a sandbox does not run that long.)"""

    def __init__(self, maximum: int, now: Callable[[], datetime]) -> None:
        self.maximum = maximum
        self.used = 0
        self._now = now
        self._day: date = now().date()

    def count(self) -> None:
        """Raises REQUEST_LIMIT_EXCEEDED (403) when the quota is used up."""
        today = self._now().date()
        if today != self._day:
            self._day, self.used = today, 0
        if self.used >= self.maximum:
            raise total_requests_exceeded()
        self.used += 1

    @property
    def header(self) -> dict[str, str]:
        return {"Sforce-Limit-Info": f"api-usage={self.used}/{self.maximum}"}

    def describe(self) -> dict[str, dict[str, int]]:
        """Return the body of the limits resource."""
        return {
            "DailyApiRequests": {"Max": self.maximum, "Remaining": max(0, self.maximum - self.used)},
            "DailyBulkApiBatches": {"Max": 15_000, "Remaining": 15_000},
            "HourlyPublishedPlatformEvents": {"Max": 250_000, "Remaining": 250_000},
            "ConcurrentAsyncGetReportInstances": {"Max": 200, "Remaining": 200},
        }
