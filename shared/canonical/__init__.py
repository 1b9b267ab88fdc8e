"""The canonical model: what Quoteway means by a quote, an order, an invoice, in no vendor's words.

Nothing here imports a web framework: the types are the language the three tiers share, and each tier's
`v1` decides how they look on the wire.
"""

from shared.canonical.account import (
    UNTAXED,
    Account,
    Address,
    CreditDecision,
    CreditStatus,
    Customer,
    CustomerCandidates,
    CustomerDraft,
    CustomerEntry,
    CustomerTax,
    RecordAccess,
)
from shared.canonical.connection import Connections, ConnectionSummary
from shared.canonical.invoice import Invoice, InvoicePage, InvoiceSource, InvoiceStatus
from shared.canonical.money import Money, MoneyError, round_money
from shared.canonical.order import (
    BookedLine,
    ErpOrder,
    ErpOrderDraft,
    ErpOrderLine,
    ErpOrderState,
    OrderStatus,
    OrderStatusReport,
    ReportedOrderStatus,
)
from shared.canonical.order_check import OrderCheck, OrderFault, OrderFindings
from shared.canonical.pricing import ListPrice, PriceList, TaxCalculation, TaxedLine, TaxRequest
from shared.canonical.quote import (
    BillingFrequency,
    Contact,
    Quote,
    QuoteKind,
    QuoteLine,
    QuoteStatus,
    Recurrence,
)
from shared.canonical.subscription import (
    BillingCustomer,
    Collection,
    Subscription,
    SubscriptionCancellation,
    SubscriptionDraft,
    SubscriptionItem,
    SubscriptionLine,
    SubscriptionStatus,
)
from shared.canonical.webhook import WebhookMessage, WebhookNotice

__all__ = [
    "UNTAXED",
    "Account",
    "Address",
    "BillingCustomer",
    "BillingFrequency",
    "BookedLine",
    "Collection",
    "ConnectionSummary",
    "Connections",
    "Contact",
    "CreditDecision",
    "CreditStatus",
    "Customer",
    "CustomerCandidates",
    "CustomerDraft",
    "CustomerEntry",
    "CustomerTax",
    "ErpOrder",
    "ErpOrderDraft",
    "ErpOrderLine",
    "ErpOrderState",
    "Invoice",
    "InvoicePage",
    "InvoiceSource",
    "InvoiceStatus",
    "ListPrice",
    "Money",
    "MoneyError",
    "OrderCheck",
    "OrderFault",
    "OrderFindings",
    "OrderStatus",
    "OrderStatusReport",
    "PriceList",
    "Quote",
    "QuoteKind",
    "QuoteLine",
    "QuoteStatus",
    "RecordAccess",
    "Recurrence",
    "ReportedOrderStatus",
    "Subscription",
    "SubscriptionCancellation",
    "SubscriptionDraft",
    "SubscriptionItem",
    "SubscriptionLine",
    "SubscriptionStatus",
    "TaxCalculation",
    "TaxRequest",
    "TaxedLine",
    "WebhookMessage",
    "WebhookNotice",
    "round_money",
]
