"""Lists the connections for the process tier: whose webhooks it accepts, and whom it may ask."""

from typing import Any

from litestar import Request, get

from shared.canonical import Connections
from shared.identity.auth import Principal
from shared.operations.operation import operation
from system_api.registry import Registry
from system_api.v1.parameters import OWNER


@get(
    "/v1/connections",
    operation_id="listConnections",
    tags=["connections"],
    opt=operation(owner=OWNER, capability="connections", scopes=["billing:read"], audit="none", problems=()),
    sync_to_thread=False,
)
def list_connections(request: Request[Principal, Any, Any]) -> Connections:
    """The connections of the token's tenant; those of every tenant for the platform's own token."""
    registry: Registry = request.app.state.registry
    tenant, everyones = request.user.tenant, request.app.state.platform_tenant
    return Connections(
        connections=[each for each in registry.connections if tenant == everyones or each.tenant == tenant]
    )
