"""Transaction tokens: they carry the acting user from the tier where users come in to the tiers behind it.

The experience API names the user in a transaction token (draft-ietf-oauth-transaction-tokens-08): signed with its own
key, valid for half a minute, bound to the trust domain, the tenant and the client that presents it. The process API
accepts no other statement about a user: no header, nothing in a body, no claim of an access token.

A service that calls for no user is handed on in the same way, with the legal entities that it covers: the experience
API's own token covers all, and does not name the requester (docs/decisions/0080).

The requester context (`rctx`: client, `sub`, `iat` and `jti`) describes the user's access token, so that the tiers
behind can check for revocation themselves: the transaction token is new with each request.
"""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.identity.principal import USER_ID, ActingClient, ActingUser, OwnToken, Principal, read_legal_entities
from shared.identity.revocation import RevocationWatch, marks_of_token
from shared.identity.signed_token import TokenRefused, check_audience, check_times, read_moment, read_name, read_token
from shared.identity.signing_keys import SigningKeys
from shared.identity.token_keys import PublishedKeys
from shared.problem import Unauthenticated

HEADER = "Txn-Token"
TYPE = "txntoken+jwt"
LIFE_S = 30
LIFE_MAX_S = 60
# Our own tiers' clocks are synchronised.
LEEWAY_S = 5
JWKS_PATH = "/.well-known/transaction-token-keys"
__all__ = ["ActingUser", "TransactionTokenSigner", "TransactionTokenVerifier"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TransactionTokenSigner:
    """Signs transaction tokens as the workload `issuer`, which is this service's OAuth client id."""

    keys: SigningKeys
    issuer: str
    trust_domain: str

    def sign(self, acting: ActingUser | ActingClient) -> str:
        """Return a token that names the requester, for the next tier."""
        now = int(time.time())
        context: dict[str, Any] = {"tenant": acting.tenant}
        if acting.legal_entities is not None:
            context["legal_entities"] = sorted(acting.legal_entities)
        if isinstance(acting, ActingClient):
            context["service"] = True
            # All of them only if that is said explicitly: a missing claim must never mean everything.
            context.setdefault("legal_entities", None)
        claims = {
            "iss": self.issuer,
            "aud": self.trust_domain,
            "iat": now,
            "exp": now + LIFE_S,
            "txn": acting.txn,
            "sub": acting.subject if isinstance(acting, ActingClient) else acting.user_id,
            "scope": " ".join(sorted(acting.scopes)),
            "req_wl": self.issuer,
            "tctx": context,
            "rctx": _requester_context(acting),
        }
        return self.keys.sign({"typ": TYPE}, claims)


@dataclass(frozen=True)
class TransactionTokenVerifier:
    """Accepts transaction tokens of the workload `issuer`, whose keys are `keys`, for the trust domain."""

    keys: PublishedKeys
    issuer: str
    trust_domain: str
    revocations: RevocationWatch | None = None

    async def verify(self, text: str, principal: Principal) -> ActingUser | ActingClient:
        """Return the requester in a token that `principal` presents.

        Raises Unauthenticated; Unavailable without the keys.
        """
        try:
            token = read_token(text)
            claims = token.verify(await self.keys.need(token.kid))
            acting = self._acting(token.header, claims, principal)
        except TokenRefused as error:
            _log.warning("transaction token of %s refused: %s", principal.client_id, error)
            raise Unauthenticated("The transaction token is not valid.", error="invalid_token") from error
        if self.revocations is not None:
            user = acting.user_id if isinstance(acting, ActingUser) else None
            marks = marks_of_token(acting.own_token, acting.tenant, acting.client_id, user)
            self.revocations.check(marks, acting.own_token.issued_at)
        return acting

    def _acting(
        self, header: Mapping[str, Any], claims: Mapping[str, Any], principal: Principal
    ) -> ActingUser | ActingClient:
        if header.get("typ") != TYPE:
            raise TokenRefused("it is no transaction token")
        if claims.get("iss") != self.issuer:
            raise TokenRefused("it is of another issuer")
        if claims.get("req_wl") != principal.client_id:
            raise TokenRefused("it was made for another client than the one that presents it")
        check_audience(claims, self.trust_domain)
        check_times(claims, now=time.time(), leeway_s=LEEWAY_S, life_max_s=LIFE_MAX_S)
        context = _object(claims, "tctx")
        tenant = read_name(context, "tenant")
        if tenant != principal.tenant:
            raise TokenRefused("it is of another tenant than the access token")
        scope = claims.get("scope")
        if not isinstance(scope, str):
            raise TokenRefused("its scope is no text")
        try:
            legal_entities = read_legal_entities(context.get("legal_entities"))
        except ValueError as error:
            raise TokenRefused(str(error)) from error
        subject, txn = read_name(claims, "sub"), read_name(claims, "txn")
        requester = _object(claims, "rctx")
        client_id, own_token = read_name(requester, "client_id"), _own_token(requester)
        if context.get("service") is True:
            if "legal_entities" not in context:
                raise TokenRefused("it hands on a service without saying for which legal entities")
            return ActingClient(subject, tenant, txn, client_id, own_token, frozenset(scope.split()), legal_entities)
        if not USER_ID.fullmatch(subject):
            raise TokenRefused("it names a user in no known way")
        return ActingUser(subject, tenant, txn, client_id, own_token, frozenset(scope.split()), legal_entities)


def _object(claims: Mapping[str, Any], claim: str) -> Mapping[str, Any]:
    value = claims.get(claim)
    if not isinstance(value, dict):
        raise TokenRefused(f"its claim {claim} is missing")
    return value


def _requester_context(acting: ActingUser | ActingClient) -> dict[str, Any]:
    own_token = acting.own_token
    context = {"client_id": acting.client_id, "sub": own_token.subject, "iat": own_token.issued_at}
    return {**context, "jti": own_token.token_id} if own_token.token_id else context


def _own_token(requester: Mapping[str, Any]) -> OwnToken:
    token_id = read_name(requester, "jti") if "jti" in requester else ""
    return OwnToken(read_name(requester, "sub"), read_moment(requester, "iat"), token_id)
