"""Who is calling: access tokens (RFC 9068) checked against the issuer's published keys.

Only asymmetric algorithms, exactly our issuer and audience, at most 60 s of leeway, and nothing larger than 8 KiB is
even decoded. The key id is a look-up and nothing more. Keys that no one should sign with are refused at load.
"""

import asyncio
import logging
import re
import time
from dataclasses import dataclass, field
from typing import Any

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey
from joserfc.jws import extract_compact

from shared.http_client import OutboundClient, Transport
from shared.problem import Forbidden, Unauthenticated, Unavailable
from shared.service_token import discover

# "Ed25519" is the name that RFC 9864 gives what was "EdDSA" before.
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA"]
TOKEN_BYTES_MAX = 8192
LEEWAY_S = 60
RSA_BITS_MIN = 2048
# A caller waits no longer than this for the issuer's keys, with all that wait before it.
KEYS_TIMEOUT_S = 3.0
_TENANT = re.compile(r"[a-z0-9-]{1,40}")
# A Salesforce user's id in the one spelling that everything behind this door uses.
_USER = re.compile(r"005[A-Za-z0-9]{15}")
_TYPES = frozenset({"at+jwt", "application/at+jwt"})
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Principal:
    """The caller, as its token says: for which tenant it acts, through which client, with which scopes.

    `user` is the Salesforce user (005…, 18 characters) in whose name the token was issued; None for a service.
    """

    subject: str
    client_id: str
    tenant: str
    scopes: frozenset[str]
    user: str | None = None

    def require(self, scopes: list[str]) -> None:
        """Raise Forbidden unless the token has every one of `scopes`."""
        missing = [scope for scope in scopes if scope not in self.scopes]
        if missing:
            raise Forbidden(f"The token lacks the scope {' '.join(missing)}.", scopes=scopes)


@dataclass
class Authenticator:
    """Checks the tokens of one issuer for one audience; knows the issuer by its metadata address only.

    Keys are fetched at first need and again when a token names an unknown one, but never more often than every
    `refetch_min_s` seconds, so that invented key ids cannot turn us against the issuer. While the issuer is away the
    known keys go on.
    """

    metadata_url: str
    audience: str
    transport: Transport | None = None
    refetch_min_s: float = 60.0
    _keys: dict[str, Any] = field(default_factory=dict)
    _issuer: str = ""
    _fetched_at: float | None = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self._client = OutboundClient("issuer", "", transport=self.transport)

    async def close(self) -> None:
        """Close the connections to the issuer."""
        await self._client.close()

    async def authenticate(self, authorization: str | None) -> Principal:
        """The principal of an Authorization header. Raises Unauthenticated, or Unavailable where no key can be had."""
        if not authorization:
            raise Unauthenticated("Send an access token: Authorization: Bearer <token>.")
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated("The Authorization header is not a bearer token.", error="invalid_request")
        if len(token) > TOKEN_BYTES_MAX:
            raise Unauthenticated(f"The token is larger than {TOKEN_BYTES_MAX} bytes.", error="invalid_token")
        claims = await self._verified_claims(token)
        return self._principal(claims)

    async def ready(self) -> str | None:
        """None once the issuer's keys are known, else what is missing."""
        try:
            await self._fetch_keys()
        except Unavailable as error:
            return None if self._keys else error.detail
        return None

    async def _verified_claims(self, token: str) -> dict[str, Any]:
        key = await self._key(token)
        try:
            decoded = jwt.decode(token, key, algorithms=ALGORITHMS)
            if str(decoded.header.get("typ", "")).lower() not in _TYPES:
                raise Unauthenticated("The token is not an access token (typ at+jwt).", error="invalid_token")
            registry = jwt.JWTClaimsRegistry(
                leeway=LEEWAY_S,
                iss={"essential": True, "value": self._issuer},
                aud={"essential": True, "value": self.audience},
                exp={"essential": True},
                iat={"essential": True},
                sub={"essential": True},
            )
            registry.validate(decoded.claims)
        except (JoseError, ValueError) as error:
            # The reason goes to our log; the caller learns only what RFC 6750 allows.
            _log.info("token refused: %s", error)
            raise Unauthenticated("The token is not valid for this service.", error="invalid_token") from error
        return decoded.claims

    def _principal(self, claims: dict[str, Any]) -> Principal:
        tenant, scope = claims.get("tenant"), claims.get("scope", "")
        subject, client_id = claims.get("sub"), claims.get("client_id")
        if not isinstance(tenant, str) or not _TENANT.fullmatch(tenant) or not isinstance(scope, str):
            raise Unauthenticated("The token names no tenant.", error="invalid_token")
        user = claims.get("salesforce_user")
        if user is not None and (not isinstance(user, str) or not _USER.fullmatch(user)):
            # Taking it for a service's token would let the user see what only services see.
            raise Unauthenticated("The token names a user in no known way.", error="invalid_token")
        return Principal(
            subject=str(subject),
            client_id=str(client_id or subject),
            tenant=tenant,
            scopes=frozenset(scope.split()),
            user=user,
        )

    async def _key(self, token: str) -> Any:
        try:
            header = extract_compact(token.encode()).headers()
        except (JoseError, ValueError) as error:
            raise Unauthenticated("The token cannot be read.", error="invalid_token") from error
        kid = str(header.get("kid", ""))
        if kid not in self._keys:
            try:
                async with asyncio.timeout(KEYS_TIMEOUT_S):
                    await self._fetch_keys()
            except TimeoutError as error:
                raise Unavailable(f"the issuer gives no keys within {KEYS_TIMEOUT_S:g} s", vendor="issuer") from error
        key = self._keys.get(kid)
        if key is None:
            raise Unauthenticated("The token is signed with an unknown key.", error="invalid_token")
        return key

    async def _fetch_keys(self) -> None:
        async with self._lock:
            if self._fetched_at is not None and time.monotonic() - self._fetched_at < self.refetch_min_s:
                return
            if self._keys:
                # With keys in hand, a failed fetch counts as one too: an issuer that is away is not hammered.
                self._fetched_at = time.monotonic()
            metadata = await discover(self._client, self.metadata_url)
            response = await self._client.send("GET", metadata.jwks_uri)
            if not response.is_success:
                raise Unavailable(f"the issuer's keys answer {response.status_code}", vendor="issuer")
            try:
                key_set = msgspec.json.decode(response.content, type=JwkSet)
            except msgspec.DecodeError as error:
                raise Unavailable(f"the issuer's keys are not usable: {error}", vendor="issuer") from error
            self._issuer, self._keys = metadata.issuer, load_keys(key_set)
            self._fetched_at = time.monotonic()


class JwkSet(msgspec.Struct, frozen=True):
    """The keys an issuer publishes (RFC 7517)."""

    keys: list[dict[str, Any]]


def load_keys(published: JwkSet) -> dict[str, Any]:
    """The usable public keys of a JWK set, by key id. Weak, private, symmetric or ambiguous ones are left out."""
    keys: dict[str, Any] = {}
    refused: set[str] = set()
    for raw in published.keys:
        kid = str(raw.get("kid", ""))
        try:
            key = KeySet.import_key_set({"keys": [raw]}).keys[0]
        except (JoseError, ValueError, KeyError):
            _log.warning("issuer key %s cannot be read: left out", kid)
            continue
        reason = _refusal(key, kid, keys)
        if reason:
            _log.warning("issuer key %s %s: left out", kid, reason)
            refused.add(kid)
        else:
            keys[kid] = key
    return {kid: key for kid, key in keys.items() if kid not in refused}


def _refusal(key: Any, kid: str, known: dict[str, Any]) -> str | None:
    if not isinstance(key, RSAKey | ECKey | OKPKey):
        return "is symmetric"
    if key.is_private:
        return "is private"
    if isinstance(key, RSAKey) and key.public_key.key_size < RSA_BITS_MIN:
        return f"has fewer than {RSA_BITS_MIN} bits"
    if not kid or kid in known:
        return "has no key id of its own"
    return None
