"""Cross-references: which record an account is in each system, what it was before, and decisions on it."""

from typing import Annotated, Any

import msgspec
from litestar import Request, get, post
from litestar.params import JSONBody, PathParameter
from msgspec import Meta

from process_api.access.idempotency import parse_key
from process_api.access.subjects import about_account
from process_api.operations.identities import SYSTEM_PATTERN, Identities, Identity, Relinked, Relinking
from process_api.v1.accounts import AccountIdParameter
from process_api.v1.flows import Reason
from shared.canonical.record_ids import canonical_spelling
from shared.canonical.wire import END
from shared.identity.auth import Principal
from shared.inbound.idempotency_key import IdempotencyKeyHeader
from shared.operations.operation import operation

OWNER = "integration-operations"
SystemParameter = Annotated[
    str,
    PathParameter(
        name="system",
        pattern=SYSTEM_PATTERN + END,
        description="A legal entity's ERP, such as `erp:NW-DE`, or its billing in a currency: `billing:NW-DE:USD`.",
    ),
]


class Relink(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """Which record the account is from now on: the system's own id of it, or `new` for one that is still to be made."""

    vendor_id: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9_.:-]{1,64}" + END,
            description="The system's own id of the customer, as the candidates show it, or `new`.",
            examples=["5", "new"],
        ),
    ]
    reason: Reason


@get(
    "/v1/accounts/{accountId:str}/cross-references",
    operation_id="listCrossReferences",
    tags=["cross-references"],
    opt=operation(owner=OWNER, capability="customer-identity", scopes=["flows:read"], problems=[404]) | about_account(),
)
async def list_cross_references(request: Request[Principal, Any, Any], account_id: AccountIdParameter) -> Identity:
    """What an account is in every system, what it was before, and what waits for a person to decide.

    The candidates of a decision are read from the ERP now: who they are is kept nowhere.
    """
    identities: Identities = request.app.state.identities
    user = request.user
    return await identities.identity(user.tenant, canonical_spelling(account_id), user.legal_entities)


@post(
    "/v1/accounts/{accountId:str}/cross-references/{system:str}/relink",
    operation_id="relinkAccount",
    tags=["cross-references"],
    status_code=200,
    opt=operation(
        owner=OWNER,
        capability="customer-identity",
        scopes=["flows:write"],
        rate="write",
        audit="financial",
        problems=[404, 409, 422],
    )
    | about_account(edits=True),
)
async def relink_account(
    request: Request[Principal, Any, Any],
    account_id: AccountIdParameter,
    system: SystemParameter,
    data: JSONBody[Relink],
    idempotency_key: IdempotencyKeyHeader,
) -> Relinked:
    """Decide which customer an account is in a system, or that it is to be a new one. Later orders go by it.

    What the account was there stays in the history, with who decided and why. A flow that waits for this decision goes
    on once it is tried again. Answers 409 where the customer is not there, is blocked, is charged in another currency,
    or is another account's already.
    """
    identities: Identities = request.app.state.identities
    decision = Relinking(
        account_id=canonical_spelling(account_id), system=system, vendor_id=data.vendor_id, reason=data.reason
    )
    return await identities.relink(request.user, request.state.acting_user, parse_key(idempotency_key), decision)
