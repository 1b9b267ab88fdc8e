"""Tokens for calls between our own tiers: client credentials at the issuer, one token per tenant, renewed in time."""

import asyncio
import time
import warnings
from dataclasses import dataclass, field

import msgspec

from shared.outbound.http_client import HTTPFailure, OutboundClient, Transport, TransportFailure, open_network
from shared.outbound.outbound_settings import OutboundSettings
from shared.problem import Unavailable

with warnings.catch_warnings():
    # Authlib prefers httpx's successor and says so on import; httpx is this project's one client.
    from authlib.deprecate import AuthlibDeprecationWarning

    warnings.simplefilter("ignore", AuthlibDeprecationWarning)
    from authlib.common.errors import AuthlibBaseError
    from authlib.integrations.httpx_client import AsyncOAuth2Client

_RENEW_BEFORE_S = 30.0
_TENANTS_MAX = 10_000
# All tenants wait for one token that is being fetched.
_ISSUER = OutboundSettings(answer_timeout_s=10.0)


class IssuerMetadata(msgspec.Struct, frozen=True):
    """The parts of an authorization server's metadata (RFC 8414) that we use."""

    issuer: str
    jwks_uri: str
    token_endpoint: str


async def discover(client: OutboundClient, metadata_url: str) -> IssuerMetadata:
    """Read the issuer's metadata. Raises Unavailable while the issuer cannot be reached or answers something else."""
    response = await client.send("GET", metadata_url)
    if not response.is_success:
        raise Unavailable(f"the issuer's metadata answers {response.status_code}", vendor="issuer")
    try:
        return msgspec.json.decode(response.content, type=IssuerMetadata)
    except msgspec.DecodeError as error:
        raise Unavailable(f"the issuer's metadata is not usable: {error}", vendor="issuer") from error


@dataclass
class ServiceTokens:
    """This service's own tokens for one audience, a token per tenant.

    `transport` replaces the network in tests that wire the tiers together in one process.
    """

    metadata_url: str
    client_id: str
    client_secret: str
    audience: str
    transport: Transport | None = None
    _tokens: dict[str, tuple[str, float]] = field(default_factory=dict)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self._issuer = OutboundClient("issuer", "", transport=self.transport)
        self._oauth = AsyncOAuth2Client(
            self.client_id,
            self.client_secret,
            token_endpoint_auth_method="client_secret_basic",  # noqa: S106 the method's name, not a secret
            # Without one, httpx would open a network of its own.
            transport=self.transport or open_network(_ISSUER),
            trust_env=False,
        )
        self._token_endpoint = ""

    async def bearer(self, tenant: str) -> str:
        """Return a token that acts for `tenant`, valid for half a minute at least.

        Raises Unavailable if the issuer gives none.
        """
        async with self._lock:
            held = self.held(tenant)
            if held is not None:
                return held
            token, lifetime_s = await self._fetch(tenant)
            if len(self._tokens) >= _TENANTS_MAX:
                del self._tokens[next(iter(self._tokens))]  # fetched again when it is needed
            self._tokens[tenant] = (token, time.monotonic() + lifetime_s - _RENEW_BEFORE_S)
            return token

    def held(self, tenant: str) -> str | None:
        """Return a cached token, or None: callers with a token never wait while another tenant's is fetched."""
        token, renew_at = self._tokens.get(tenant, ("", 0.0))
        return token if time.monotonic() < renew_at else None

    def forget(self, tenant: str) -> None:
        """Drop the tenant's token after a peer refused it, so that the next call fetches a new one."""
        self._tokens.pop(tenant, None)

    async def close(self) -> None:
        """Close the connections to the issuer."""
        await self._issuer.close()
        await self._oauth.aclose()

    async def _fetch(self, tenant: str) -> tuple[str, float]:
        if not self._token_endpoint:
            self._token_endpoint = (await discover(self._issuer, self.metadata_url)).token_endpoint
        # An audience that is a URI is sent as `resource` too (RFC 8707): some issuers know only that.
        resource = {"resource": self.audience} if ":" in self.audience else {}
        try:
            answer = await self._oauth.fetch_token(
                self._token_endpoint, grant_type="client_credentials", audience=self.audience, tenant=tenant, **resource
            )
        except AuthlibBaseError as error:
            detail = f"the issuer gives {self.client_id} no token for {self.audience}: {error}"
            raise Unavailable(detail, reason_code="no_service_token", vendor="issuer") from error
        except TransportFailure as error:
            raise Unavailable(f"the issuer does not answer ({type(error).__name__})", vendor="issuer") from error
        except (HTTPFailure, ValueError) as error:  # an error page, or something that is not JSON
            raise Unavailable(f"the issuer's answer is not usable: {error}", vendor="issuer") from error
        if not isinstance(answer.get("access_token"), str):
            raise Unavailable("the issuer's answer has no access token", vendor="issuer")
        return answer["access_token"], float(answer.get("expires_in", 300))
