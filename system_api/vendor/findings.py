"""Findings of a connection check: what the vendor's side lacks, in words that say what to mend."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from shared.problem import VendorError


class Level(StrEnum):
    """`lacks`: orders fail because of it. `warns`: they work, for now or in part. `notes`: worth knowing, nothing to
    mend.
    """

    lacks = "lacks"
    warns = "warns"
    notes = "notes"


class Finding(msgspec.Struct, frozen=True):
    """One finding about a connection, in a plain sentence."""

    level: Level
    what: Annotated[str, Meta(min_length=1)]


class Findings:
    """Collects the findings of a check. A question that fails is a finding too, and the rest is asked all the same."""

    def __init__(self) -> None:
        self.found: list[Finding] = []

    def lacks(self, what: str) -> None:
        """Add something that makes orders fail."""
        self.found.append(Finding(Level.lacks, what))

    def warns(self, what: str) -> None:
        """Add something that works only for now, or in part."""
        self.found.append(Finding(Level.warns, what))

    def notes(self, what: str) -> None:
        """Add something worth knowing."""
        self.found.append(Finding(Level.notes, what))

    @contextmanager
    def asking(self, level: Level = Level.lacks) -> Iterator[None]:
        """Wrap a question to the vendor: a refusal becomes a finding."""
        try:
            yield
        except VendorError as error:
            said = f" ({error.vendor_said})" if error.vendor_said else ""
            finding = Finding(level, f"{error.detail}{said}")
            if finding not in self.found:
                self.found.append(finding)
