"""The canonical model: what Quoteway means by a quote, an order, an invoice, in no vendor's words.

Nothing here imports a web framework: the types are the language the three tiers share, and each tier's
`v1` decides how they look on the wire.
"""

from shared.canonical.account import (
    Account,
    Address,
    CreditDecision,
    CreditStatus,
    Customer,
    CustomerDraft,
    RecordAccess,
)
from shared.canonical.connection import Connections, ConnectionSummary
from shared.canonical.invoice import Invoice, InvoicePage, InvoiceSource, InvoiceStatus
from shared.canonical.money import Money, MoneyError, round_money
from shared.canonical.order import (
    ErpOrder,
    ErpOrderDraft,
    ErpOrderLine,
    ErpOrderState,
    OrderStatus,
    OrderStatusReport,
    ReportedOrderStatus,
)
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
    Subscription,
    SubscriptionCancellation,
    SubscriptionDraft,
    SubscriptionItem,
    SubscriptionStatus,
)
from shared.canonical.webhook import WebhookMessage, WebhookNotice

__all__ = [
    "Account",
    "Address",
    "BillingCustomer",
    "BillingFrequency",
    "ConnectionSummary",
    "Connections",
    "Contact",
    "CreditDecision",
    "CreditStatus",
    "Customer",
    "CustomerDraft",
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
    "SubscriptionStatus",
    "TaxCalculation",
    "TaxRequest",
    "TaxedLine",
    "WebhookMessage",
    "WebhookNotice",
    "round_money",
]
