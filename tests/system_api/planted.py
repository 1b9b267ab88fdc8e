"""Adapters that break one promise of their capability's contract, planted to see the promise's test fail."""

import inspect
from typing import Any

import pytest

from shared.problem import VendorError

# What a contract's test ends with where the adapter does not do as it promises: an assertion, an error that was to
# come and did not, or one of another family.
BROKEN_PROMISE = (AssertionError, pytest.fail.Exception, VendorError)


class Planted:
    """An adapter that keeps every promise but the one that its class breaks."""

    def __init__(self, kept: Any, side: Any) -> None:
        self.kept, self.side = kept, side

    def __getattr__(self, name: str) -> Any:
        return getattr(self.kept, name)


def promises(contract: type) -> set[str]:
    """The names of a contract suite's tests."""
    return {name for name, _ in inspect.getmembers(contract, inspect.isfunction) if name.startswith("test_")}


def ids(plants: list[tuple[type[Planted], str]]) -> list[str]:
    """The names of the planted tests: what breaks, and which promise."""
    return [f"{broken.__name__}-{promise.removeprefix('test_')}" for broken, promise in plants]
