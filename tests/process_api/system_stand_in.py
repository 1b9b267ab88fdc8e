"""A system API at the HTTP boundary, with vendors that keep a journal and can be made to fail.

Journeys run against the real system tier; this one exists to make every answer of it, good or bad, happen on demand at
every step. Its journal is the oracle: it is what the vendors hold, outside the system under test.
"""

import base64
import re
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

import httpx
import msgspec

from shared.canonical import (
    Account,
    Address,
    BillingCustomer,
    BookedLine,
    Connections,
    ConnectionSummary,
    Contact,
    CreditDecision,
    CreditStatus,
    Customer,
    CustomerCandidates,
    CustomerDraft,
    CustomerEntry,
    CustomerTax,
    ErpOrder,
    ErpOrderDraft,
    ErpOrderState,
    InvoicePage,
    ListPrice,
    Money,
    OrderCheck,
    OrderFindings,
    OrderStatusReport,
    PriceList,
    Quote,
    QuoteLine,
    QuoteStatus,
    RecordAccess,
    Recurrence,
    ReportedOrderStatus,
    Subscription,
    SubscriptionCancellation,
    SubscriptionDraft,
    SubscriptionItem,
    SubscriptionStatus,
    TaxCalculation,
    TaxedLine,
    TaxRequest,
    WebhookMessage,
    WebhookNotice,
)
from shared.canonical.record_ids import canonical_spelling
from shared.problem import Fault as PointedFault
from shared.problem import NeedsDecision, QuotewayError, Rejected, Unavailable
from system_api.billing.stripe.webhooks import read_event
from system_api.vendor.signatures import require_stripe_signature

# `lost` is the fault that matters most: the vendor does the work, and the answer does not arrive.
Fault = Literal["rejected", "unavailable", "lost", "not_sent", "garbage", "token_ended", "decision"]
ACCOUNT_ID = "001QW0000000001AAA"
# What the ERP's connector tells an operator whose order parks over a customer that it cannot tell.
CHOOSE = (
    "Read the account's cross-references, which list the candidates, choose one of them (or a new one) with relink, "
    "then have the flow tried again."
)


def euros(amount: str) -> Money:
    """That many euros."""
    return Money(amount=amount, currency="EUR")


def line(line_id: str, sku: str, quantity: str, price: str, recurrence: Recurrence, discount: str = "0") -> QuoteLine:
    """A quote line."""
    return QuoteLine(
        line_id=line_id,
        sku=sku,
        description=sku,
        quantity=quantity,
        unit_price=euros(price),
        discount_percent=discount,
        recurrence=recurrence,
    )


def new_quote_id() -> str:
    """An id of no other quote, as Salesforce spells it."""
    return canonical_spelling(f"0Q0{uuid.uuid4().hex[:12]}")


def mixed_quote() -> Quote:
    """An accepted quote with one-off and recurring lines, with an id of its own: a quote is ordered only once."""
    return Quote(
        quote_id=new_quote_id(),
        number="00001001",
        revision=1,
        status=QuoteStatus.accepted,
        account_id=ACCOUNT_ID,
        legal_entity="NW-DE",
        currency="EUR",
        bill_to=Contact(name="Petra Muster", email="buchhaltung@acme.example"),
        lines=[
            line("l1", "GATEWAY-EDGE", "2", "1490.00", Recurrence.none, "5"),
            line("l2", "MON-STD", "20", "4.90", Recurrence.month),
            line("l3", "SUPPORT-PREM", "1", "1200.00", Recurrence.year),
        ],
    )


@dataclass
class SystemStandIn:
    """The vendors' state, the faults to come, and every call that was made."""

    quote: Quote | None = field(default_factory=mixed_quote)
    more_quotes: list[Quote] = field(default_factory=list)
    more_accounts: list[Account] = field(default_factory=list)
    spellings: dict[str, str] = field(default_factory=dict)
    account: Account | None = field(
        default_factory=lambda: Account(
            account_id=ACCOUNT_ID,
            name="Acme Industriewerke GmbH",
            legal_entity="NW-DE",
            currency="EUR",
            billing_address=Address(street="Werkstrasse 5", postal_code="70435", city="Stuttgart", country="DE"),
        )
    )
    access: dict[tuple[str, str], RecordAccess] = field(default_factory=dict)
    """What each user may do with each record: nothing, unless it is said here."""
    credit_limit: Decimal | None = Decimal(50000)
    prices: dict[str, str] = field(
        default_factory=lambda: {"GATEWAY-EDGE": "1490.00", "MON-STD": "4.90", "SUPPORT-PREM": "1200.00"}
    )
    quantity_digits: dict[str, int] = field(default_factory=dict)
    """Of the ERP's units, by product."""
    drafts: dict[str, ErpOrderDraft] = field(default_factory=dict)
    """What each order was made from."""
    subscription_drafts: dict[str, SubscriptionDraft] = field(default_factory=dict)
    """What each subscription was started from."""
    billing_tax: Money | None = None
    """The tax on the first invoice of each subscription, as billing reckons it."""
    late_orders: dict[str, list[str]] = field(default_factory=dict)
    """Vendor ids of what requests that arrived late made beside an order, by its external id."""
    late_subscriptions: dict[str, list[str]] = field(default_factory=dict)
    """As `late_orders`, beside a subscription."""
    undecided: str | None = None
    """What the ERP says of an account that looks like other customers, where nobody has decided on it."""
    replaced: dict[str, str] = field(default_factory=dict)
    """Customers that a vendor has merged into, or replaced by, another one."""
    blocked: set[str] = field(default_factory=set)
    customer_drafts: list[CustomerDraft] = field(default_factory=list)
    """What ERP and billing were told of customers."""
    customers: dict[str, str] = field(default_factory=dict)
    """The ERP's customers that carry an account's id, by that id."""
    customer_records: dict[str, CustomerEntry] = field(default_factory=dict)
    would_refuse: dict[str, OrderFindings] = field(default_factory=dict)
    """What ERP and billing find of an order before it is written, by capability."""
    order_checks: dict[str, OrderCheck] = field(default_factory=dict)
    """What they were asked about last."""
    alike: list[CustomerEntry] = field(default_factory=list)
    """The customers that an account looks like."""
    erp_tax: CustomerTax | None = None
    billing_customers: dict[str, BillingCustomer] = field(default_factory=dict)
    """What billing knows accounts as, by their ids."""
    billing_exempts: bool = False
    orders: dict[str, ErpOrder] = field(default_factory=dict)
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    reports: dict[str, ReportedOrderStatus] = field(default_factory=dict)
    journal: list[tuple[str, str]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    webhook_secret: str = "whsec_of_the_stand_in"
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    refused_by: str = "by the vendor"
    refused_at: str | None = None
    """The pointer to what the refusals to come are about."""
    vendor_said: str | None = None
    """The vendor's own words with a refusal, a decision or an outage to come."""
    what_to_do: str = ""
    vendor: str = "Tryton"
    attempts_max: int | None = None
    """What the connection allows, told with an outage."""
    ended_tokens: set[str] = field(default_factory=set)
    tenants_asked_for: set[str] = field(default_factory=set)
    """Of the tokens with which anything was asked."""
    query: dict[str, str] = field(default_factory=dict)
    """The query of the present request."""

    @property
    def quote_id(self) -> str:
        """The id of the quote that the tests order."""
        return self.quote.quote_id if self.quote else "0Q0nothingthere000"

    def fail(self, operation: str, *faults: Fault) -> None:
        """Let the next calls of an operation fail, one fault each."""
        self.faults.setdefault(operation, []).extend(faults)

    def transport(self) -> httpx.MockTransport:
        """The way to it."""
        return httpx.MockTransport(self.answer)

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer a request, or fail as told."""
        if request.url.path == "/v1/connections":  # asked in the background: no test's journal is about it
            return self._list_connections(request)
        for pattern, method, operation in _ROUTES:
            matched = re.fullmatch(pattern, request.url.path)
            if matched and method == request.method:
                self.calls.append(operation)
                self.tenants_asked_for.add(_tenant_of(request))
                return self._perform(operation, request, *matched.groups())
        return httpx.Response(404, text=f"no such operation: {request.method} {request.url.path}")

    def _perform(self, operation: str, request: httpx.Request, *names: str) -> httpx.Response:
        fault = self.faults[operation].pop(0) if self.faults.get(operation) else None
        if fault == "not_sent":
            raise httpx.ConnectError("refused", request=request)
        if fault == "token_ended":
            self.ended_tokens.add(request.headers["Authorization"])
        if request.headers.get("Authorization") in self.ended_tokens:
            return httpx.Response(401)
        if fault in {"rejected", "unavailable", "decision"}:
            return _problem(self._error(operation, fault))
        self.query = dict(request.url.params)
        handler: Callable[..., Any] = getattr(self, f"_{operation}")
        try:
            found = handler(request.content, *names)
        except QuotewayError as error:
            return _problem(error)
        if fault == "lost":
            raise httpx.ReadTimeout("no answer", request=request)
        if fault == "garbage":
            return httpx.Response(200, text="<html>bad gateway</html>")
        if found is None:
            return httpx.Response(
                404,
                json={
                    "type": "urn:quoteway:problem:not-found",
                    "title": "t",
                    "status": 404,
                    "detail": "none",
                    "correlationId": "c",
                },
            )
        return httpx.Response(200, content=msgspec.json.encode(found))

    def _error(self, operation: str, fault: str) -> QuotewayError:
        operation = operation.replace("_", " ")  # as the system tier tells it: in plain words
        if fault == "rejected":
            said = f"{operation} was refused {self.refused_by}"
            refused = Rejected(said, reason_code="test_refusal", vendor_said=self.vendor_said)
            refused.faults = [PointedFault(pointer=self.refused_at, detail=said)] if self.refused_at else []
            return refused
        if fault == "unavailable":
            said, to_do = f"{operation} is not available", self.what_to_do
            error = Unavailable(
                said, vendor=self.vendor, retry_after_s=0, vendor_said=self.vendor_said, what_to_do=to_do
            )
            error.attempts_max = self.attempts_max
            return error
        return NeedsDecision(
            f"{operation} needs a decision",
            reason_code="test_decision",
            what_to_do="Pick one of the two.",
            candidates=["C-1 in Stuttgart", "C-2 in Ulm"],
            vendor_said=self.vendor_said,
        )

    # -- CRM ------------------------------------------------------------------------------------------------------

    def _find_quote(self, _body: bytes, quote_id: str) -> Quote | None:
        known = [quote for quote in (self.quote, *self.more_quotes) if quote is not None]
        wanted = self.spellings.get(quote_id, quote_id)
        return next((quote for quote in known if quote.quote_id == wanted), None)

    def _find_account(self, _body: bytes, account_id: str) -> Account | None:
        return next((known for known in self.more_accounts if known.account_id == account_id), self.account)

    def _record_access(self, _body: bytes, user_id: str, record_id: str) -> RecordAccess:
        return self.access.get((user_id, record_id), RecordAccess(readable=False, editable=False))

    def _report_order_status(self, body: bytes, order_id: str) -> OrderStatusReport:
        report = msgspec.json.decode(body, type=ReportedOrderStatus)
        known = self.reports.get(order_id)
        applied = known is None or known.version < report.version
        if applied:
            self.reports[order_id] = report
            self.journal.append(("report", f"{order_id}:{report.status}"))
        return OrderStatusReport(order_id=order_id, vendor_id="a01", version=report.version, applied=applied)

    # -- ERP ------------------------------------------------------------------------------------------------------

    def _find_customer(self, _body: bytes, account_id: str) -> Customer | None:
        vendor_id = self.customers.get(account_id)
        if vendor_id is None:
            return None
        blocked = vendor_id in self.blocked
        return Customer(account_id=account_id, vendor_id=vendor_id, code="C-1001", name="Acme", blocked=blocked)

    def _ensure_customer(self, body: bytes, account_id: str) -> Customer:
        draft = msgspec.json.decode(body, type=CustomerDraft)
        self.customer_drafts.append(draft)
        if draft.known_vendor_id is None and draft.new_as is None and self.undecided is not None:
            raise NeedsDecision(self.undecided, reason_code="customer_ambiguous", what_to_do=CHOOSE)
        made = f"party-{account_id}" if draft.new_as is None else f"party-{draft.new_as}-{account_id}"
        vendor_id = draft.known_vendor_id or made
        vendor_id = self.replaced.get(vendor_id, vendor_id)
        if vendor_id in self.blocked:
            raise Rejected(f"Customer {vendor_id} is blocked in the ERP.", reason_code="customer_blocked")
        self.customers[account_id] = vendor_id
        return Customer(account_id=account_id, vendor_id=vendor_id, code="C-1001", name="Acme", tax=self.erp_tax)

    def _find_customer_candidates(self, _body: bytes) -> CustomerCandidates:
        return CustomerCandidates(candidates=self.alike)

    def _check_order(self, body: bytes, capability: str) -> OrderFindings:
        self.order_checks[capability] = msgspec.json.decode(body, type=OrderCheck)
        return self.would_refuse.get(capability, OrderFindings())

    def _find_customer_record(self, _body: bytes, _capability: str, vendor_id: str) -> CustomerEntry | None:
        if vendor_id in self.customer_records or not vendor_id.startswith(("party-", "master-")):
            return self.customer_records.get(vendor_id)
        # As `ensure_customer` would name it: what an earlier test's orders have linked is there.
        active = vendor_id not in self.blocked
        return CustomerEntry(vendor_id=vendor_id, number="C-1001", name="Acme", active=active)

    def _check_credit(self, _body: bytes, account_id: str) -> CreditStatus:
        return CreditStatus(
            account_id=account_id,
            decision=CreditDecision.approved if self.credit_limit else CreditDecision.refused,
            reason="within the limit" if self.credit_limit else "the limit is used up",
            exposure=euros("0"),
        )

    def _create_order(self, body: bytes, external_id: str) -> ErpOrder:
        draft = msgspec.json.decode(body, type=ErpOrderDraft)
        if external_id not in self.orders:
            self.journal.append(("order.create", external_id))
            self.drafts[external_id] = draft
            self.orders[external_id] = ErpOrder(
                external_id=external_id,
                state=ErpOrderState.quoted,
                vendor_id="42",
                number="SO-42",
                line_count=len(draft.lines),
                lines=[BookedLine(line_id=line.line_id or "", net_amount=line.net) for line in draft.lines],
                tax=draft.expected_tax,
                total=draft.expected_total,
            )
        return self.orders[external_id]

    def _find_order(self, _body: bytes, external_id: str) -> ErpOrder:
        return self.orders.get(external_id) or ErpOrder(external_id=external_id, state=ErpOrderState.absent)

    def _confirm_order(self, _body: bytes, external_id: str) -> ErpOrder:
        return self._move_order(external_id, ErpOrderState.confirmed)

    def _cancel_order(self, _body: bytes, external_id: str) -> ErpOrder:
        late = self.late_orders.pop(external_id, [])
        self.journal += [("late_order.cancelled", vendor_id) for vendor_id in late]
        before = self._find_order(b"", external_id)
        if before.vendor_id is not None and before.vendor_id == self.query.get("keep"):
            return msgspec.structs.replace(before, cancelled_vendor_ids=late)
        live = before.state not in {ErpOrderState.absent, ErpOrderState.cancelled}
        gone = [before.vendor_id, *late] if live and before.vendor_id else late
        moved = self._move_order(external_id, ErpOrderState.cancelled)
        return msgspec.structs.replace(moved, cancelled_vendor_ids=gone)

    def _move_order(self, external_id: str, state: ErpOrderState) -> ErpOrder:
        found = self._find_order(b"", external_id)
        if found.state is ErpOrderState.absent or found.state is state:
            return found
        self.journal.append((f"order.{state.value}", external_id))
        self.orders[external_id] = msgspec.structs.replace(found, state=state)
        return self.orders[external_id]

    def _list_invoices(self, _body: bytes, _account_id: str) -> InvoicePage:
        return InvoicePage(invoices=[])

    # -- billing --------------------------------------------------------------------------------------------------

    def _ensure_billing_customer(self, body: bytes, account_id: str) -> BillingCustomer:
        draft = msgspec.json.decode(body, type=CustomerDraft)
        self.customer_drafts.append(draft)
        made = f"cus_{account_id}" if draft.currency == "EUR" else f"cus_{account_id}_{draft.currency}"
        vendor_id = draft.known_vendor_id or made
        return BillingCustomer(account_id=account_id, vendor_id=self.replaced.get(vendor_id, vendor_id))

    def _find_billing_customer(self, _body: bytes, account_id: str) -> BillingCustomer | None:
        if not self.billing_exempts:
            return self.billing_customers.get(account_id)
        return BillingCustomer(account_id=account_id, vendor_id=f"cus_{account_id}", tax_exempt=True)

    def _create_subscription(self, body: bytes, external_id: str) -> Subscription:
        draft = msgspec.json.decode(body, type=SubscriptionDraft)
        if external_id not in self.subscriptions:
            self.journal.append(("subscription.create", external_id))
            self.subscription_drafts[external_id] = draft
            amount = sum((item.net.value for item in draft.items), Decimal(0))
            self.subscriptions[external_id] = Subscription(
                external_id=external_id,
                status=SubscriptionStatus.active,
                vendor_id=f"sub_{len(self.subscriptions) + 1}",
                recurrence=draft.recurrence,
                items=[
                    SubscriptionItem(sku=item.sku, quantity=item.quantity, net_unit_price=item.net_unit_price)
                    for item in draft.items
                ],
                lines=[BookedLine(line_id=item.line_id or "", net_amount=item.net) for item in draft.items],
                period_amount=Money.of(amount, "EUR"),
                billing_frequency=draft.billing_frequency,
                starts_on=draft.starts_on,
                tax=self.billing_tax,
            )
        return self.subscriptions[external_id]

    def _find_subscription(self, _body: bytes, external_id: str) -> Subscription:
        absent = Subscription(external_id=external_id, status=SubscriptionStatus.absent)
        return self.subscriptions.get(external_id) or absent

    def _cancel_subscription(self, _body: bytes, external_id: str) -> SubscriptionCancellation:
        late = self.late_subscriptions.pop(external_id, [])
        self.journal += [("late_subscription.cancelled", vendor_id) for vendor_id in late]
        found = self._find_subscription(b"", external_id)
        gone = late
        if found.status is SubscriptionStatus.active and found.vendor_id != self.query.get("keep"):
            self.journal.append(("subscription.cancel", external_id))
            self.subscriptions[external_id] = msgspec.structs.replace(found, status=SubscriptionStatus.cancelled)
            gone = [*late, str(found.vendor_id)]
        left = msgspec.structs.asdict(self._find_subscription(b"", external_id))
        return SubscriptionCancellation(**left, cancelled_vendor_ids=gone)

    def _list_subscriptions(self, _body: bytes, _account_id: str) -> dict[str, list[Subscription]]:
        return {"subscriptions": list(self.subscriptions.values())}

    def _list_connections(self, request: httpx.Request) -> httpx.Response:
        self.tenants_asked_for.add(_tenant_of(request))
        found = [
            ConnectionSummary(
                tenant="nordwind", capability="billing", legal_entity=entity, adapter="stripe", takes_webhooks=takes
            )
            for entity, takes in (("NW-DE", True), ("NW-US", True), ("NW-AT", False))
        ]
        return httpx.Response(200, content=msgspec.json.encode(Connections(connections=found)))

    def _verify_webhook(self, body: bytes, legal_entity: str) -> WebhookNotice:
        if legal_entity != "NW-DE":
            raise Rejected("No billing platform is connected.", reason_code="no_connection")
        message = msgspec.json.decode(body, type=WebhookMessage)
        payload = base64.b64decode(message.payload)
        require_stripe_signature(self.webhook_secret, message.signature, payload, now_s=time.time())
        return read_event(payload)

    # -- prices and tax -------------------------------------------------------------------------------------------

    def _look_up_prices(self, body: bytes, _legal_entity: str) -> PriceList:
        recurrences = {"MON-STD": Recurrence.month, "SUPPORT-PREM": Recurrence.year}
        skus: list[str] = msgspec.json.decode(body)["skus"]
        prices = [
            ListPrice(
                sku=sku,
                erp=euros(self.prices[sku]),
                billing=euros(self.prices[sku]),
                billing_recurrence=recurrences.get(sku, Recurrence.none),
                quantity_digits=self.quantity_digits.get(sku),
            )
            if sku in self.prices
            else ListPrice(sku=sku)
            for sku in skus
        ]
        return PriceList(currency="EUR", prices=prices)

    def _calculate_tax(self, body: bytes) -> TaxCalculation:
        request = msgspec.json.decode(body, type=TaxRequest)
        lines = [
            TaxedLine(line_id=item.line_id, net=item.net, tax=Money.of(item.net.value * Decimal("0.19"), "EUR"))
            for item in request.lines
        ]
        total = sum((item.tax.value for item in lines if item.tax), Decimal(0))
        return TaxCalculation(
            tax_code="DE", jurisdiction="VAT 19 %", percent="19", lines=lines, total=Money.of(total, "EUR")
        )


def _tenant_of(request: httpx.Request) -> str:
    """The tenant of a request's token, which nobody verifies here; empty where it has none."""
    parts = request.headers.get("Authorization", "").split(".")
    if len(parts) != 3:
        return ""
    claims = msgspec.json.decode(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    return str(claims.get("tenant", ""))


def _problem(error: QuotewayError) -> httpx.Response:
    return httpx.Response(error.status, content=msgspec.json.encode(error.problem("c")), headers=error.headers)


_ROUTES = [
    (r"/v1/crm/quotes/([^/]+)", "GET", "find_quote"),
    (r"/v1/crm/accounts/([^/]+)", "GET", "find_account"),
    (r"/v1/crm/users/([^/]+)/record-access/([^/]+)", "GET", "record_access"),
    (r"/v1/crm/order-status/([^/]+)", "PUT", "report_order_status"),
    (r"/v1/erp/NW-(?:DE|US)/customers/([^/]+)", "GET", "find_customer"),
    (r"/v1/erp/NW-(?:DE|US)/customers/([^/]+)", "PUT", "ensure_customer"),
    (r"/v1/erp/NW-(?:DE|US)/customer-candidates", "POST", "find_customer_candidates"),
    (r"/v1/(erp|billing)/NW-(?:DE|US)/order-checks", "POST", "check_order"),
    (r"/v1/(erp|billing)/NW-(?:DE|US)/customer-records/([^/]+)", "GET", "find_customer_record"),
    (r"/v1/billing/NW-(?:DE|US)/customers/([^/]+)", "GET", "find_billing_customer"),
    (r"/v1/erp/NW-(?:DE|US)/customers/([^/]+)/credit", "GET", "check_credit"),
    (r"/v1/erp/NW-(?:DE|US)/customers/([^/]+)/invoices", "GET", "list_invoices"),
    (r"/v1/erp/NW-(?:DE|US)/orders/([^/]+)", "PUT", "create_order"),
    (r"/v1/erp/NW-(?:DE|US)/orders/([^/]+)", "GET", "find_order"),
    (r"/v1/erp/NW-(?:DE|US)/orders/([^/]+)/confirm", "POST", "confirm_order"),
    (r"/v1/erp/NW-(?:DE|US)/orders/([^/]+)/cancel", "POST", "cancel_order"),
    (r"/v1/billing/NW-(?:DE|US)/customers/([^/]+)", "PUT", "ensure_billing_customer"),
    (r"/v1/billing/NW-(?:DE|US)/customers/([^/]+)/subscriptions", "GET", "list_subscriptions"),
    (r"/v1/billing/NW-(?:DE|US)/customers/([^/]+)/invoices", "GET", "list_invoices"),
    (r"/v1/billing/NW-(?:DE|US)/subscriptions/([^/]+)", "PUT", "create_subscription"),
    (r"/v1/billing/NW-(?:DE|US)/subscriptions/([^/]+)", "GET", "find_subscription"),
    (r"/v1/billing/NW-(?:DE|US)/subscriptions/([^/]+)/cancel", "POST", "cancel_subscription"),
    (r"/v1/billing/([^/]+)/webhook-verifications", "POST", "verify_webhook"),
    (r"/v1/pricing/(NW-DE|NW-US)/price-lookups", "POST", "look_up_prices"),
    (r"/v1/tax/calculations", "POST", "calculate_tax"),
]
