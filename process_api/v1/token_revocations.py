"""Revoked tokens: operators revoke, and the tiers read what counts no longer."""

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post
from litestar.params import JSONBody, QueryParameter
from msgspec import Meta

from process_api.access.subjects import for_operators
from process_api.access.token_revocations import TokenRevocation, TokenRevocations
from process_api.v1.flows import Reason
from shared.canonical.wire import END
from shared.identity.auth import Principal
from shared.identity.revocation import FEED_PATH, RevocationWatch, RevokedTokens
from shared.identity.signed_token import NAME_LENGTH_MAX
from shared.operations.operation import operation, public
from shared.problem import Fault, InvalidRequest

OWNER = "integration-operations"
_NAME = r"^[^\x00-\x1f\x7f]+" + END
AfterParameter = Annotated[
    int, QueryParameter(ge=0, le=2**62, description="The position that the last answer ended at; 0 for everything.")
]
LimitParameter = Annotated[int, QueryParameter(ge=1, le=500, description="How many at most.")]


class Revoking(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """Which tokens are to count no longer: one, or all of a subject. Name exactly one of the two."""

    reason: Reason
    token_id: (
        Annotated[str, Meta(pattern=_NAME, max_length=NAME_LENGTH_MAX, description="The token's `jti`.")] | None
    ) = None
    subject: (
        Annotated[
            str,
            Meta(
                pattern=_NAME,
                max_length=NAME_LENGTH_MAX,
                description="A token's `sub`, or the Salesforce user or the client that it names.",
                examples=["005QW0000000001YAA"],
            ),
        ]
        | None
    ) = None


class TokenRevocationList(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Revocations, the newest first."""

    revocations: list[TokenRevocation]


_POLICY = (
    operation(
        owner=OWNER,
        capability="token-revocation",
        scopes=["tokens:revoke"],
        rate="write",
        audit="financial",
        problems=(),
    )
    | for_operators()
)


@post("/v1/token-revocations", operation_id="revokeTokens", tags=["tokens"], status_code=201, opt=_POLICY)
async def revoke_tokens(request: Request[Principal, Any, Any], data: JSONBody[Revoking]) -> TokenRevocation:
    """Have a token of your tenant count no longer, or all that a subject has. Every tier knows within 5 s.

    A subject's tokens that are issued from about a minute later on count again: to lock someone out for good is the
    issuer's business. It cannot be taken back.
    """
    if (data.token_id is None) == (data.subject is None):
        detail = "Name either a token or a subject."
        raise InvalidRequest(detail, [Fault(pointer="/subject", detail=detail)])
    revocations: TokenRevocations = request.app.state.revocations
    revocation = await revocations.revoke(
        request.user, token_id=data.token_id, subject=data.subject, reason=data.reason
    )
    watch: RevocationWatch = request.app.state.revocation_watch
    await watch.ask()
    return revocation


@get(
    "/v1/token-revocations",
    operation_id="listTokenRevocations",
    tags=["tokens"],
    opt=operation(owner=OWNER, capability="token-revocation", scopes=["tokens:revoke"], problems=()) | for_operators(),
)
async def list_token_revocations(
    request: Request[Principal, Any, Any], limit: LimitParameter = 100
) -> TokenRevocationList:
    """What was revoked, by whom and why, the newest first."""
    revocations: TokenRevocations = request.app.state.revocations
    return TokenRevocationList(revocations=await revocations.latest(request.user.tenant, limit))


@get(FEED_PATH, operation_id="getRevokedTokens", tags=["tokens"], opt=public(problems=(400, 503)))
async def get_revoked_tokens(request: Request[Any, Any, Any], after: AfterParameter = 0) -> Response[RevokedTokens]:
    """What counts no longer, as hashes. For the other tiers."""
    revocations: TokenRevocations = request.app.state.revocations
    return Response(await revocations.read(after), headers={"Cache-Control": "no-store"})
