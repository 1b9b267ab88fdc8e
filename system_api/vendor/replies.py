"""What adapters do alike with a vendor's answer: decode it into types, or say what its failure means.

Every adapter sorts a vendor's errors itself, since only it knows that vendor's words. What remains is the same for all:
an answer that cannot be understood is `OutcomeUnknown` after a write and `Unavailable` after a read.
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
# What reading one record of a list can raise. It must not take away the sight of the others: it may be somebody else's.
NOT_UNDERSTOOD = (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError, Rejected)


def decode_reply(content: bytes, shape: type[T], *, vendor: str, writes: bool) -> T:
    """`content` as `shape`; numbers meant for Decimal fields stay exact. Raises as `understanding` does."""
    with understanding(vendor, writes=writes):
        return msgspec.json.decode(content, type=shape)


@contextmanager
def understanding(vendor: str, *, writes: bool) -> Iterator[None]:
    """Around decoding and mapping: an answer of another shape is OutcomeUnknown for a write, Unavailable for a read."""
    try:
        yield
    # RecursionError: a proxy's nonsense may be nested deeper than any answer. ArithmeticError: amounts such as NaN.
    # ValueError: bytes that are not UTF-8, money out of bounds, a word where one of a few was meant.
    except (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError) as error:
        what = "answered something that cannot be understood."
        raise trustless(vendor, what, writes=writes, vendor_said=str(error)) from error


def as_canonical(record: C) -> C:
    """The record, held to what the next tier will hold it to. Raises msgspec.ValidationError where it would refuse it.

    What others have written into a vendor's record may be longer than ours, or of another alphabet.
    """
    return msgspec.convert(msgspec.to_builtins(record), type(record))


def trustless(
    vendor: str, what: str, *, writes: bool, retry_after_s: int | None = None, vendor_said: str | None = None
) -> VendorError:
    """The error for an answer that says nothing about what was done. `what` continues a sentence about the vendor."""
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
    """Around reading back what was written: not being able to read it does not mean that it was not done."""
    try:
        yield
    except Unavailable as error:
        raise OutcomeUnknown(
            f"{vendor} took {what}, which could not be read back.",
            vendor=vendor,
            vendor_said=" ".join(part for part in (error.detail, error.vendor_said) if part),
        ) from error


def excerpt(content: bytes) -> str:
    """The beginning of an answer, for an operator's eyes: one line, no more than 300 characters."""
    read = content[: 4 * (_SAID_CHARS_MAX + 1)]  # a character has four bytes at most
    return shortened(" ".join(read.decode(errors="replace").split()), _SAID_CHARS_MAX)


def jittered_s(at_least: int, at_most: int) -> int:
    """Seconds to wait before a repeat where the vendor names none; spread, so that those refused together part."""
    return random.randint(at_least, at_most)  # noqa: S311 jitter is no secret
