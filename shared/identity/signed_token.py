"""Strict parsing of signed tokens (JWS compact serialization, RFC 7515): one spelling, one meaning.

Only asymmetric algorithms are accepted, and at most 8 KiB. Each part must be encoded exactly as an encoder writes it,
and no name may occur twice in an object. Keys and their addresses in a token (`jwk`, `jku`, `x5c`, `x5u`) are ignored:
`kid` only selects among known keys.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

# RFC 9864 gives "EdDSA" on this curve the name "Ed25519".
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA")
TOKEN_BYTES_MAX = 8192
# Longer than any issuer's subject or client id, and short enough for every key and column that holds one.
NAME_LENGTH_MAX = 255
PublicKey = RSAKey | ECKey | OKPKey
# Unknown header parameters are ignored (RFC 7515, section 4), unless listed in `crit`.
_REGISTRY = jws.JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
_REGISTRY.max_header_length = TOKEN_BYTES_MAX


class TokenRefused(Exception):
    """A token that is not accepted. The reason is for our log; callers learn only that it is refused."""


class TokenExpired(TokenRefused):
    """An expired token that is otherwise valid, as far as it was checked."""


@dataclass(frozen=True, slots=True)
class UnverifiedToken:
    """A token whose signature has not been checked: only good for selecting the key."""

    text: str
    header: Mapping[str, Any]
    claims: Mapping[str, Any]

    @property
    def kid(self) -> str:
        """The id of the signing key according to the token; empty if it names none."""
        kid = self.header.get("kid", "")
        return kid if isinstance(kid, str) else ""

    @property
    def issuer(self) -> str:
        """The issuer according to the token; empty if there is no usable one."""
        issuer = self.claims.get("iss", "")
        return issuer if isinstance(issuer, str) else ""

    def verify(self, key: PublicKey) -> Mapping[str, Any]:
        """Return the claims after checking the signature with `key`. Raises TokenRefused."""
        try:
            jws.deserialize_compact(self.text, key, registry=_REGISTRY)
        except (JoseError, ValueError) as error:
            raise TokenRefused(f"the signature is not valid: {error}") from error
        return self.claims


def read_token(text: str) -> UnverifiedToken:
    """Parse a token. Raises TokenRefused for any form that is not accepted."""
    if len(text) > TOKEN_BYTES_MAX:
        raise TokenRefused(f"it is larger than {TOKEN_BYTES_MAX} bytes")
    parts = text.split(".")
    if len(parts) != 3 or not all(parts):
        raise TokenRefused("it has not three parts")
    header_part, claims_part, _ = (_decoded(part) for part in parts)
    header, claims = _read_object(header_part), _read_object(claims_part)
    if header.get("alg") not in ALGORITHMS:
        raise TokenRefused("its algorithm is not one that we take")
    if "crit" in header or "cty" in header:
        # No extension is supported, and nested tokens are not either.
        raise TokenRefused("its header demands something that we do not know")
    return UnverifiedToken(text, header, claims)


def check_times(claims: Mapping[str, Any], *, now: float, leeway_s: float, life_max_s: float) -> None:
    """Raise TokenRefused unless the token is valid now (seconds since 1970) and lives no longer than `life_max_s`."""
    issued_at, expires_at = read_moment(claims, "iat"), read_moment(claims, "exp")
    if expires_at <= now - leeway_s:
        raise TokenExpired("it has expired")
    if issued_at > now + leeway_s:
        raise TokenRefused("it was issued in the future")
    if expires_at - issued_at > life_max_s:
        raise TokenRefused(f"it lives longer than {life_max_s:g} s")
    if "nbf" in claims and read_moment(claims, "nbf") > now + leeway_s:
        raise TokenRefused("it is not valid yet")


def check_audience(claims: Mapping[str, Any], audience: str) -> None:
    """Raise TokenRefused unless this audience is among the token's."""
    named = claims.get("aud")
    several = named if isinstance(named, list) else [named]
    if not all(isinstance(each, str) for each in several) or audience not in several:
        raise TokenRefused("it is for another audience")


def read_name(claims: Mapping[str, Any], claim: str) -> str:
    """Return a claim that is a name. Raises TokenRefused if it is missing or not usable as one."""
    value = claims.get(claim)
    if not isinstance(value, str) or not 1 <= len(value) <= NAME_LENGTH_MAX or not value.isprintable():
        raise TokenRefused(f"its claim {claim} is missing or no name")
    return value


def read_moment(claims: Mapping[str, Any], claim: str) -> float:
    """Return a claim that is a time, in seconds since 1970. Raises TokenRefused if it is missing or no time."""
    value = claims.get(claim)
    # To Python a boolean is a number too. Infinity and NaN do not get here: they are not JSON.
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e11:
        raise TokenRefused(f"its claim {claim} is missing or no moment")
    return float(value)


def _decoded(part: str) -> bytes:
    """Return the bytes of a base64url part. Strict: Python's decoder skips foreign characters and ignores spare
    bits.
    """
    try:
        raw = part.encode("ascii")
        decoded = base64.urlsafe_b64decode(raw + b"=" * (-len(raw) % 4))
    except (UnicodeEncodeError, binascii.Error, ValueError) as error:
        raise TokenRefused("a part is not base64url") from error
    if base64.urlsafe_b64encode(decoded).rstrip(b"=") != raw:
        raise TokenRefused("a part is not spelled as an encoder writes it")
    return decoded


def _read_object(raw: bytes) -> dict[str, Any]:
    try:
        # Each parser finds what the other accepts: one duplicate names, the other NaN and unpaired surrogates.
        json.loads(raw, object_pairs_hook=_without_duplicates)
        return msgspec.json.decode(raw, type=dict[str, Any])
    except (ValueError, RecursionError) as error:
        raise TokenRefused("a part is not a JSON object with each name once") from error


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found
