"""Flows: every running or finished business process, with every step, attempt and vendor id, for operators.

A parked flow waits for an operator's decision: try again, edit and try again, or discard.
"""

from typing import Annotated, Any

import msgspec
from litestar import Request, get, post
from litestar.params import JSONBody, PathParameter, QueryParameter
from msgspec import Meta

from process_api.access.subjects import about_flow, for_operators
from process_api.engine.decisions import FlowDecisions
from process_api.engine.flow_search import FlowSearch
from process_api.engine.flows import AttemptRecord, FlowRecord, Flows, FlowStatus, StepRecord
from process_api.operations.dead_letters import DeadLetters, DecisionRecord
from process_api.operations.flow_edits import FlowEdits
from process_api.orders.corrections import FlowEdit
from process_api.v1.search import (
    AccountIdFilter,
    CursorParameter,
    LimitParameter,
    MaxAgeFilter,
    MinAgeFilter,
    ReasonCodeFilter,
)
from shared.canonical import Money
from shared.canonical.record_ids import spellings
from shared.canonical.wire import END, Sku
from shared.identity.auth import Principal
from shared.operations.operation import operation
from shared.problem import NotFound

_POLICY = operation(owner="integration-operations", capability="flow-inspection", scopes=["flows:read"], problems=[])
_READS_ONE = (
    operation(owner="integration-operations", capability="flow-inspection", scopes=["flows:read"], problems=[404, 422])
    | about_flow()
)
DECIDES = operation(
    owner="integration-operations",
    capability="flow-decisions",
    scopes=["flows:write"],
    rate="write",
    audit="financial",
    problems=[404, 409, 422],
)
_ON_FLOW = DECIDES | about_flow()
Reason = Annotated[
    str,
    Meta(pattern=r"^[^\x00-\x1f\x7f]+" + END, min_length=3, max_length=500, description="Why, for whoever asks later."),
]
TaxCode = Annotated[str, Meta(pattern=r"^[^\x00-\x1f\x7f]+" + END, max_length=64, examples=["DE-STD"])]
FlowIdParameter = Annotated[
    str, PathParameter(name="flowId", pattern=r"^[A-Za-z0-9_.:-]{1,100}" + END, description="The flow's id.")
]
StatusParameter = Annotated[FlowStatus | None, QueryParameter(required=False, description="Only flows in this status.")]
KindFilter = Annotated[
    str | None,
    QueryParameter(
        pattern=r"^[a-z0-9_]{1,64}" + END, required=False, description="Only flows of this business process."
    ),
]
SubjectFilter = Annotated[
    str | None,
    QueryParameter(
        pattern=r"^[A-Za-z0-9_.:-]{1,100}" + END,
        required=False,
        description="Only flows about this record, such as an order by its id.",
    ),
]


class FlowPage(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Some flows, newest first; `next_cursor` asks for those after them."""

    flows: list[FlowRecord]
    next_cursor: str | None = None


class FlowView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A flow with its steps in the order they began, every attempt at each, and what operators decided."""

    flow: FlowRecord
    steps: list[StepRecord]
    attempts: list[AttemptRecord]
    decisions: list[DecisionRecord]


class FlowRetry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """How a parked flow goes on: at its first step that is not done, or again from `fromStep`. `reason`: why."""

    from_step: Annotated[str, Meta(pattern=r"^[a-z_]{1,64}" + END)] | None = None
    reason: Reason | None = None


class Correction(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """What a parked flow goes on with, from its quote on. It replaces every earlier correction of the flow.

    The quote is read from Salesforce again in any case. `quote_revision` names the revision that Salesforce has now,
    where it is another one than was submitted; `skus` maps SKUs of the quote to those to be sold instead; `tax_code` is
    the ERP's and billing's name for the tax, whose rate stays the calculated one; `net_total` is what the lines then
    come to, needed where that differs from before.
    """

    reason: Reason
    quote_revision: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    skus: Annotated[dict[Sku, Sku], Meta(max_length=100)] = msgspec.field(default_factory=dict)
    tax_code: TaxCode | None = None
    net_total: Money | None = None

    def edit(self) -> FlowEdit:
        """Return the same, for those who carry it out."""
        return FlowEdit(self.reason, self.quote_revision, dict(self.skus), self.tax_code, self.net_total)


class Discard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """Why something is given up."""

    reason: Reason


@get("/v1/flows", operation_id="listFlows", tags=["flows"], opt=_POLICY | for_operators(filters=True))
async def list_flows(
    request: Request[Principal, Any, Any],
    status: StatusParameter = None,
    kind: KindFilter = None,
    subject: SubjectFilter = None,
    account_id: AccountIdFilter = None,
    reason_code: ReasonCodeFilter = None,
    min_age_s: MinAgeFilter = None,
    max_age_s: MaxAgeFilter = None,
    limit: LimitParameter = 50,
    cursor: CursorParameter = None,
) -> FlowPage:
    """Find the tenant's flows that meet every condition given, newest first."""
    flows: Flows = request.app.state.flows
    found, next_cursor = await flows.page(
        request.user.tenant,
        FlowSearch(
            status=status,
            kind=kind,
            subject=subject,
            account_ids=None if account_id is None else spellings(account_id),
            reason_code=reason_code,
            min_age_s=min_age_s,
            max_age_s=max_age_s,
        ),
        limit=limit,
        cursor=cursor,
        legal_entities=request.user.legal_entities,
    )
    return FlowPage(flows=found, next_cursor=next_cursor)


@get("/v1/flows/{flowId:str}", operation_id="getFlow", tags=["flows"], opt=_READS_ONE)
async def get_flow(request: Request[Principal, Any, Any], flow_id: FlowIdParameter) -> FlowView:
    """One flow, with everything that was tried and what every system answered."""
    flows: Flows = request.app.state.flows
    letters: DeadLetters = request.app.state.dead_letters
    return FlowView(
        flow=await _flow(request, flow_id),
        steps=await flows.steps(request.user.tenant, flow_id),
        attempts=await flows.attempts(request.user.tenant, flow_id),
        decisions=await letters.decisions(request.user.tenant, flow_id),
    )


@post(
    "/v1/flows/{flowId:str}/retry",
    operation_id="retryFlow",
    tags=["flows"],
    status_code=202,
    opt=_ON_FLOW,
)
async def retry_flow(
    request: Request[Principal, Any, Any], flow_id: FlowIdParameter, data: JSONBody[FlowRetry]
) -> FlowRecord:
    """Have a parked flow go on. What it has done is not done again; what may have happened is looked for first.

    A flow that was being undone goes on being undone. Answers 409 where the flow is not parked.
    """
    decisions: FlowDecisions = request.app.state.flow_decisions
    await decisions.retry(request.user, flow_id, data.from_step, data.reason)
    return await _flow(request, flow_id)


@post("/v1/flows/{flowId:str}/edit", operation_id="editFlow", tags=["flows"], status_code=202, opt=_ON_FLOW)
async def edit_flow(
    request: Request[Principal, Any, Any], flow_id: FlowIdParameter, data: JSONBody[Correction]
) -> FlowRecord:
    """Correct what a parked flow works with, and have it go on from its quote: every check runs again.

    Who decided it, why, and what was before and after is kept with the flow's decisions. Answers 409 where the flow is
    not parked, is being undone, or where the ERP or billing already holds anything of its order.
    """
    edits: FlowEdits = request.app.state.flow_edits
    await edits.edit_and_retry(request.user, flow_id, data.edit())
    return await _flow(request, flow_id)


@post(
    "/v1/flows/{flowId:str}/discard",
    operation_id="discardFlow",
    tags=["flows"],
    status_code=202,
    opt=_ON_FLOW,
)
async def discard_flow(
    request: Request[Principal, Any, Any], flow_id: FlowIdParameter, data: JSONBody[Discard]
) -> FlowRecord:
    """Give a parked flow up: whatever it has begun is undone, and it ends `compensated`.

    Answers 409 where the flow is not parked.
    """
    decisions: FlowDecisions = request.app.state.flow_decisions
    await decisions.discard(request.user, flow_id, data.reason)
    return await _flow(request, flow_id)


async def _flow(request: Request[Principal, Any, Any], flow_id: str) -> FlowRecord:
    flows: Flows = request.app.state.flows
    flow = await flows.find(request.user.tenant, flow_id)
    if flow is None:
        raise NotFound(f"There is no flow {flow_id}.")
    return flow
