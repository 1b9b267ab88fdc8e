"""Which answers may be cached, for whom, and for how long."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# What Salesforce lets a user see is cached for as long too (by the process tier's visibility): nobody sees a record for
# longer than twice this after losing access to it.
KEPT_MAX_S = 30.0

# The header of an answer that must not be cached although its operation allows it: a part of it is missing.
NOT_KEPT = {"Cache-Control": "no-store"}


@dataclass(frozen=True)
class CachePolicy:
    """How long and for whom an operation's answers are cached. Only reads have one.

    For `fresh_s` seconds an answer is sent as it is; for `stale_s` more it is sent while a new one is fetched. `tags`
    name the records in it, with the address's parameters in braces (`account:{accountId}`): an event about one of them
    ends the answer. An answer is sent to the same caller only, unless `shared`: then to every caller of the tenant who
    holds the operation's scopes, so it must not depend on who asks.

    Raises ValueError for a lifetime longer than visibility allows.
    """

    fresh_s: float
    stale_s: float = 0.0
    tags: tuple[str, ...] = ()
    shared: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.fresh_s <= self.fresh_s + self.stale_s <= KEPT_MAX_S:
            raise ValueError(f"an answer is kept for more than 0 and at most {KEPT_MAX_S:g} seconds in all")

    def tags_of(self, path_params: Mapping[str, str]) -> tuple[str, ...]:
        """Return the tags of one request's answer."""
        return tuple(_same_record(tag.format_map(path_params)) for tag in self.tags)


def tags_of_event(data: Mapping[str, Any]) -> list[str]:
    """Return the tags of an event, from the ids in its data."""
    return [
        _same_record(f"{kind}:{data[name]}")
        for name, kind in (("accountId", "account"), ("orderId", "order"), ("externalId", "subscription"))
        if data.get(name)
    ]


def _same_record(tag: str) -> str:
    """Return one tag for both spellings of a Salesforce id: the last three of 18 characters only repeat the case."""
    kind, _, name = tag.partition(":")
    return f"{kind}:{name[:15]}" if kind == "account" else tag
