"""Checks that the mapping of Salesforce's records shares: required fields, and values within bounds."""

import re
from typing import Any, TypeVar

import msgspec

from shared.inbound.body_faults import faults_of, sentence_of
from shared.problem import Fault, Rejected
from system_api.crm.salesforce.errors import VENDOR

T = TypeVar("T", bound=msgspec.Struct)
_CAPITAL = re.compile("[A-Z]")
# A longer value is not quoted: its length is the fault.
_SHOWN_CHARS_MAX = 40


def required(value: str | None, what: str, name: str, pointer: str) -> str:
    """`value`, which has to be there. `name` is the org's name of the field, `pointer` leads to it in our record."""
    if not value:
        raise incomplete(f"{what} has no {name}", pointer)
    return value


def checked(value: T, what: str) -> T:
    """Return `value`, checked against its own bounds, which are not enforced for values made in code.

    Raises Rejected (`incomplete_record`) with every fault: which line and field, its value, and the allowed values.
    """
    content = msgspec.to_builtins(value)
    try:
        return msgspec.convert(content, type(value))
    except msgspec.ValidationError as error:
        faults = faults_of(content, type(value))
        told = [_told(content, fault) for fault in faults] or [f"{sentence_of(str(error).split(' - at ')[0])}"]
        refused = incomplete(f"{what} cannot be used: {' '.join(told)}")
        refused.faults = [
            Fault(pointer=fault.pointer, detail=incomplete(f"{what} cannot be used: {said}").detail)
            for fault, said in zip(faults, told, strict=False)
        ]
        raise refused from error


def _told(content: Any, fault: Fault) -> str:
    """Return one fault, such as "Line 2 (SENSOR-TEMP), quantity "-1": This has the wrong format."."""
    names = fault.pointer.split("/")[1:]
    words: list[str] = []
    found = content
    for name in names:
        found = found[int(name)] if isinstance(found, list) else found.get(name)
        if name.isdigit():
            sku = found.get("sku") if isinstance(found, dict) else None
            words[-1:] = [f"line {int(name) + 1}" + (f" ({sku})" if sku else "")]
        else:
            words.append(_CAPITAL.sub(lambda capital: f" {capital[0].lower()}", name))
    shown = str(found)
    where = ", ".join(words) + (f' "{shown}"' if 0 < len(shown) <= _SHOWN_CHARS_MAX and shown.isprintable() else "")
    detail = fault.detail.replace(", as a string", "").replace(" as a string", "")  # technical words
    return f"{where[:1].upper()}{where[1:]}: {detail}"


def incomplete(said: str, pointer: str | None = None) -> Rejected:
    """The refusal of a record; `pointer` leads to what is wrong with it, in the canonical record."""
    said = f"{said.rstrip('.')}. Mend it in {VENDOR}."
    error = Rejected(said, reason_code="incomplete_record", vendor=VENDOR)
    error.faults = [] if pointer is None else [Fault(pointer=pointer, detail=said)]
    return error
