"""Broken adapters: each violates one test of its capability's contract, to show that the test can fail."""

import inspect
from typing import Any

import pytest

from shared.problem import VendorError

# The failures of a contract test with a broken adapter: an assertion, a missing expected error, or one of another
# family.
BROKEN_PROMISE = (AssertionError, pytest.fail.Exception, VendorError)


class Planted:
    """An adapter that is correct except for what its class breaks."""

    def __init__(self, kept: Any, side: Any) -> None:
        self.kept, self.side = kept, side

    def __getattr__(self, name: str) -> Any:
        return getattr(self.kept, name)


def promises(contract: type) -> set[str]:
    """Return the names of a contract suite's tests."""
    return {name for name, _ in inspect.getmembers(contract, inspect.isfunction) if name.startswith("test_")}


def ids(plants: list[tuple[type[Planted], str]]) -> list[str]:
    """Return the names of the planted tests: what breaks, and which promise."""
    return [f"{broken.__name__}-{promise.removeprefix('test_')}" for broken, promise in plants]
