"""The ERP, in canonical terms: the adapter is chosen by tenant and legal entity."""

from typing import Any

from litestar import Request, get, post, put
from litestar.params import JSONBody

from shared.canonical import (
    CreditStatus,
    Customer,
    CustomerCandidates,
    CustomerDraft,
    CustomerEntry,
    ErpOrder,
    ErpOrderDraft,
    InvoicePage,
    Money,
    OrderCheck,
    OrderFindings,
)
from shared.identity.auth import Principal
from shared.operations.operation import operation
from shared.problem import NotFound
from system_api.erp.contract import Erp
from system_api.v1.drafts import amounts_of, must_agree, must_be_in, must_be_payable
from system_api.v1.parameters import (
    OWNER,
    AccountIdPath,
    AmountQuery,
    CurrencyQuery,
    CursorQuery,
    ExternalIdPath,
    KeepQuery,
    LegalEntityPath,
    LimitQuery,
    OpenOnlyQuery,
    VendorIdPath,
)
from system_api.vendor.redaction import note_customer

_READ = operation(owner=OWNER, capability="erp", scopes=["erp:read"])
_ENSURE = operation(
    owner=OWNER, capability="erp", scopes=["erp:write"], rate="write", audit="financial", problems=[404, 409, 422, 504]
)
_WRITE = operation(
    owner=OWNER, capability="erp", scopes=["erp:write"], rate="write", audit="financial", problems=[404, 422, 504]
)


def erp_of(request: Request[Principal, Any, Any], legal_entity: str) -> Erp:
    """Return the ERP that keeps the legal entity's books for the caller's tenant."""
    erp: Erp = request.app.state.registry.erp(request.user.tenant, legal_entity)
    return erp


@get("/v1/erp/{legalEntity:str}/customers/{accountId:str}", operation_id="findCustomer", tags=["erp"], opt=_READ)
async def find_customer(
    request: Request[Principal, Any, Any], legal_entity: LegalEntityPath, account_id: AccountIdPath
) -> Customer:
    """The customer linked to an account."""
    customer = await erp_of(request, legal_entity).find_customer(account_id)
    if customer is None:
        raise NotFound(f"The ERP of {legal_entity} has no customer for account {account_id}.")
    return customer


@put("/v1/erp/{legalEntity:str}/customers/{accountId:str}", operation_id="ensureCustomer", tags=["erp"], opt=_ENSURE)
async def ensure_customer(
    request: Request[Principal, Any, Any],
    legal_entity: LegalEntityPath,
    account_id: AccountIdPath,
    data: JSONBody[CustomerDraft],
) -> Customer:
    """The customer linked to an account, created where there is none."""
    must_agree(account_id, data.account_id)
    note_customer(data)
    return await erp_of(request, legal_entity).ensure_customer(data)


@post(
    "/v1/erp/{legalEntity:str}/customer-candidates",
    operation_id="findCustomerCandidates",
    tags=["erp"],
    status_code=200,
    opt=operation(owner=OWNER, capability="erp", scopes=["erp:read"], problems=[422]),
)
async def find_customer_candidates(
    request: Request[Principal, Any, Any], legal_entity: LegalEntityPath, data: JSONBody[CustomerDraft]
) -> CustomerCandidates:
    """The customers of the ERP that may be an account, the likeliest first: blocked ones too, merged ones not."""
    note_customer(data)
    return CustomerCandidates(candidates=await erp_of(request, legal_entity).customer_candidates(data))


@post(
    "/v1/erp/{legalEntity:str}/order-checks",
    operation_id="checkErpOrder",
    tags=["erp"],
    status_code=200,
    opt=operation(owner=OWNER, capability="erp", scopes=["erp:read"], problems=[422]),
)
async def check_erp_order(
    request: Request[Principal, Any, Any], legal_entity: LegalEntityPath, data: JSONBody[OrderCheck]
) -> OrderFindings:
    """What the ERP would refuse of an order and its customer once they are written. Nothing is."""
    note_customer(data.customer)
    return await erp_of(request, legal_entity).check_order(data)


@get(
    "/v1/erp/{legalEntity:str}/customer-records/{vendorId:str}",
    operation_id="findCustomerRecord",
    tags=["erp"],
    opt=_READ,
)
async def find_customer_record(
    request: Request[Principal, Any, Any], legal_entity: LegalEntityPath, vendor_id: VendorIdPath
) -> CustomerEntry:
    """A customer of the ERP by its own id there, as a person would recognise it; of a merged one, what it became."""
    found = await erp_of(request, legal_entity).find_customer_entry(vendor_id)
    if found is None:
        raise NotFound(f"The ERP of {legal_entity} has no customer {vendor_id}.")
    return found


@get(
    "/v1/erp/{legalEntity:str}/customers/{accountId:str}/credit",
    operation_id="checkCredit",
    tags=["erp"],
    opt=_READ,
)
async def check_credit(
    request: Request[Principal, Any, Any],
    legal_entity: LegalEntityPath,
    account_id: AccountIdPath,
    amount: AmountQuery,
    currency: CurrencyQuery,
) -> CreditStatus:
    """Whether the customer may owe `amount` more."""
    credit = await erp_of(request, legal_entity).check_credit(account_id, Money(amount=amount, currency=currency))
    if credit is None:
        raise NotFound(f"The ERP of {legal_entity} has no customer for account {account_id}.")
    return credit


@get(
    "/v1/erp/{legalEntity:str}/customers/{accountId:str}/invoices",
    operation_id="listErpInvoices",
    tags=["erp"],
    opt=_READ,
)
async def list_erp_invoices(
    request: Request[Principal, Any, Any],
    legal_entity: LegalEntityPath,
    account_id: AccountIdPath,
    open_only: OpenOnlyQuery = False,
    limit: LimitQuery = 20,
    cursor: CursorQuery = None,
) -> InvoicePage:
    """The invoices of one-off lines, newest first."""
    erp = erp_of(request, legal_entity)
    return await erp.list_invoices(account_id, open_only=open_only, limit=limit, cursor=cursor)


@put("/v1/erp/{legalEntity:str}/orders/{externalId:str}", operation_id="createOrder", tags=["erp"], opt=_WRITE)
async def create_order(
    request: Request[Principal, Any, Any],
    legal_entity: LegalEntityPath,
    external_id: ExternalIdPath,
    data: JSONBody[ErpOrderDraft],
) -> ErpOrder:
    """Book an order as a quotation, or find the one booked under this external id before."""
    must_be_in(
        data.currency,
        {
            **amounts_of("/lines", data.lines),
            "/expectedTax": data.expected_tax,
            "/expectedTotal": data.expected_total,
        },
    )
    must_be_payable("/lines", data.lines)
    return await erp_of(request, legal_entity).create_order(external_id, data)


@get("/v1/erp/{legalEntity:str}/orders/{externalId:str}", operation_id="findOrder", tags=["erp"], opt=_READ)
async def find_order(
    request: Request[Principal, Any, Any], legal_entity: LegalEntityPath, external_id: ExternalIdPath
) -> ErpOrder:
    """The order under an external id; its state is `absent` where there is none."""
    return await erp_of(request, legal_entity).find_order(external_id)


@post(
    "/v1/erp/{legalEntity:str}/orders/{externalId:str}/confirm",
    operation_id="confirmOrder",
    tags=["erp"],
    status_code=200,
    opt=_WRITE,
)
async def confirm_order(
    request: Request[Principal, Any, Any], legal_entity: LegalEntityPath, external_id: ExternalIdPath
) -> ErpOrder:
    """Confirm the quotation. One that is confirmed already is left alone."""
    return await erp_of(request, legal_entity).confirm_order(external_id)


@post(
    "/v1/erp/{legalEntity:str}/orders/{externalId:str}/cancel",
    operation_id="cancelOrder",
    tags=["erp"],
    status_code=200,
    opt=_WRITE,
)
async def cancel_order(
    request: Request[Principal, Any, Any],
    legal_entity: LegalEntityPath,
    external_id: ExternalIdPath,
    keep: KeepQuery = None,
) -> ErpOrder:
    """Cancel every order under this external id, or all but the one to `keep`; the answer names what was cancelled.

    What is absent or cancelled already is left alone.
    """
    return await erp_of(request, legal_entity).cancel_order(external_id, keep=keep)
