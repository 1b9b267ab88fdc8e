"""Every operation that the sandbox simulates."""

from __future__ import annotations

from sandbox.vendors.stripe import search, test_clocks
from sandbox.vendors.stripe.catalogue import coupons, plans, prices, products, tax_rates
from sandbox.vendors.stripe.credits import grants as credit_grants
from sandbox.vendors.stripe.customers import customer_balance, payment_methods, tax_ids
from sandbox.vendors.stripe.customers import resource as customers
from sandbox.vendors.stripe.invoices import credit_notes
from sandbox.vendors.stripe.invoices import items as invoice_items
from sandbox.vendors.stripe.invoices import resource as invoices
from sandbox.vendors.stripe.meters import events as meter_events
from sandbox.vendors.stripe.meters import meters
from sandbox.vendors.stripe.payments import (
    charges,
    disputes,
    intents,
    invoice_payments,
    ledger,
    payouts,
    refunds,
)
from sandbox.vendors.stripe.previews import operations as previews
from sandbox.vendors.stripe.schedules import operations as schedules
from sandbox.vendors.stripe.subscription_operations import item_operations as subscription_item_operations
from sandbox.vendors.stripe.subscription_operations import resource as subscriptions
from sandbox.vendors.stripe.subscriptions import customer_deletion
from sandbox.vendors.stripe.webhooks import endpoints as webhook_endpoints

_NOUNS = (
    coupons,
    credit_notes,
    customer_deletion,
    customers,
    invoice_items,
    invoices,
    payment_methods,
    plans,
    prices,
    products,
    search,
    subscription_item_operations,
    subscriptions,
    tax_ids,
    tax_rates,
    test_clocks,
    webhook_endpoints,
    charges,
    customer_balance,
    disputes,
    intents,
    invoice_payments,
    ledger,
    payouts,
    refunds,
    previews,
    schedules,
    meters,
    meter_events,
    credit_grants,
)
# A fixed path comes before the one whose id it could be: /v1/customers/search before /v1/customers/{id}.
OPERATIONS = tuple(
    sorted((operation for noun in _NOUNS for operation in noun.OPERATIONS), key=lambda operation: "{" in operation.path)
)
