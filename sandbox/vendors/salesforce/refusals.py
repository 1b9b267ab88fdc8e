"""Refusals a test asks for: the next requests that fit are answered with a given error, and nothing happens."""

import re
from dataclasses import dataclass

from sandbox.vendors.salesforce.errors import SalesforceError

_DATA_PREFIX = re.compile(r"/services/data/v\d+\.0")


@dataclass(slots=True)
class Refusal:
    """`path` is a prefix, with or without /services/data/vNN.0; `method` may be "*"; `times` counts down."""

    method: str
    path: str
    times: int
    error: SalesforceError


class Refusals:
    def __init__(self) -> None:
        self._pending: list[Refusal] = []

    def add(self, refusal: Refusal) -> None:
        self._pending.append(refusal)

    def clear(self) -> None:
        self._pending.clear()

    def check(self, method: str, path: str) -> None:
        """Raises the error of the first refusal that fits, and counts it."""
        versionless = _DATA_PREFIX.sub("", path, count=1)
        for refusal in self._pending:
            if refusal.method not in ("*", method) or not _begins(refusal.path, path, versionless):
                continue
            refusal.times -= 1
            if refusal.times <= 0:
                self._pending.remove(refusal)
            raise refusal.error


def _begins(prefix: str, path: str, versionless: str) -> bool:
    return path.startswith(prefix) or versionless.startswith(prefix)
