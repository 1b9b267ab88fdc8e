"""The settings of a system tier process, from the environment."""

from typing import Annotated

from msgspec import Meta

from shared.canonical.wire import PlatformTenant
from shared.inbound.settings import InboundSettings


class SystemSettings(InboundSettings, frozen=True, kw_only=True):
    """The system tier's settings; each is the variable QUOTEWAY_<FIELD>."""

    issuer_metadata_url: Annotated[
        str,
        Meta(
            pattern=r"^https?://",
            description="the address of the OAuth issuer's metadata (…/.well-known/oauth-authorization-server)",
        ),
    ]
    system_connections: Annotated[
        str, Meta(min_length=1, description="the path of the TOML file that lists the vendor connections")
    ]
    quota_local_share: Annotated[
        float, Meta(gt=0, le=1, description="the share of a vendor's quota that each process uses while Redis is away")
    ] = 0.25
    system_audience: Annotated[
        str, Meta(min_length=1, description="the audience that access tokens for this tier carry")
    ] = "quoteway-system"
    revocations_url: Annotated[
        str,
        Meta(pattern="^https?://", description="the process API's address, where revoked tokens are listed"),
    ]
    platform_tenant: PlatformTenant = "quoteway"
    system_host: Annotated[str, Meta(min_length=1, description="the address to listen on")] = "127.0.0.1"
    system_port: Annotated[
        int, Meta(ge=0, le=65535, description="the port to listen on; 0 takes a free one and says which")
    ] = 8003
