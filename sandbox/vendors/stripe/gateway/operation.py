"""One operation of the API: its route, the parameters it knows, and what it does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.vendors.stripe.account import Account
from sandbox.vendors.stripe.store import Record
from sandbox.vendors.stripe.wire.params import Fields, Items, Text

EXPAND = Items(of=Text(), count_max=20)


@dataclass(frozen=True)
class Call:
    """One accepted call: `params` are checked values, `path` the ids of the URL."""

    account: Account
    params: Mapping[str, Any]
    path: Mapping[str, str] = field(default_factory=dict)
    url: str = ""
    version: str = ""

    @property
    def object_id(self) -> str:
        """The id in the URL."""
        return self.path["id"]

    def fetch(self, kind: str) -> Record:
        """Return the object whose id is in the URL; StripeError 404 when there is none."""
        return self.account.fetch(kind, self.object_id, status=404)

    def fetch_live(self, kind: str) -> Record:
        """As `fetch`, and a deleted object is as good as none."""
        return self.account.fetch_live(kind, self.object_id, status=404)


@dataclass(frozen=True)
class Operation:
    """A route with its parameters and its handler.

    The handler answers a record, or an envelope (list, search result) of records; it raises StripeError to refuse.
    `search` operations share a rate limit of their own.
    """

    method: str
    path: str
    handler: Callable[[Call], Record]
    fields: Fields = field(default_factory=dict)
    search: bool = False

    @property
    def known(self) -> Fields:
        """The declared parameters and `expand`, which every operation takes."""
        return {**self.fields, "expand": EXPAND}
