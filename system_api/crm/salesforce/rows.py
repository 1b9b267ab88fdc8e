"""Records of a query whose fields are named by the connection's map: values by our names, in the types that we need."""

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
    """A page of records, of a query or of a query within one; `next_address` leads to the rest of them."""

    records: list[dict[str, Any]]
    total_size: int = msgspec.field(name="totalSize", default=-1)
    next_address: str | None = msgspec.field(name="nextRecordsUrl", default=None)


@dataclass(frozen=True, slots=True)
class Row:
    """A record. `paths` are the org's paths by our names; a name that the org does not have is read as None.

    Raises ValueError where a value is of another type: that is no answer of Salesforce's.
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
        """The value as text of one line, without the blanks around it; None where it is empty.

        What is pasted brings tabs and line breaks along. In a number or a name they mean nothing, and an ERP refuses
        them (Tryton: "contains some invalid chars").
        """
        value = self._value(name)
        if value is not None and not isinstance(value, str):
            raise ValueError(f"{self.paths[name]} is {value!r}, not a text")
        return _CONTROLS.sub(" ", value or "").strip() or None

    def block(self, name: str) -> str | None:
        """The value as text of several lines, such as a street."""
        value = self._value(name)
        return value.strip() or None if isinstance(value, str) else self.text(name)

    def decimal(self, name: str) -> Decimal | None:
        """The value as a number, every digit as it was sent."""
        value = self._value(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise ValueError(f"{self.paths[name]} is {value!r}, not a number")  # noqa: TRY004 an answer, not an argument
        return Decimal(value)

    def flag(self, name: str) -> bool:
        """A checkbox; empty is not checked."""
        value = self._value(name)
        if value is not None and not isinstance(value, bool):
            raise ValueError(f"{self.paths[name]} is {value!r}, not true or false")
        return bool(value)

    def word(self, name: str) -> str:
        """A picklist's value or a checkbox, in lower case: "true" for a checked one; "" where it is empty."""
        value = self._value(name)
        return str(value).strip().lower() if value is not None else ""

    def day(self, name: str) -> str | None:
        """A date as an RFC 3339 full date."""
        text = self.text(name)
        return date.fromisoformat(text[:10]).isoformat() if text else None

    def moment(self, name: str) -> str | None:
        """A date and time as RFC 3339, in UTC and to the second."""
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
    """A query's answer, its numbers exact."""
    return _DECODER.decode(content)


def decode_row(content: bytes) -> dict[str, Any]:
    """A single record, its numbers exact."""
    return _ROW_DECODER.decode(content)


def page_within(value: Any) -> Page | None:
    """The records of a query within a query, None where there are none."""
    return msgspec.convert(value, Page) if value is not None else None


_DECODER = msgspec.json.Decoder(Page, float_hook=Decimal)
_ROW_DECODER = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)
