"""Connections: which vendor serves which tenant and legal entity, without the settings that other tiers need not
know.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from shared.canonical.wire import END, Canonical, ShortText, TenantCode


class ConnectionSummary(Canonical, frozen=True, kw_only=True):
    """A connection without its settings. `legal_entity` is "*" where one connection serves them all."""

    tenant: TenantCode
    capability: Literal["erp", "billing", "crm", "tax"]
    legal_entity: Annotated[str, Meta(pattern=r"^(\*|[A-Z0-9][A-Z0-9-]{0,31})" + END, examples=["NW-DE"])]
    adapter: ShortText
    takes_webhooks: bool = False


class Connections(msgspec.Struct, frozen=True, kw_only=True):
    """The connections that the caller may see."""

    connections: list[ConnectionSummary]
