"""The policies that find the acting user of a request, one for each place in the chain of tiers."""

import os
from dataclasses import replace
from typing import Any

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp, Receive, Scope, Send

from shared.identity.principal import ActingClient, ActingUser, OwnToken, Principal
from shared.identity.signing_keys import SigningKeys
from shared.identity.transaction_token import HEADER, JWKS_PATH, TransactionTokenVerifier
from shared.operations.chain import Middleware, matched_operation
from shared.operations.operation import public
from shared.problem import Forbidden, Unauthenticated

_HEADER = HEADER.lower().encode()


def publish_keys(keys: SigningKeys) -> HTTPRouteHandler:
    """Return the handler that publishes a signing tier's keys to the tiers behind it."""

    @get(JWKS_PATH, opt=public(), include_in_schema=False, media_type="application/jwk-set+json", sync_to_thread=False)
    def transaction_token_keys() -> Response[dict[str, Any]]:
        """The public keys, as a JWK set."""
        return Response(keys.published(), headers={"Cache-Control": "public, max-age=60"})

    return transaction_token_keys


def act_for_token_user(app: ASGIApp) -> ASGIApp:
    """Inbound policy where users come in: the acting user is the one that the access token was issued for."""

    async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
        principal: Principal | None = scope.get("user")
        scope["state"]["acting_user"] = None if principal is None else _in_whose_name(principal)
        await app(scope, receive, send)

    return middleware


def act_for_handed_user(verifier: TransactionTokenVerifier | None) -> Middleware:
    """Inbound policy behind that tier: the acting user is the one in its transaction token, and nobody else."""

    def wrap(app: ASGIApp) -> ASGIApp:
        async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
            scope["state"]["acting_user"] = None
            operation = matched_operation(scope)
            if operation is not None and operation.policy is not None:
                acting = await _handed(verifier, scope, scope["user"])
                if acting is not None:
                    if not acting.scopes.issuperset(operation.policy.scopes):
                        what = "The user's own token does not allow this."
                        raise Forbidden(what, scopes=list(operation.policy.scopes))
                    caller = narrowed_to(scope["user"], acting.legal_entities)
                    scope["user"] = replace(caller, for_client=acting.client_id)
                    scope["state"]["acting_user"] = acting if isinstance(acting, ActingUser) else None
            await app(scope, receive, send)

        return middleware

    return wrap


def act_for_nobody(app: ASGIApp) -> ASGIApp:
    """Inbound policy where only services call: there is no acting user, whatever is sent."""

    async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"]["acting_user"] = None
        await app(scope, receive, send)

    return middleware


def narrowed_to(principal: Principal, legal_entities: frozenset[str] | None) -> Principal:
    """Return the caller, limited to the legal entities that both it and the user or service it acts for may see."""
    if legal_entities is None:
        return principal
    if principal.legal_entities is not None:
        legal_entities &= principal.legal_entities
    return replace(principal, legal_entities=legal_entities)


async def _handed(
    verifier: TransactionTokenVerifier | None, scope: Scope, principal: Principal
) -> ActingUser | ActingClient | None:
    sent = [value for name, value in scope["headers"] if name == _HEADER]
    if not sent:
        if principal.user is not None:
            # As a service's token, it would see what its user may not.
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
    return ActingUser(
        principal.user,
        principal.tenant,
        os.urandom(16).hex(),
        principal.client_id,
        _own_token(principal),
        principal.scopes,
        principal.legal_entities,
    )


def handed_on(principal: Principal, user: ActingUser | None) -> ActingUser | ActingClient:
    """Return the requester for the tier behind: the user, or the service that calls for no user."""
    if user is not None:
        return user
    return ActingClient(
        principal.subject,
        principal.tenant,
        os.urandom(16).hex(),
        principal.client_id,
        _own_token(principal),
        principal.scopes,
        principal.legal_entities,
    )


def _own_token(principal: Principal) -> OwnToken:
    return OwnToken(principal.subject, principal.issued_at, principal.token_id)
