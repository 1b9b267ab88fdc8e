"""On whose behalf a request is made, from the tier where the user comes in to the tiers behind it.

The experience API hands the user inward in a transaction token (draft-ietf-oauth-transaction-tokens-08): signed with a
key of its own, good for half a minute, bound to the trust domain, to the tenant and to the client that presents it.
The process API believes nothing else about a user: no other header, nothing in a body, no claim of an access token.
"""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.principal import USER_ID, ActingUser, Principal
from shared.problem import Unauthenticated
from shared.revocation import RevocationWatch, mark
from shared.signed_token import TokenRefused, check_audience, check_times, read_name, read_token
from shared.signing_keys import SigningKeys
from shared.token_keys import PublishedKeys

HEADER = "Txn-Token"
TYPE = "txntoken+jwt"
LIFE_S = 30
LIFE_MAX_S = 60
# Our own tiers' clocks are kept together.
LEEWAY_S = 5
JWKS_PATH = "/.well-known/transaction-token-keys"
__all__ = ["ActingUser", "TransactionTokenSigner", "TransactionTokenVerifier"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TransactionTokenSigner:
    """Signs for the trust domain as the workload `issuer`, which is this service's OAuth client id."""

    keys: SigningKeys
    issuer: str
    trust_domain: str

    def sign(self, user: ActingUser) -> str:
        """A token that says who acts, for the next tier."""
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": self.trust_domain,
            "iat": now,
            "exp": now + LIFE_S,
            "txn": user.txn,
            "sub": user.user_id,
            "scope": " ".join(sorted(user.scopes)),
            "req_wl": self.issuer,
            "tctx": {"tenant": user.tenant},
            "rctx": {"client_id": user.client_id},
        }
        return self.keys.sign({"typ": TYPE}, claims)


@dataclass(frozen=True)
class TransactionTokenVerifier:
    """Believes the workload `issuer` whose keys are `keys`, for the trust domain."""

    keys: PublishedKeys
    issuer: str
    trust_domain: str
    revocations: RevocationWatch | None = None

    async def verify(self, text: str, principal: Principal) -> ActingUser:
        """Who acts, where `principal` presents a token. Raises Unauthenticated, or Unavailable without its keys."""
        try:
            token = read_token(text)
            claims = token.verify(await self.keys.need(token.kid))
            user = self._user(token.header, claims, principal)
        except TokenRefused as error:
            _log.warning("transaction token of %s refused: %s", principal.client_id, error)
            raise Unauthenticated("The transaction token is not valid.", error="invalid_token") from error
        if self.revocations is not None:
            self.revocations.check((mark("subject", user.tenant, user.user_id),), float(claims["iat"]))
        return user

    def _user(self, header: Mapping[str, Any], claims: Mapping[str, Any], principal: Principal) -> ActingUser:
        if header.get("typ") != TYPE:
            raise TokenRefused("it is no transaction token")
        if claims.get("iss") != self.issuer:
            raise TokenRefused("it is of another issuer")
        if claims.get("req_wl") != principal.client_id:
            raise TokenRefused("it was made for another client than the one that presents it")
        check_audience(claims, self.trust_domain)
        check_times(claims, now=time.time(), leeway_s=LEEWAY_S, life_max_s=LIFE_MAX_S)
        tenant = read_name(_object(claims, "tctx"), "tenant")
        if tenant != principal.tenant:
            raise TokenRefused("it is of another tenant than the access token")
        user_id = read_name(claims, "sub")
        if not USER_ID.fullmatch(user_id):
            raise TokenRefused("it names a user in no known way")
        scope = claims.get("scope")
        if not isinstance(scope, str):
            raise TokenRefused("its scope is no text")
        return ActingUser(
            user_id=user_id,
            tenant=tenant,
            txn=read_name(claims, "txn"),
            client_id=read_name(_object(claims, "rctx"), "client_id"),
            scopes=frozenset(scope.split()),
        )


def _object(claims: Mapping[str, Any], claim: str) -> Mapping[str, Any]:
    value = claims.get(claim)
    if not isinstance(value, dict):
        raise TokenRefused(f"its claim {claim} is missing")
    return value
