"""Tryton's JSON, in which decimals, dates and the like are objects that name their class."""

import json
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any


def encode(value: object) -> bytes:
    """Encode a value as Tryton's JSON."""
    return json.dumps(value, default=_as_object).encode()


def decode(text: bytes | str) -> Any:
    """Decode Tryton's JSON. Raises `ValueError` for anything else."""
    return json.loads(text, object_hook=_from_object)


def _as_object(value: object) -> dict[str, object]:
    if isinstance(value, Decimal):
        return {"__class__": "Decimal", "decimal": str(value)}
    if isinstance(value, datetime):
        parts = ("year", "month", "day", "hour", "minute", "second", "microsecond")
        return {"__class__": "datetime", **{part: getattr(value, part) for part in parts}}
    if isinstance(value, date):
        return {"__class__": "date", "year": value.year, "month": value.month, "day": value.day}
    if isinstance(value, timedelta):
        return {"__class__": "timedelta", "seconds": value.total_seconds()}
    raise TypeError(f"Tryton's JSON has no form for {type(value).__name__}")


def _from_object(found: dict[str, Any]) -> Any:
    match found.get("__class__"):
        case "Decimal":
            return Decimal(found["decimal"])
        case "date":
            return date(found["year"], found["month"], found["day"])
        case "datetime":
            parts = ("year", "month", "day", "hour", "minute", "second", "microsecond")
            return datetime(*(found[part] for part in parts))  # noqa: DTZ001 (Tryton's times carry no zone: they are UTC)
        case "timedelta":
            return timedelta(seconds=found["seconds"])
        case _:
            return found
