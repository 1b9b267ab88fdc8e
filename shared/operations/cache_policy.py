"""Which answers may be given again, to whom, and for how long."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# What Salesforce lets a user see is itself remembered for as long (shared with the process tier's visibility): nobody
# sees a record for longer than twice this after losing it.
KEPT_MAX_S = 30.0

# The header of an answer that is not to be given again although its operation allows it: something is missing in it.
NOT_KEPT = {"Cache-Control": "no-store"}


@dataclass(frozen=True)
class CachePolicy:
    """How an operation's answers are kept. Only reads have one.

    For `fresh_s` seconds an answer is given as it is; for `stale_s` more it is given while a new one is fetched. `tags`
    name what it speaks of, with the address's parameters in braces (`account:{accountId}`): an event about that ends
    it. An answer is given to the same caller only, unless `shared`: then to every caller of the tenant who holds the
    operation's scopes, so it must not depend on who asks.

    Raises ValueError for an answer that would outlive what its caller may see.
    """

    fresh_s: float
    stale_s: float = 0.0
    tags: tuple[str, ...] = ()
    shared: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.fresh_s <= self.fresh_s + self.stale_s <= KEPT_MAX_S:
            raise ValueError(f"an answer is kept for more than 0 and at most {KEPT_MAX_S:g} seconds in all")

    def tags_of(self, path_params: Mapping[str, str]) -> tuple[str, ...]:
        """The tags of one request's answer."""
        return tuple(_same_record(tag.format_map(path_params)) for tag in self.tags)


def tags_of_event(data: Mapping[str, Any]) -> list[str]:
    """What an event speaks of, by the ids in its data."""
    return [
        _same_record(f"{kind}:{data[name]}")
        for name, kind in (("accountId", "account"), ("orderId", "order"), ("externalId", "subscription"))
        if data.get(name)
    ]


def _same_record(tag: str) -> str:
    """One tag for the two spellings of a Salesforce id: the last three of 18 characters only repeat the case."""
    kind, _, name = tag.partition(":")
    return f"{kind}:{name[:15]}" if kind == "account" else tag
