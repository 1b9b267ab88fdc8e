"""Decodes vendors' answers into types, and turns failures that all vendors share into errors.

Every adapter sorts a vendor's errors itself, since only it knows that vendor's words. The rest is the same for all: an
answer that cannot be understood is `OutcomeUnknown` after a write and `Unavailable` after a read.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import msgspec

from shared.problem import OutcomeUnknown, Rejected, Unavailable, VendorError
from shared.shortened import shortened

T = TypeVar("T")
C = TypeVar("C", bound=msgspec.Struct)
_SAID_CHARS_MAX = 300
# What reading one record of a list can raise. It may be another program's record, and must not hide the others.
NOT_UNDERSTOOD = (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError, Rejected)


def decode_reply(content: bytes, shape: type[T], *, vendor: str, writes: bool) -> T:
    """Return `content` as `shape`; numbers meant for Decimal fields stay exact. Raises as `understanding` does."""
    with understanding(vendor, writes=writes):
        return msgspec.json.decode(content, type=shape)


@contextmanager
def understanding(vendor: str, *, writes: bool) -> Iterator[None]:
    """Wrap decoding and mapping: an answer of another shape is OutcomeUnknown for a write, Unavailable for a read."""
    try:
        yield
    # RecursionError: a proxy's answer may be nested deeper than any. ArithmeticError: amounts such as NaN. ValueError:
    # invalid UTF-8, money out of bounds, an unknown enumeration value.
    except (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError) as error:
        what = "answered something that cannot be understood."
        raise trustless(vendor, what, writes=writes, vendor_said=str(error)) from error


def as_canonical(record: C) -> C:
    """Return the record, checked as the next tier will check it.

    Raises msgspec.ValidationError if that tier would refuse it.

    Values that others wrote into a vendor's record may be longer than ours, or of another alphabet.
    """
    return msgspec.convert(msgspec.to_builtins(record), type(record))


def trustless(
    vendor: str, what: str, *, writes: bool, retry_after_s: int | None = None, vendor_said: str | None = None
) -> VendorError:
    """Return the error for an answer that does not say what was done.

    `what` continues a sentence about the vendor.
    """
    if writes:
        return OutcomeUnknown(f"{vendor} {what}", vendor=vendor, vendor_said=vendor_said)
    return Unavailable(f"{vendor} {what}", vendor=vendor, retry_after_s=retry_after_s, vendor_said=vendor_said)


def failure(vendor: str, status: int, said: str, *, writes: bool, retry_after_s: int | None = None) -> VendorError:
    """The error for an answer that comes from something in between, or from a vendor that is out of order."""
    said = f"HTTP status {status}: {said}" if said else f"HTTP status {status}"
    return trustless(
        vendor, "does not answer as it should.", writes=writes, retry_after_s=retry_after_s, vendor_said=said
    )


@contextmanager
def after_write(vendor: str, what: str) -> Iterator[None]:
    """Wrap reading back a write: if that fails, the write may have been done all the same."""
    try:
        yield
    except Unavailable as error:
        raise OutcomeUnknown(
            f"{vendor} took {what}, which could not be read back.",
            vendor=vendor,
            vendor_said=" ".join(part for part in (error.detail, error.vendor_said) if part),
        ) from error


def excerpt(content: bytes) -> str:
    """Return the beginning of an answer for operators: one line of at most 300 characters."""
    read = content[: 4 * (_SAID_CHARS_MAX + 1)]  # a character has four bytes at most
    return shortened(" ".join(read.decode(errors="replace").split()), _SAID_CHARS_MAX)


def jittered_s(at_least: int, at_most: int) -> int:
    """Return the seconds before a retry if the vendor names none; random, so that requests refused together spread
    out.
    """
    return random.randint(at_least, at_most)  # noqa: S311 jitter is no secret
