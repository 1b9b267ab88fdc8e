"""Salesforce's errors: an HTTP status and one item of the array `[{message, errorCode, fields}]`."""

from collections.abc import Sequence
from typing import Any


class SalesforceError(Exception):
    """A refused request. `fields` is None for errors that Salesforce reports without field names (queries, say)."""

    def __init__(
        self, error_code: str, message: str, *, status: int = 400, fields: Sequence[str] | None = None
    ) -> None:
        super().__init__(message)
        self.error_code = error_code
        self.message = message
        self.status = status
        self.fields = fields

    def as_items(self) -> list[dict[str, Any]]:
        """Return the body of a REST answer."""
        item: dict[str, Any] = {"message": self.message, "errorCode": self.error_code}
        if self.fields is not None:
            item["fields"] = list(self.fields)
        return [item]

    def as_save_error(self) -> dict[str, Any]:
        """Return how the same error reads inside a collection's or a tree's result."""
        return {"statusCode": self.error_code, "message": self.message, "fields": list(self.fields or ())}


def not_found(message: str = "The requested resource does not exist") -> SalesforceError:
    return SalesforceError("NOT_FOUND", message, status=404)


def entity_is_deleted() -> SalesforceError:
    return SalesforceError("ENTITY_IS_DELETED", "entity is deleted", status=404, fields=())


def malformed_json(detail: str) -> SalesforceError:
    return SalesforceError("JSON_PARSER_ERROR", detail)
