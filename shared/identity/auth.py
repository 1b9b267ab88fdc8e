"""Authentication: access tokens (RFC 9068), checked with their issuers' published keys.

The form of a token is checked in signed_token.py beside this file, keys are found by token_keys.py, the issuers' claims
are read by issuers.py, and revoked tokens are known to revocation.py.
"""

import asyncio
import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from shared.identity.issuers import TrustedIssuer
from shared.identity.principal import Principal
from shared.identity.revocation import RevocationWatch, marks_of
from shared.identity.signed_token import (
    TOKEN_BYTES_MAX,
    TokenExpired,
    TokenRefused,
    check_audience,
    check_times,
    read_token,
)
from shared.identity.token_keys import PublishedKeys
from shared.outbound.http_client import Transport
from shared.problem import Unauthenticated

__all__ = ["Authenticator", "Principal"]

LEEWAY_S = 60
# Tokens that live longer could outlive their revocation, which is kept for this long (and the leeway).
TOKEN_LIFE_MAX_S = 86_400.0
VERIFIED_MAX = 5_000
_log = logging.getLogger(__name__)
_INVALID = "The token is not valid for this service."
_EXPIRED = "The access token has expired. Get a new one from the issuer."


@dataclass(frozen=True, slots=True)
class _Verified:
    """A verified token: how long it is valid, and the marks by which it can be revoked."""

    principal: Principal
    keys: PublishedKeys
    generation: int
    expires_at: float
    marks: tuple[bytes, ...]


@dataclass
class Authenticator:
    """Checks tokens for one audience. `issuers` are those after the first, which is known by its metadata address.

    A verified token is recognised by its hash until it expires, is revoked, or its issuer's keys change: that costs a
    few microseconds instead of about two hundred.
    """

    metadata_url: str
    audience: str
    transport: Transport | None = None
    refetch_min_s: float = 60.0
    issuers: Sequence[TrustedIssuer] = ()
    revocations: RevocationWatch | None = None
    _sources: list[tuple[TrustedIssuer, PublishedKeys]] = field(default_factory=list, init=False)
    _verified: OrderedDict[bytes, _Verified] = field(default_factory=OrderedDict, init=False)

    def __post_init__(self) -> None:
        for issuer in self.issuers or [TrustedIssuer(metadata_url=self.metadata_url)]:
            keys = PublishedKeys(
                "issuer" if not self._sources else f"issuer {issuer.issuer}",
                metadata_url=issuer.metadata_url,
                issuer=issuer.issuer,
                transport=self.transport,
                refetch_min_s=self.refetch_min_s,
            )
            self._sources.append((issuer, keys))

    async def close(self) -> None:
        """Close the connections to the issuers."""
        await asyncio.gather(*(keys.close() for _, keys in self._sources))

    async def authenticate(self, authorization: str | None) -> Principal:
        """Return the principal of an Authorization header.

        Raises Unauthenticated; Unavailable if no keys can be fetched.
        """
        if not authorization:
            raise Unauthenticated("Send an access token: Authorization: Bearer <token>.")
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated("The Authorization header is not a bearer token.", error="invalid_request")
        if len(token) > TOKEN_BYTES_MAX:
            raise Unauthenticated(f"The token is larger than {TOKEN_BYTES_MAX} bytes.", error="invalid_token")
        digest = hashlib.sha256(token.encode("latin-1", "replace")).digest()
        found = self._remembered(digest)
        if found is None:
            try:
                found = await self._verify(token)
            except TokenExpired as error:
                # The token was valid, so its holder knows its expiry anyway.
                raise Unauthenticated(_EXPIRED, error="invalid_token") from error
            except TokenRefused as error:
                # The reason goes to our log; the caller learns only what RFC 6750 allows.
                _log.info("token refused: %s", error)
                raise Unauthenticated(_INVALID, error="invalid_token") from error
            self._remember(digest, found)
        if self.revocations is not None:
            self.revocations.check(found.marks, found.principal.issued_at)
        return found.principal

    async def ready(self) -> str | None:
        """Return None once the first issuer's keys are known, else what is missing. Other issuers are not waited
        for.
        """
        return await self._sources[0][1].ready()

    async def issuer_names(self) -> list[str]:
        """Return the names of the accepted issuers.

        Raises Unavailable while the first issuer's metadata has not been read.
        """
        first = self._sources[0][1]
        if not first.issuer:
            await first.find("")
        return [keys.issuer for _, keys in self._sources]

    def _remembered(self, digest: bytes) -> _Verified | None:
        found = self._verified.get(digest)
        if found is None:
            return None
        if found.expires_at + LEEWAY_S <= time.time() or found.generation != found.keys.generation:
            del self._verified[digest]
            return None
        self._verified.move_to_end(digest)
        found.keys.refresh_in_time()
        return found

    def _remember(self, digest: bytes, verified: _Verified) -> None:
        self._verified[digest] = verified
        if len(self._verified) > VERIFIED_MAX:
            self._verified.popitem(last=False)

    async def _verify(self, text: str) -> _Verified:
        token = read_token(text)
        issuer, keys = self._source(token.issuer)
        key = await keys.need(token.kid)
        generation = keys.generation
        claims = token.verify(key)
        if not issuer.takes_type(token.header):
            raise TokenRefused(f"its type is not {issuer.token_type}")
        if claims.get("iss") != keys.issuer:
            raise TokenRefused("it is of another issuer")
        check_audience(claims, issuer.audience or self.audience)
        check_times(claims, now=time.time(), leeway_s=LEEWAY_S, life_max_s=TOKEN_LIFE_MAX_S)
        principal = issuer.principal(claims)
        return _Verified(principal, keys, generation, float(claims["exp"]), marks_of(principal))

    def _source(self, claimed: str) -> tuple[TrustedIssuer, PublishedKeys]:
        """Return the keys to check the token with: its claims only choose among trusted issuers."""
        for source in self._sources[1:]:
            if source[0].issuer == claimed:
                return source
        return self._sources[0]
