"""Billing, in canonical terms: the adapter is chosen by tenant and legal entity."""

import base64
from typing import Any

import msgspec
from litestar import Request, get, post, put
from litestar.params import JSONBody

from shared.canonical import (
    BillingCustomer,
    CustomerDraft,
    CustomerEntry,
    InvoicePage,
    OrderCheck,
    OrderFindings,
    Subscription,
    SubscriptionCancellation,
    SubscriptionDraft,
    WebhookMessage,
    WebhookNotice,
)
from shared.identity.auth import Principal
from shared.operations.operation import operation
from shared.problem import Fault, InvalidRequest, NotFound
from system_api.billing.contract import Billing
from system_api.v1.drafts import amounts_of, must_agree, must_be_in, must_be_payable
from system_api.v1.parameters import (
    OWNER,
    AccountIdPath,
    CursorQuery,
    CustomerCurrencyQuery,
    ExternalIdPath,
    HomeCurrencyQuery,
    KeptSubscriptionQuery,
    KnownQuery,
    LegalEntityPath,
    LimitQuery,
    OpenOnlyQuery,
    VendorIdPath,
)
from system_api.vendor.redaction import note_customer

_READ = operation(owner=OWNER, capability="billing", scopes=["billing:read"])
_VERIFIES = operation(owner=OWNER, capability="billing", scopes=["billing:read"], problems=[422])
_WRITE = operation(
    owner=OWNER,
    capability="billing",
    scopes=["billing:write"],
    rate="write",
    audit="financial",
    problems=[404, 422, 504],
)


class SubscriptionList(msgspec.Struct, frozen=True, kw_only=True):
    """An account's subscriptions, newest first."""

    subscriptions: list[Subscription]


def billing_of(request: Request[Principal, Any, Any], legal_entity: str) -> Billing:
    """Return the platform that charges for the legal entity of the caller's tenant."""
    billing: Billing = request.app.state.registry.billing(request.user.tenant, legal_entity)
    return billing


@put(
    "/v1/billing/{legalEntity:str}/customers/{accountId:str}",
    operation_id="ensureBillingCustomer",
    tags=["billing"],
    opt=_WRITE,
)
async def ensure_billing_customer(
    request: Request[Principal, Any, Any],
    legal_entity: LegalEntityPath,
    account_id: AccountIdPath,
    data: JSONBody[CustomerDraft],
) -> BillingCustomer:
    """The billing customer of an account, created where there is none."""
    must_agree(account_id, data.account_id)
    note_customer(data)
    return await billing_of(request, legal_entity).ensure_customer(data)


@get(
    "/v1/billing/{legalEntity:str}/customers/{accountId:str}",
    operation_id="findBillingCustomer",
    tags=["billing"],
    opt=_READ,
)
async def find_billing_customer(
    request: Request[Principal, Any, Any],
    legal_entity: LegalEntityPath,
    account_id: AccountIdPath,
    currency: CustomerCurrencyQuery,
    home_currency: HomeCurrencyQuery = None,
    known_vendor_id: KnownQuery = None,
) -> BillingCustomer:
    """The billing customer of an account in a currency."""
    billing = billing_of(request, legal_entity)
    found = await billing.find_customer(account_id, currency, home_currency=home_currency, known=known_vendor_id)
    if found is None:
        raise NotFound(f"The billing of {legal_entity} has no customer for account {account_id} in {currency}.")
    return found


@post(
    "/v1/billing/{legalEntity:str}/order-checks",
    operation_id="checkBillingOrder",
    tags=["billing"],
    status_code=200,
    opt=_VERIFIES,
)
async def check_billing_order(
    request: Request[Principal, Any, Any], legal_entity: LegalEntityPath, data: JSONBody[OrderCheck]
) -> OrderFindings:
    """What billing would refuse of an order and its customer once they are written. Nothing is."""
    note_customer(data.customer)
    return await billing_of(request, legal_entity).check_order(data)


@get(
    "/v1/billing/{legalEntity:str}/customer-records/{vendorId:str}",
    operation_id="findBillingCustomerRecord",
    tags=["billing"],
    opt=_READ,
)
async def find_billing_customer_record(
    request: Request[Principal, Any, Any], legal_entity: LegalEntityPath, vendor_id: VendorIdPath
) -> CustomerEntry:
    """A customer of billing by its own id there, as a person would recognise it."""
    found = await billing_of(request, legal_entity).find_customer_entry(vendor_id)
    if found is None:
        raise NotFound(f"The billing of {legal_entity} has no customer {vendor_id}.")
    return found


@get(
    "/v1/billing/{legalEntity:str}/customers/{accountId:str}/subscriptions",
    operation_id="listSubscriptions",
    tags=["billing"],
    opt=_READ,
)
async def list_subscriptions(
    request: Request[Principal, Any, Any], legal_entity: LegalEntityPath, account_id: AccountIdPath
) -> SubscriptionList:
    """The account's subscriptions that are not cancelled."""
    return SubscriptionList(subscriptions=await billing_of(request, legal_entity).list_subscriptions(account_id))


@get(
    "/v1/billing/{legalEntity:str}/customers/{accountId:str}/invoices",
    operation_id="listBillingInvoices",
    tags=["billing"],
    opt=_READ,
)
async def list_billing_invoices(
    request: Request[Principal, Any, Any],
    legal_entity: LegalEntityPath,
    account_id: AccountIdPath,
    open_only: OpenOnlyQuery = False,
    limit: LimitQuery = 20,
    cursor: CursorQuery = None,
) -> InvoicePage:
    """The invoices of recurring lines, newest first."""
    billing = billing_of(request, legal_entity)
    return await billing.list_invoices(account_id, open_only=open_only, limit=limit, cursor=cursor)


@put(
    "/v1/billing/{legalEntity:str}/subscriptions/{externalId:str}",
    operation_id="createSubscription",
    tags=["billing"],
    opt=_WRITE,
)
async def create_subscription(
    request: Request[Principal, Any, Any],
    legal_entity: LegalEntityPath,
    external_id: ExternalIdPath,
    data: JSONBody[SubscriptionDraft],
) -> Subscription:
    """Start a subscription, or find the one started under this external id before."""
    must_be_in(data.currency, amounts_of("/items", data.items))
    must_be_payable("/items", data.items)
    return await billing_of(request, legal_entity).create_subscription(external_id, data)


@get(
    "/v1/billing/{legalEntity:str}/subscriptions/{externalId:str}",
    operation_id="findSubscription",
    tags=["billing"],
    opt=_READ,
)
async def find_subscription(
    request: Request[Principal, Any, Any], legal_entity: LegalEntityPath, external_id: ExternalIdPath
) -> Subscription:
    """The subscription under an external id; its status is `absent` where there is none."""
    return await billing_of(request, legal_entity).find_subscription(external_id)


@post(
    "/v1/billing/{legalEntity:str}/subscriptions/{externalId:str}/cancel",
    operation_id="cancelSubscription",
    tags=["billing"],
    status_code=200,
    opt=_WRITE,
)
async def cancel_subscription(
    request: Request[Principal, Any, Any],
    legal_entity: LegalEntityPath,
    external_id: ExternalIdPath,
    keep: KeptSubscriptionQuery = None,
) -> SubscriptionCancellation:
    """Undo the start of every subscription under this external id, or of all but the one to `keep`, with its invoices.

    What is absent or cancelled already is left alone; the answer names what was cancelled.
    """
    return await billing_of(request, legal_entity).cancel_subscription(external_id, keep=keep)


@post(
    "/v1/billing/{legalEntity:str}/webhook-verifications",
    operation_id="verifyBillingWebhook",
    tags=["billing"],
    status_code=200,
    opt=_VERIFIES,
)
async def verify_billing_webhook(
    request: Request[Principal, Any, Any], legal_entity: LegalEntityPath, data: JSONBody[WebhookMessage]
) -> WebhookNotice:
    """What a webhook is about, once its signature shows that billing sent it, lately. Changes nothing."""
    try:
        payload = base64.b64decode(data.payload, validate=True)
    except ValueError as error:
        raise InvalidRequest(
            "The payload is not base64.", [Fault(pointer="/payload", detail="Send the body's bytes in base64.")]
        ) from error
    return await billing_of(request, legal_entity).read_webhook(payload, data.signature)
