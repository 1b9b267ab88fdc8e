"""Flows: every running or finished business process, with every step, attempt and vendor id, for operators."""

from typing import Annotated, Any

import msgspec
from litestar import Request, get
from litestar.params import PathParameter, QueryParameter

from process_api.flows import AttemptRecord, FlowRecord, Flows, FlowStatus, StepRecord
from shared.auth import Principal
from shared.canonical.wire import END
from shared.operation import operation
from shared.problem import NotFound

_POLICY = operation(owner="integration-operations", capability="flow-inspection", scopes=["flows:read"])
FlowIdParameter = Annotated[
    str, PathParameter(name="flowId", pattern=r"^[A-Za-z0-9_.:-]{1,100}" + END, description="The flow's id.")
]
StatusParameter = Annotated[FlowStatus | None, QueryParameter(required=False, description="Only flows in this status.")]
LimitParameter = Annotated[int, QueryParameter(ge=1, le=200, description="How many flows at most.")]
CursorParameter = Annotated[
    str | None, QueryParameter(max_length=200, required=False, description="`nextCursor` of the page before.")
]


class FlowPage(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Some flows, newest first; `next_cursor` asks for those after them."""

    flows: list[FlowRecord]
    next_cursor: str | None = None


class FlowView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A flow with its steps in the order they began, and every attempt at each."""

    flow: FlowRecord
    steps: list[StepRecord]
    attempts: list[AttemptRecord]


@get("/v1/flows", operation_id="listFlows", tags=["flows"], opt=_POLICY)
async def list_flows(
    request: Request[Principal, Any, Any],
    status: StatusParameter = None,
    limit: LimitParameter = 50,
    cursor: CursorParameter = None,
) -> FlowPage:
    """The tenant's flows, newest first."""
    flows: Flows = request.app.state.flows
    found, next_cursor = await flows.page(request.user.tenant, status=status, limit=limit, cursor=cursor)
    return FlowPage(flows=found, next_cursor=next_cursor)


@get("/v1/flows/{flowId:str}", operation_id="getFlow", tags=["flows"], opt=_POLICY)
async def get_flow(request: Request[Principal, Any, Any], flow_id: FlowIdParameter) -> FlowView:
    """One flow, with everything that was tried and what every system answered."""
    flows: Flows = request.app.state.flows
    flow = await flows.find(request.user.tenant, flow_id)
    if flow is None:
        raise NotFound(f"There is no flow {flow_id}.")
    return FlowView(flow=flow, steps=await flows.steps(flow_id), attempts=await flows.attempts(flow_id))
