"""The published keys (JWKS, RFC 7517) that tokens are verified with, fetched seldom and kept long."""

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

from shared.identity.service_token import discover
from shared.identity.signed_token import PublicKey, TokenRefused
from shared.identity.weak_rsa import weakness
from shared.outbound.http_client import OutboundClient, Transport
from shared.problem import Unavailable

RSA_BITS_MIN = 2048
RSA_BITS_MAX = 8192  # with a larger one, each token costs milliseconds
CURVES = frozenset({"P-256", "P-384", "P-521", "Ed25519"})
KEYS_MAX = 100
# A caller waits no longer than this for keys, including the callers before it.
KEYS_TIMEOUT_S = 3.0
_log = logging.getLogger(__name__)


class JwkSet(msgspec.Struct, frozen=True):
    """A published set of keys (RFC 7517)."""

    keys: list[dict[str, Any]]


@dataclass
class PublishedKeys:
    """The keys of one `owner`, found through its metadata (RFC 8414) or at `jwks_url` itself.

    They are fetched at first need, again when a token names an unknown one, and in the background once they are
    `refresh_s` old, so that a withdrawn key does not stay valid; but at most every `refetch_min_s` seconds, so that
    invented key ids cannot make us flood the owner. While the owner is down the known keys stay in use, without limit.
    Without any key, the owner is asked at most every `retry_min_s` seconds.

    `issuer` is the owner's name for itself. If it is given, metadata with another name is refused.
    """

    owner: str
    metadata_url: str = ""
    jwks_url: str = ""
    issuer: str = ""
    transport: Transport | None = None
    refetch_min_s: float = 60.0
    retry_min_s: float = 1.0
    refresh_s: float = 600.0
    generation: int = field(default=0, init=False)
    """Grows with every change of the keys: tokens verified under an older generation are verified again."""
    _keys: dict[str, PublicKey] = field(default_factory=dict, init=False)
    _asked_at: float | None = field(default=None, init=False)
    _fetched_at: float = field(default=0.0, init=False)
    _failure: Unavailable | None = field(default=None, init=False)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _refresh: asyncio.Task[None] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._client = OutboundClient(self.owner, "", transport=self.transport)

    async def close(self) -> None:
        """Close the connections to the owner."""
        if self._refresh is not None:
            self._refresh.cancel()
            await asyncio.gather(self._refresh, return_exceptions=True)
        await self._client.close()

    async def ready(self) -> str | None:
        """Return None once keys are known, even if their owner is down later; else what is missing."""
        if self._keys:
            self.refresh_in_time()
            return None
        try:
            await self._fetch()
        except Unavailable as error:
            return error.for_operators
        return None

    async def find(self, kid: str) -> PublicKey | None:
        """Return the key of that id, or None. Raises Unavailable if the keys cannot be fetched."""
        key = self._keys.get(kid)
        if key is not None:
            self.refresh_in_time()
            return key
        try:
            async with asyncio.timeout(KEYS_TIMEOUT_S):
                await self._fetch()
        except TimeoutError as error:
            raise Unavailable(f"the {self.owner} gives no keys within {KEYS_TIMEOUT_S:g} s", vendor="issuer") from error
        return self._keys.get(kid)

    async def need(self, kid: str) -> PublicKey:
        """Return the key of that id, which a token names. Raises TokenRefused if there is none."""
        key = await self.find(kid)
        if key is None:
            raise TokenRefused("it is signed with an unknown key")
        return key

    def refresh_in_time(self) -> None:
        """Refresh old keys in the background."""
        if time.monotonic() - self._fetched_at < self.refresh_s or not self._may_ask():
            return
        if self._refresh is None or self._refresh.done():
            self._refresh = asyncio.create_task(self._fetch_quietly(), name=f"keys of the {self.owner}")

    async def _fetch_quietly(self) -> None:
        try:
            async with asyncio.timeout(KEYS_TIMEOUT_S):
                await self._fetch()
        except (Unavailable, TimeoutError) as error:
            _log.warning("the keys of the %s stay as they are: %s", self.owner, error)

    def _may_ask(self) -> bool:
        pause = self.refetch_min_s if self._keys else self.retry_min_s
        return self._asked_at is None or time.monotonic() - self._asked_at >= pause

    async def _fetch(self) -> None:
        async with self._lock:
            if not self._may_ask():
                if self._failure is not None and not self._keys:
                    raise self._failure
                return
            # Failed and cancelled fetches count too, so that an owner that is down is not flooded.
            self._asked_at = time.monotonic()
            self._failure = Unavailable(f"the {self.owner} gave no keys in time", vendor="issuer")
            try:
                issuer, jwks_url = await self._locate()
                keys = await self._published(jwks_url)
            except Unavailable as error:
                self._failure = error
                raise
            self._failure = None
            if keys.keys() != self._keys.keys() or any(keys[kid] != key for kid, key in self._keys.items()):
                self.generation += 1
            self.issuer, self._keys, self._fetched_at = issuer, keys, time.monotonic()

    async def _locate(self) -> tuple[str, str]:
        if self.jwks_url:
            return self.issuer, self.jwks_url
        metadata = await discover(self._client, self.metadata_url)
        if self.issuer and metadata.issuer != self.issuer:
            raise Unavailable(f"the {self.owner}'s metadata is of another, {metadata.issuer}", vendor="issuer")
        return metadata.issuer, metadata.jwks_uri

    async def _published(self, jwks_url: str) -> dict[str, PublicKey]:
        response = await self._client.send("GET", jwks_url)
        if not response.is_success:
            raise Unavailable(f"the {self.owner}'s keys answer {response.status_code}", vendor="issuer")
        try:
            published = msgspec.json.decode(response.content, type=JwkSet)
        except msgspec.DecodeError as error:
            raise Unavailable(f"the {self.owner}'s keys are not usable: {error}", vendor="issuer") from error
        return load_keys(published)


def load_keys(published: JwkSet) -> dict[str, PublicKey]:
    """Return the usable public keys of a JWK set, by key id.

    Weak, private and symmetric keys are left out, as are all keys that share an id, or that are the same key under two
    ids: a published private key makes its public half worthless too.
    """
    keys: dict[str, PublicKey] = {}
    sharing: dict[bytes, list[str]] = {}
    kids = [str(raw.get("kid", "")) for raw in published.keys[:KEYS_MAX]]
    for kid, raw in zip(kids, published.keys, strict=False):
        try:
            key = KeySet.import_key_set({"keys": [raw]}).keys[0]
        except (JoseError, ValueError, KeyError, TypeError):
            _log.warning("key %s cannot be read: left out", kid)
            continue
        if isinstance(key, RSAKey | ECKey | OKPKey):
            sharing.setdefault(fingerprint(key), []).append(kid)
        reason = _refusal(key, raw)
        if reason is None and (not kid or kids.count(kid) > 1):
            reason = "has no key id of its own"
        if reason is None and isinstance(key, RSAKey | ECKey | OKPKey):
            keys[kid] = key
        else:
            _log.warning("key %s %s: left out", kid, reason)
    for shared in sharing.values():
        if len(shared) > 1:
            _log.warning("keys %s are one and the same: left out", ", ".join(shared))
            for kid in shared:
                keys.pop(kid, None)
    return keys


def _refusal(key: Any, raw: Mapping[str, Any]) -> str | None:
    if not isinstance(key, RSAKey | ECKey | OKPKey):
        return "is symmetric"
    if key.is_private:
        return "is private"
    if isinstance(key, RSAKey) and not RSA_BITS_MIN <= key.public_key.key_size <= RSA_BITS_MAX:
        bits = key.public_key.key_size
        return f"has fewer than {RSA_BITS_MIN} bits" if bits < RSA_BITS_MIN else f"has more than {RSA_BITS_MAX} bits"
    if isinstance(key, RSAKey) and (reason := weakness(key.public_key.public_numbers().n)) is not None:
        return reason
    if not isinstance(key, RSAKey) and raw.get("crv") not in CURVES:
        return "is on a curve that we do not take"
    if raw.get("use", "sig") != "sig" or "verify" not in raw.get("key_ops", ["verify"]):
        return "is not for signatures"
    return None


def fingerprint(key: PublicKey) -> bytes:
    """Return a fingerprint that does not depend on how the key is spelled."""
    return key.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
