"""Records of a query, with values by our names and in the types that we need."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec

Record = Mapping[str, Any]
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]+")


class Page(msgspec.Struct, frozen=True):
    """A page of records, of a query or of a subquery; `next_address` leads to the rest of them."""

    records: list[dict[str, Any]]
    total_size: int = msgspec.field(name="totalSize", default=-1)
    next_address: str | None = msgspec.field(name="nextRecordsUrl", default=None)


@dataclass(frozen=True, slots=True)
class Row:
    """A record. `paths` are the org's paths by our names; a name that the org does not have reads as None.

    Raises ValueError for a value of another type: that is no answer of Salesforce's.
    """

    record: Record
    paths: Mapping[str, str]

    @property
    def id(self) -> str:
        """The record's own id, which every record has."""
        found = self.record.get("Id")
        if not isinstance(found, str):
            raise ValueError(f"a record's Id is {found!r}")  # noqa: TRY004 an answer, not an argument
        return found

    def text(self, name: str) -> str | None:
        """Return the value as one line of text, trimmed; None if it is empty.

        Pasted text brings tabs and line breaks along. They mean nothing in a number or a name, and an ERP refuses them
        (Tryton: "contains some invalid chars").
        """
        value = self._value(name)
        if value is not None and not isinstance(value, str):
            raise ValueError(f"{self.paths[name]} is {value!r}, not a text")
        return _CONTROLS.sub(" ", value or "").strip() or None

    def block(self, name: str) -> str | None:
        """Return the value as text of several lines, such as a street."""
        value = self._value(name)
        return value.strip() or None if isinstance(value, str) else self.text(name)

    def decimal(self, name: str) -> Decimal | None:
        """Return the value as a number, with every digit that was sent."""
        value = self._value(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise ValueError(f"{self.paths[name]} is {value!r}, not a number")  # noqa: TRY004 an answer, not an argument
        return Decimal(value)

    def flag(self, name: str) -> bool:
        """Return a checkbox; an empty value is False."""
        value = self._value(name)
        if value is not None and not isinstance(value, bool):
            raise ValueError(f"{self.paths[name]} is {value!r}, not true or false")
        return bool(value)

    def word(self, name: str) -> str:
        """Return a picklist's value or a checkbox in lower case: "true" if checked; "" if empty."""
        value = self._value(name)
        return str(value).strip().lower() if value is not None else ""

    def day(self, name: str) -> str | None:
        """Return a date as an RFC 3339 full date."""
        text = self.text(name)
        return date.fromisoformat(text[:10]).isoformat() if text else None

    def moment(self, name: str) -> str | None:
        """Return a date and time as RFC 3339, in UTC, to the second."""
        text = self.text(name)
        if text is None:
            return None
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError(f"{self.paths[name]} is {text!r}, which says no time zone")
        return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def _value(self, name: str) -> Any:
        path = self.paths.get(name)
        value: Any = self.record if path else None
        for part in (path or "").split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        return value


def decode_rows(content: bytes) -> Page:
    """Return a query's answer with exact numbers."""
    return _DECODER.decode(content)


def decode_row(content: bytes) -> dict[str, Any]:
    """Return a single record with exact numbers."""
    return _ROW_DECODER.decode(content)


def page_within(value: Any) -> Page | None:
    """Return the records of a subquery; None if there are none."""
    return msgspec.convert(value, Page) if value is not None else None


_DECODER = msgspec.json.Decoder(Page, float_hook=Decimal)
_ROW_DECODER = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)
