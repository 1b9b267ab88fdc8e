"""The process tier's way to the system tier: canonical types in and out, errors of the three families."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from process_api.settings import ProcessSettings
from shared.canonical import (
    Account,
    BillingCustomer,
    Connections,
    CreditStatus,
    Customer,
    CustomerCandidates,
    CustomerDraft,
    CustomerEntry,
    ErpOrder,
    ErpOrderDraft,
    InvoicePage,
    InvoiceSource,
    Money,
    OrderStatusReport,
    PriceList,
    Quote,
    RecordAccess,
    Recurrence,
    ReportedOrderStatus,
    Subscription,
    SubscriptionCancellation,
    SubscriptionDraft,
    TaxCalculation,
    TaxRequest,
    WebhookMessage,
    WebhookNotice,
)
from shared.identity.service_token import ServiceTokens
from shared.outbound.http_client import (
    READS,
    ClientSettings,
    OutboundClient,
    Response,
    Transport,
    decode_json,
    raise_for_problem,
)
from shared.outbound.paths import path_of
from shared.problem import NotFound, OutcomeUnknown, Unavailable, VendorError
from shared.seller_words import put_plainly
from shared.telemetry.tracing import traced

T = TypeVar("T")
_PEER = "system API"
# Longer than the system tier waits for a vendor: which vendor is silent, only it can say.
_NETWORK = ClientSettings(answer_timeout_s=25.0)


class _SoldAs(msgspec.Struct, frozen=True):
    sku: str
    recurrence: Recurrence


class _PriceLookup(msgspec.Struct, frozen=True, rename="camel"):
    skus: list[str]
    currency: str
    sold_as: list[_SoldAs]


class _Health(msgspec.Struct, frozen=True):
    missing: dict[str, str] = {}


class _Subscriptions(msgspec.Struct, frozen=True):
    subscriptions: list[Subscription]


@traced()
@dataclass(frozen=True)
class SystemClient:
    """Calls the system API for a tenant, with this service's own token.

    Reads raise Unavailable, writes also Rejected and OutcomeUnknown. No method repeats a write. `before_write` is
    asked before each write is sent, and may raise: a worker that has lost its lease writes nothing any more.
    """

    client: OutboundClient
    tokens: ServiceTokens
    before_write: Callable[[], None] | None = None

    async def find_quote(self, tenant: str, quote_id: str) -> Quote | None:
        """The quote with its lines, or None."""
        return await self._read_or_none(tenant, path_of("/v1/crm/quotes/{}", quote_id), Quote)

    async def find_account(self, tenant: str, account_id: str) -> Account | None:
        """The account, or None."""
        return await self._read_or_none(tenant, path_of("/v1/crm/accounts/{}", account_id), Account)

    async def record_access(self, tenant: str, user_id: str, record_id: str) -> RecordAccess:
        """What a user of the CRM may do with a record; nothing where there is none."""
        return await self._send(
            tenant, "GET", path_of("/v1/crm/users/{}/record-access/{}", user_id, record_id), RecordAccess
        )

    async def report_order_status(self, tenant: str, order_id: str, report: ReportedOrderStatus) -> OrderStatusReport:
        """Tell the CRM where an order is."""
        return await self._send(tenant, "PUT", path_of("/v1/crm/order-status/{}", order_id), OrderStatusReport, report)

    async def find_customer(self, tenant: str, legal_entity: str, account_id: str) -> Customer | None:
        """The ERP's customer of an account, or None."""
        return await self._read_or_none(tenant, path_of("/v1/erp/{}/customers/{}", legal_entity, account_id), Customer)

    async def ensure_customer(self, tenant: str, legal_entity: str, draft: CustomerDraft) -> Customer:
        """The ERP's customer of an account, created where there is none."""
        return await self._send(
            tenant, "PUT", path_of("/v1/erp/{}/customers/{}", legal_entity, draft.account_id), Customer, draft
        )

    async def find_customer_candidates(
        self, tenant: str, legal_entity: str, draft: CustomerDraft
    ) -> list[CustomerEntry]:
        """The ERP's customers that may be an account, the likeliest first."""
        path = path_of("/v1/erp/{}/customer-candidates", legal_entity)
        return (await self._send(tenant, "POST", path, CustomerCandidates, draft, reads=True)).candidates

    async def find_customer_record(
        self, tenant: str, capability: str, legal_entity: str, vendor_id: str
    ) -> CustomerEntry | None:
        """A customer of the ERP or of billing by its own id there, or None."""
        path = path_of("/v1/{}/{}/customer-records/{}", capability, legal_entity, vendor_id)
        return await self._read_or_none(tenant, path, CustomerEntry)

    async def find_billing_customer(
        self, tenant: str, legal_entity: str, draft: CustomerDraft
    ) -> BillingCustomer | None:
        """Billing's customer of an account in the draft's currency, or None."""
        params = {
            "currency": draft.currency,
            "homeCurrency": draft.home_currency,
            "crossReference": draft.known_vendor_id,
        }
        path = path_of("/v1/billing/{}/customers/{}", legal_entity, draft.account_id)
        given = {name: value for name, value in params.items() if value is not None}
        return await self._read_or_none(tenant, path, BillingCustomer, given)

    async def check_credit(self, tenant: str, legal_entity: str, account_id: str, amount: Money) -> CreditStatus | None:
        """Whether the customer may owe `amount` more; None where the ERP does not know it."""
        params = {"amount": amount.amount, "currency": amount.currency}
        path = path_of("/v1/erp/{}/customers/{}/credit", legal_entity, account_id)
        return await self._read_or_none(tenant, path, CreditStatus, params)

    async def create_order(self, tenant: str, legal_entity: str, external_id: str, draft: ErpOrderDraft) -> ErpOrder:
        """Book an order in the ERP as a quotation, or find the one booked before."""
        return await self._send(
            tenant, "PUT", path_of("/v1/erp/{}/orders/{}", legal_entity, external_id), ErpOrder, draft
        )

    async def find_order(self, tenant: str, legal_entity: str, external_id: str) -> ErpOrder:
        """The ERP's order, possibly absent."""
        return await self._send(tenant, "GET", path_of("/v1/erp/{}/orders/{}", legal_entity, external_id), ErpOrder)

    async def confirm_order(self, tenant: str, legal_entity: str, external_id: str) -> ErpOrder:
        """Confirm the ERP's quotation."""
        return await self._send(
            tenant, "POST", path_of("/v1/erp/{}/orders/{}/confirm", legal_entity, external_id), ErpOrder
        )

    async def cancel_order(
        self, tenant: str, legal_entity: str, external_id: str, *, keep: str | None = None
    ) -> ErpOrder:
        """Cancel the ERP's orders under that id, but for the one to keep; an absent one is left alone."""
        path = path_of("/v1/erp/{}/orders/{}/cancel", legal_entity, external_id)
        return await self._send(tenant, "POST", path, ErpOrder, params={"keep": keep} if keep else None)

    async def ensure_billing_customer(self, tenant: str, legal_entity: str, draft: CustomerDraft) -> BillingCustomer:
        """Billing's customer of an account, created where there is none."""
        path = path_of("/v1/billing/{}/customers/{}", legal_entity, draft.account_id)
        return await self._send(tenant, "PUT", path, BillingCustomer, draft)

    async def create_subscription(
        self, tenant: str, legal_entity: str, external_id: str, draft: SubscriptionDraft
    ) -> Subscription:
        """Start a subscription, or find the one started before."""
        path = path_of("/v1/billing/{}/subscriptions/{}", legal_entity, external_id)
        return await self._send(tenant, "PUT", path, Subscription, draft)

    async def find_subscription(self, tenant: str, legal_entity: str, external_id: str) -> Subscription:
        """Billing's subscription, possibly absent."""
        path = path_of("/v1/billing/{}/subscriptions/{}", legal_entity, external_id)
        return await self._send(tenant, "GET", path, Subscription)

    async def cancel_subscription(
        self, tenant: str, legal_entity: str, external_id: str, *, keep: str | None = None
    ) -> SubscriptionCancellation:
        """Undo the start of the subscriptions under that id, but for the one to keep; an absent one is left alone."""
        path = path_of("/v1/billing/{}/subscriptions/{}/cancel", legal_entity, external_id)
        params = {"keep": keep} if keep else None
        return await self._send(tenant, "POST", path, SubscriptionCancellation, params=params)

    async def list_subscriptions(self, tenant: str, legal_entity: str, account_id: str) -> list[Subscription]:
        """The account's subscriptions that are not cancelled."""
        path = path_of("/v1/billing/{}/customers/{}/subscriptions", legal_entity, account_id)
        return (await self._send(tenant, "GET", path, _Subscriptions)).subscriptions

    async def list_invoices(
        self,
        tenant: str,
        legal_entity: str,
        account_id: str,
        source: InvoiceSource,
        *,
        open_only: bool,
        limit: int,
        cursor: str | None,
    ) -> InvoicePage:
        """A page of one system's invoices, newest first."""
        params: dict[str, Any] = {"openOnly": str(open_only).lower(), "limit": limit}
        if cursor:
            params["cursor"] = cursor
        path = path_of("/v1/{}/{}/customers/{}/invoices", source.value, legal_entity, account_id)
        return await self._send(tenant, "GET", path, InvoicePage, params=params)

    async def look_up_prices(self, tenant: str, quote: Quote) -> PriceList:
        """The list prices of what a quote sells: each line's from the system that invoices it, beside the ERP's."""
        sold = sorted({(line.sku, line.recurrence) for line in quote.lines})
        skus = sorted({sku for sku, _ in sold})
        path = path_of("/v1/pricing/{}/price-lookups", quote.legal_entity)
        lookup = _PriceLookup(skus, quote.currency, [_SoldAs(sku, recurrence) for sku, recurrence in sold])
        return await self._send(tenant, "POST", path, PriceList, lookup, reads=True)

    async def calculate_tax(self, tenant: str, request: TaxRequest) -> TaxCalculation:
        """The tax on these lines. Raises Rejected where no jurisdiction fits."""
        return await self._send(tenant, "POST", "/v1/tax/calculations", TaxCalculation, request, reads=True)

    async def verify_webhook(self, tenant: str, legal_entity: str, message: WebhookMessage) -> WebhookNotice:
        """What a webhook is about. Raises Rejected where its sender did not sign it."""
        path = path_of("/v1/billing/{}/webhook-verifications", legal_entity)
        return await self._send(tenant, "POST", path, WebhookNotice, message, reads=True)

    async def list_connections(self, platform_tenant: str) -> Connections:
        """Every tenant's connections, with a token that is no tenant's."""
        return await self._send(platform_tenant, "GET", "/v1/connections", Connections)

    async def ready(self) -> str | None:
        """None if the system API can serve, or could if it had heard from us which tokens are revoked.

        It waits for us with that, which says nothing of whether it can serve.
        """
        response = await self.client.send("GET", "/health/ready")
        if response.is_success or _lacks(response) == {"revocations"}:
            return None
        return f"the {_PEER} is not ready"

    async def _read_or_none(
        self, tenant: str, path: str, kind: type[T], params: Mapping[str, Any] | None = None
    ) -> T | None:
        try:
            return await self._send(tenant, "GET", path, kind, params=params)
        except NotFound:
            return None

    async def _send(
        self,
        tenant: str,
        method: str,
        path: str,
        kind: type[T],
        body: msgspec.Struct | None = None,
        *,
        params: Mapping[str, Any] | None = None,
        reads: bool = False,
    ) -> T:
        try:
            return await self._answer(tenant, method, path, kind, body, params, safe=reads or method in READS)
        except VendorError as error:
            put_plainly(error)  # everything that is told of it from here on may reach a seller
            raise

    async def _answer(
        self,
        tenant: str,
        method: str,
        path: str,
        kind: type[T],
        body: msgspec.Struct | None,
        params: Mapping[str, Any] | None,
        *,
        safe: bool,
    ) -> T:
        response = await self._send_with_token(tenant, method, path, body, params, safe)
        if response.status_code == 401:
            # Refused at the door, so nothing happened: a token that was revoked or whose key was rotated.
            self.tokens.forget(tenant)
            response = await self._send_with_token(tenant, method, path, body, params, safe)
        raise_for_problem(response, _PEER, safe=safe)
        try:
            return decode_json(response.content, kind)
        except msgspec.DecodeError as error:
            if safe:
                raise Unavailable(f"{_PEER} answered something else than {kind.__name__}", vendor=_PEER) from error
            raise OutcomeUnknown(f"{_PEER} answered something else than {kind.__name__}", vendor=_PEER) from error

    async def _send_with_token(
        self,
        tenant: str,
        method: str,
        path: str,
        body: msgspec.Struct | None,
        params: Mapping[str, Any] | None,
        safe: bool,
    ) -> Response:
        headers = {"Authorization": f"Bearer {self.tokens.held(tenant) or await self.tokens.bearer(tenant)}"}
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = msgspec.json.encode(body)
        if not safe and self.before_write is not None:
            self.before_write()
        return await self.client.send(method, path, headers=headers, params=params, content=content, reads=safe)


def connect_system(
    settings: ProcessSettings, transport: Transport | None = None, issuer_transport: Transport | None = None
) -> SystemClient:
    """The client that `settings` describe. The transports replace the network in tests."""
    tokens = ServiceTokens(
        settings.issuer_metadata_url,
        settings.process_client_id,
        settings.client_secret(),
        settings.system_audience,
        transport=issuer_transport,
    )
    return SystemClient(OutboundClient(_PEER, settings.system_url, transport=transport, settings=_NETWORK), tokens)


def _lacks(response: Response) -> set[str]:
    """What another tier says that it is not ready for; nothing where its answer cannot be read."""
    try:
        return set(msgspec.json.decode(response.content, type=_Health).missing)
    except msgspec.DecodeError:
        return set()
