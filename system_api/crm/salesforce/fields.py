"""What mapping Salesforce's records needs alike: fields that must be there, and values that must fit."""

from typing import TypeVar

import msgspec

from shared.problem import Rejected
from system_api.crm.salesforce.errors import VENDOR

T = TypeVar("T", bound=msgspec.Struct)


def required(value: str | None, what: str, name: str) -> str:
    if not value:
        raise incomplete(f"{what} has no {name}")
    return value


def checked(value: T, what: str) -> T:
    """`value`, once more held against its own bounds, which are not enforced when it is made in code."""
    try:
        return msgspec.convert(msgspec.to_builtins(value), type(value))
    except msgspec.ValidationError as error:
        raise incomplete(f"{what} cannot be used: {error}") from error


def incomplete(said: str) -> Rejected:
    return Rejected(f"{said}. Mend it in {VENDOR}.", reason_code="incomplete_record", vendor=VENDOR)
