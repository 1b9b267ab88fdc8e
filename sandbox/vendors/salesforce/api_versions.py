"""The versions of the API that the org speaks.

Source: "API End-of-Life Policy" in Salesforce's developer guides: each version is supported for at least three years;
31.0 is the oldest that still answers, requests to a retired one are answered 410 GONE.
"""

from dataclasses import dataclass

from sandbox.vendors.salesforce.errors import SalesforceError, not_found

VERSION_MIN = 31
VERSION_MAX = 67


@dataclass(slots=True)
class ApiVersions:
    """From the oldest that is not retired to the newest; a test can have years pass."""

    oldest: int = VERSION_MIN
    newest: int = VERSION_MAX

    def numbers(self) -> range:
        return range(self.oldest, self.newest + 1)

    def require(self, number: int) -> None:
        """Raises UNSUPPORTED_API_VERSION (410) for a retired version, NOT_FOUND for one that is yet to come."""
        if number > self.newest:
            raise not_found()
        if number < self.oldest:
            raise SalesforceError(
                "UNSUPPORTED_API_VERSION", "The requested API version is no longer supported", status=410
            )
