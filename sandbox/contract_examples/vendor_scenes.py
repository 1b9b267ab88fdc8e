"""The scenes of the system tier: each vendor's operations, through its adapter."""

from typing import Any

from sandbox.contract_examples import drafts
from sandbox.contract_examples.recorder import Asked, Recorder
from sandbox.contract_examples.records import ACME, ENTITY, QUOTE, TIDEWATER, UNKNOWN_ACCOUNT, UNKNOWN_QUOTE, Parameters


def ask_the_vendors(system: Recorder) -> None:
    """Record CRM, ERP, billing, tax and prices; later scenes use the records of earlier ones."""
    system.ask(Asked("listConnections", "own", "A tenant's own"))
    _crm(system)
    _erp(system)
    _billing(system)
    _tax_and_prices(system)


def _crm(system: Recorder) -> None:
    """Record quotes, accounts and order status in Salesforce."""
    ask = system.ask
    ask(Asked("findQuote", "accepted", "An accepted quote", parameters={"quoteId": QUOTE}))
    ask(Asked("findQuote", "no_quote", "No such quote", 404, {"quoteId": UNKNOWN_QUOTE}))
    ask(Asked("findAccount", "customer", "A customer", parameters={"accountId": ACME}))
    ask(Asked("findAccount", "no_account", "No such account", 404, {"accountId": UNKNOWN_ACCOUNT}))
    access: Parameters = {"recordId": ACME, "userId": "005QW0000000001"}
    ask(Asked("getRecordAccess", "may_read", "A user who sees the account", parameters=access))
    report = {"accountId": ACME, "quoteId": QUOTE, "status": "booked", "version": 2, "currency": "EUR"}
    order: Parameters = {"orderId": "ord_example"}
    ask(Asked("reportOrderStatus", "booked", "An order is booked", parameters=order, body=report))
    ask(Asked("reportOrderStatus", "late", "An older report", parameters=order, body={**report, "version": 1}))
    ask(Asked("reportOrderStatus", "no_status", "No such status", 400, order, {**report, "status": "gone"}))


def _erp(system: Recorder) -> None:
    """Record customers, credit, orders and invoices in Tryton."""
    ask, customer = system.ask, {"legalEntity": ENTITY, "accountId": ACME}
    found = ask(Asked("findCustomer", "customer", "A customer of the ERP", parameters=dict(customer)))
    ask(Asked("findCustomer", "no_customer", "Not known to the ERP", 404, {**customer, "accountId": "001QW0000000099"}))
    ask(Asked("ensureCustomer", "known", "A customer it has", parameters=dict(customer), body=drafts.customer(ACME)))
    other: Parameters = {"accountId": "001QW0000000098", "legalEntity": ENTITY}
    ask(Asked("ensureCustomer", "two_accounts", "Path and body differ", 400, dict(other), drafts.customer(ACME)))
    place: Parameters = {"legalEntity": ENTITY}
    alike = {**drafts.customer("001QW0000000096"), "vatId": "DE811193231"}
    ask(Asked("findCustomerCandidates", "alike", "A customer with the same tax id", parameters=dict(place), body=alike))
    ask(Asked("checkErpOrder", "takes", "An order that it takes", parameters=dict(place),
              body={"customer": drafts.customer(ACME)}))  # fmt: skip
    mistyped = {**drafts.customer(ACME), "vatId": "DE811193232"}
    ask(Asked("checkErpOrder", "tax_id", "A tax id that cannot be right", parameters=dict(place),
              body={"customer": mistyped}))  # fmt: skip
    ask(Asked("ensureCustomer", "ambiguous", "Other customers may be it", 409,
              {**place, "accountId": "001QW0000000096"}, alike))  # fmt: skip
    record: Parameters = {**place, "vendorId": found["vendorId"]}
    ask(Asked("findCustomerRecord", "customer", "A customer by the ERP's own id", parameters=dict(record)))
    ask(Asked("findCustomerRecord", "no_record", "No such customer", 404, {**record, "vendorId": "999999"}))
    asked: Parameters = {**customer, "amount": "1859.00", "currency": "EUR"}
    ask(Asked("checkCredit", "approved", "Within the limit", parameters=dict(asked)))
    ask(Asked("checkCredit", "refused", "Over the limit", parameters={**asked, "accountId": TIDEWATER,
                                                                    "amount": "99000.00"}))  # fmt: skip
    ask(Asked("checkCredit", "no_customer", "Not known to the ERP", 404, {**asked, "accountId": "001QW0000000099"}))
    ask(Asked("listErpInvoices", "newest", "The newest one", parameters={**customer, "limit": 1}))
    elsewhere: Parameters = {**customer, "legalEntity": "NW-XX"}
    ask(Asked("listErpInvoices", "no_entity", "No such legal entity", 422, dict(elsewhere)))
    order: Parameters = {"legalEntity": ENTITY, "externalId": "ord_example"}
    draft = drafts.order(found["vendorId"])
    ask(Asked("createOrder", "quoted", "Booked as a quotation", parameters=dict(order), body=draft))
    ask(Asked("findOrder", "quoted", "A quotation", parameters=dict(order)))
    ask(Asked("findOrder", "absent", "No such order", parameters={**order, "externalId": "ord_unknown"}))
    ask(Asked("confirmOrder", "confirmed", "Confirm it", parameters=dict(order)))
    ask(Asked("cancelOrder", "cancelled", "Cancel it", parameters=dict(order)))
    unknown = {**draft, "lines": [{**draft["lines"][0], "sku": "NO-SUCH-PRODUCT"}]}
    ask(Asked("createOrder", "not_sold", "A product that is not sold", 422,
              {**order, "externalId": "ord_other"}, unknown))  # fmt: skip
    dollars = {**draft, "currency": "USD"}
    ask(Asked("createOrder", "two_currencies", "Amounts in two currencies", 400, dict(order), dollars))


def _billing(system: Recorder) -> None:
    """Record customers, subscriptions and invoices in Stripe."""
    ask, customer = system.ask, {"legalEntity": ENTITY, "accountId": "001QW0000000097"}
    mailed = {**drafts.customer("001QW0000000097"), "email": "kasse@acme.example"}
    made = ask(Asked("ensureBillingCustomer", "created", "A new customer", parameters=dict(customer), body=mailed))
    euros: Parameters = {**customer, "currency": "EUR"}
    ask(Asked("findBillingCustomer", "customer", "A customer in euro", parameters=dict(euros)))
    ask(Asked("findBillingCustomer", "no_customer", "None in dollars", 404,
              {**euros, "currency": "USD", "homeCurrency": "EUR"}))  # fmt: skip
    check = {"customer": mailed, "purchaseOrderNumber": "4500012345"}
    place: Parameters = {"legalEntity": ENTITY}
    ask(Asked("checkBillingOrder", "takes", "An order that it takes", parameters=dict(place), body=check))
    ask(Asked("checkBillingOrder", "too_long", "A purchase order's number that is too long", parameters=dict(place),
              body={**check, "purchaseOrderNumber": "4500012345" * 15}))  # fmt: skip
    record: Parameters = {"legalEntity": ENTITY, "vendorId": made["vendorId"]}
    ask(Asked("findBillingCustomerRecord", "customer", "A customer by billing's own id", parameters=dict(record)))
    ask(Asked("findBillingCustomerRecord", "no_record", "No such customer", 404, {**record, "vendorId": "cus_none"}))
    named: Parameters = {"legalEntity": ENTITY, "externalId": "ord_example:month"}
    draft = drafts.subscription(made["vendorId"])
    ask(Asked("createSubscription", "started", "Started", parameters=dict(named), body=draft))
    ask(Asked("findSubscription", "active", "Active", parameters=dict(named)))
    ask(Asked("findSubscription", "absent", "No such subscription", parameters={**named, "externalId": "ord_x:month"}))
    ask(Asked("listSubscriptions", "running", "One that runs", parameters=dict(customer)))
    ask(Asked("listBillingInvoices", "newest", "The newest one", parameters={**customer, "limit": 1}))
    ask(Asked("cancelSubscription", "cancelled", "Cancel it", parameters=dict(named)))


def _tax_and_prices(system: Recorder) -> None:
    """Record tax and list prices."""
    ask = system.ask
    lines = [{"lineId": "1", "net": drafts.euros("100.00")}]
    request: dict[str, Any] = {"legalEntity": ENTITY, "buyer": drafts.ADDRESS, "lines": lines}
    ask(Asked("calculateTax", "domestic", "A sale within the country", body=request))
    nowhere: dict[str, Any] = {**request, "buyer": {**drafts.ADDRESS, "country": "AQ"}}
    ask(Asked("calculateTax", "no_jurisdiction", "No rule for the address", 422, body=nowhere))
    entity: Parameters = {"legalEntity": ENTITY}
    skus = {"skus": ["MON-STD", "MON-LEGACY"], "currency": "EUR"}
    ask(Asked("lookUpPrices", "two", "A product that is sold, and one that is not", parameters=entity, body=skus))
    ask(Asked("lookUpPrices", "none", "No product named", 400, entity, {**skus, "skus": []}))
