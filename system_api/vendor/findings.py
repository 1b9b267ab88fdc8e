"""What a check of a connection finds: what the vendor's side lacks, said so that whoever runs it knows what to mend."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from shared.problem import VendorError


class Level(StrEnum):
    """`lacks`: orders fail over it. `warns`: they work, for now or in part. `notes`: worth knowing, nothing to mend."""

    lacks = "lacks"
    warns = "warns"
    notes = "notes"


class Finding(msgspec.Struct, frozen=True):
    """One thing about a connection, in a plain sentence."""

    level: Level
    what: Annotated[str, Meta(min_length=1)]


class Findings:
    """Gathers what a check finds. What cannot be asked is a finding too, and the rest is asked all the same."""

    def __init__(self) -> None:
        self.found: list[Finding] = []

    def lacks(self, what: str) -> None:
        """Note something that orders fail over."""
        self.found.append(Finding(Level.lacks, what))

    def warns(self, what: str) -> None:
        """Note something that will not go well for ever, or works in part."""
        self.found.append(Finding(Level.warns, what))

    def notes(self, what: str) -> None:
        """Note something worth knowing."""
        self.found.append(Finding(Level.notes, what))

    @contextmanager
    def asking(self, level: Level = Level.lacks) -> Iterator[None]:
        """Around a question to the vendor: where it is refused, that is what was found."""
        try:
            yield
        except VendorError as error:
            said = f" ({error.vendor_said})" if error.vendor_said else ""
            finding = Finding(level, f"{error.detail}{said}")
            if finding not in self.found:
                self.found.append(finding)
