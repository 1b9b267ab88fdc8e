"""Tax, calculated without being recorded."""

from typing import Any

from litestar import Request, post
from litestar.params import JSONBody

from shared.canonical import TaxCalculation, TaxRequest
from shared.identity.auth import Principal
from shared.operations.operation import operation
from system_api.v1.parameters import OWNER


@post(
    "/v1/tax/calculations",
    operation_id="calculateTax",
    tags=["tax"],
    status_code=200,
    opt=operation(owner=OWNER, capability="tax", scopes=["tax:read"], problems=[422]),
)
async def calculate_tax(request: Request[Principal, Any, Any], data: JSONBody[TaxRequest]) -> TaxCalculation:
    """The tax of each line, and the jurisdiction it is owed in."""
    tax = request.app.state.registry.tax(request.user.tenant, data.legal_entity)
    calculation: TaxCalculation = await tax.calculate(data)
    return calculation
