"""On whose behalf a request is made, from the tier where the user comes in to the tiers behind it.

The experience API hands the user inward in a transaction token (draft-ietf-oauth-transaction-tokens-08): signed with a
key of its own, good for half a minute, bound to the trust domain, to the tenant and to the client that presents it.
The process API believes nothing else about a user: no other header, nothing in a body, no claim of an access token.
"""

import logging
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from litestar.types import ASGIApp, Receive, Scope, Send
from msgspec import Meta

from shared.front import Middleware, matched_operation
from shared.principal import Principal
from shared.problem import Forbidden, Unauthenticated
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
_log = logging.getLogger(__name__)
_HEADER = HEADER.lower().encode()

TrustDomain = Annotated[
    str, Meta(min_length=1, description="the trust domain of this installation: the audience of transaction tokens")
]


@dataclass(frozen=True, slots=True)
class ActingUser:
    """The Salesforce user for whom a request is made; `scope["state"]["acting_user"]`, None where a service asks.

    `user_id` has 18 characters (005…). `txn` names the transaction in every tier's records. `client_id` is the
    application through which the user came in, `scopes` what the user's own token allows.
    """

    user_id: str
    tenant: str
    txn: str
    client_id: str
    scopes: frozenset[str] = frozenset()


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
        scope = claims.get("scope")
        if not isinstance(scope, str):
            raise TokenRefused("its scope is no text")
        return ActingUser(
            user_id=read_name(claims, "sub"),
            tenant=tenant,
            txn=read_name(claims, "txn"),
            client_id=read_name(_object(claims, "rctx"), "client_id"),
            scopes=frozenset(scope.split()),
        )


def act_for_token_user(app: ASGIApp) -> ASGIApp:
    """Where users come in: the acting user is the one in whose name the access token was issued."""

    async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
        principal: Principal | None = scope.get("user")
        scope["state"]["acting_user"] = None if principal is None else _in_whose_name(principal)
        await app(scope, receive, send)

    return middleware


def act_for_handed_user(verifier: TransactionTokenVerifier | None) -> Middleware:
    """Behind the tier where users come in: the acting user is the one that it hands on, and nobody else."""

    def wrap(app: ASGIApp) -> ASGIApp:
        async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
            scope["state"]["acting_user"] = None
            operation = matched_operation(scope)
            if operation is not None and operation.policy is not None:
                user = await _handed_user(verifier, scope, scope["user"])
                if user is not None and not user.scopes.issuperset(operation.policy.scopes):
                    raise Forbidden("The user's own token does not allow this.", scopes=list(operation.policy.scopes))
                scope["state"]["acting_user"] = user
            await app(scope, receive, send)

        return middleware

    return wrap


def act_for_nobody(app: ASGIApp) -> ASGIApp:
    """Where only services call: there is no acting user, whatever is sent."""

    async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"]["acting_user"] = None
        await app(scope, receive, send)

    return middleware


async def _handed_user(
    verifier: TransactionTokenVerifier | None, scope: Scope, principal: Principal
) -> ActingUser | None:
    sent = [value for name, value in scope["headers"] if name == _HEADER]
    if not sent:
        if principal.user is not None:
            # As a service's, it would see what its user does not.
            raise Unauthenticated("A user's token is for the experience API, not for this one.", error="invalid_token")
        return None
    if len(sent) > 1:
        raise Unauthenticated("Send one transaction token.", error="invalid_request")
    if verifier is None:
        raise Unauthenticated("This service takes no transaction tokens.", error="invalid_request")
    return await verifier.verify(sent[0].decode("latin-1"), principal)


def _in_whose_name(principal: Principal) -> ActingUser | None:
    if principal.user is None:
        return None
    return ActingUser(principal.user, principal.tenant, uuid.uuid4().hex, principal.client_id, principal.scopes)


def _object(claims: Mapping[str, Any], claim: str) -> Mapping[str, Any]:
    value = claims.get(claim)
    if not isinstance(value, dict):
        raise TokenRefused(f"its claim {claim} is missing")
    return value
