"""The name map of a Salesforce connection: the org's names for a quote, a line, an order.

Each org names its fields as it likes. Quoteway knows its own names only; the connections file maps those that differ
from Salesforce's standard fields and those of Quoteway's package:

    [connection.objects]
    quote = "SBQQ__Quote__c"
    [connection.fields.quote]
    number = "Name"
    shipping = ""                       # "": this org has no such field

A name is a SOQL path: `Account.Legal_Entity__c` is a field of the record that AccountId refers to. Whether the org has
them is checked by `describe` when the first record is read, and by `system_api.check_connections`.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

ObjectName = Annotated[str, Meta(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,79}$(?!\n)")]
EventName = Annotated[str, Meta(pattern=r"^([A-Za-z][A-Za-z0-9_]{0,79})?$(?!\n)")]
FieldPath = Annotated[
    str, Meta(pattern=r"^([A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*){0,4})?$(?!\n)", max_length=250)
]
# Required: nothing is read or written without it.
NeededPath = Annotated[
    str, Meta(pattern=r"^[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*){0,4}$(?!\n)", max_length=250)
]


class _Names(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Our names, mapped to the org's."""


class SalesforceObjects(_Names, frozen=True, kw_only=True):
    """Which object of the org holds what. `order` is Quoteway's own, in which a seller sees where an order is.

    `order_event` is the platform event that says so; "": none is published.
    """

    account: ObjectName = "Account"
    quote: ObjectName = "Quote"
    line: ObjectName = "QuoteLineItem"
    order: ObjectName = "Quoteway_Order__c"
    order_event: EventName = "Quoteway_Order_Status__e"


class AccountFields(_Names, frozen=True, kw_only=True):
    """The fields of an account. Codes of country and state come first; free text counts if the org has no picklists."""

    name: NeededPath = "Name"
    legal_entity: FieldPath = "Legal_Entity__c"
    currency: FieldPath = "CurrencyIsoCode"
    vat_id: FieldPath = "VAT_Id__c"
    street: FieldPath = "BillingStreet"
    postal_code: FieldPath = "BillingPostalCode"
    city: FieldPath = "BillingCity"
    state_code: FieldPath = "BillingStateCode"
    state: FieldPath = "BillingState"
    country_code: FieldPath = "BillingCountryCode"
    country: FieldPath = "BillingCountry"


class ContactFields(_Names, frozen=True, kw_only=True):
    """The fields of a contact that a quote or an account names."""

    name: FieldPath = "Name"
    email: FieldPath = "Email"


class ProductFields(_Names, frozen=True, kw_only=True):
    """The fields of a line's product. `recurrence`: none, month or year; `usage`: whether it is charged by usage."""

    sku: NeededPath = "ProductCode"
    name: FieldPath = "Name"
    recurrence: FieldPath = "Recurrence__c"
    usage: FieldPath = "Usage__c"


class LineFields(_Names, frozen=True, kw_only=True):
    """The fields of a line. `recurrence` and `usage` are for orgs that keep them on the line, not on the product.

    `billing_type` says whether a recurring line is charged before or after its period, such as CPQ's Arrears.

    `price_multiplier` is a factor between a line's price and its total, such as CPQ's for a price that covers several
    months. A line with another factor than 1 is refused.
    """

    quote: NeededPath = "QuoteId"
    product: NeededPath = "Product2Id"
    quantity: NeededPath = "Quantity"
    unit_price: NeededPath = "UnitPrice"
    description: FieldPath = "Description"
    discount_percent: FieldPath = "Discount"
    total: FieldPath = "TotalPrice"
    start_date: FieldPath = "ServiceDate"
    bundle_parent: FieldPath = "Bundle_Parent__c"
    changed_at: FieldPath = "LastModifiedDate"
    position: FieldPath = "SortOrder"
    recurrence: FieldPath = ""
    usage: FieldPath = ""
    billing_type: FieldPath = ""
    price_multiplier: FieldPath = ""


class QuoteFields(_Names, frozen=True, kw_only=True):
    """The fields of a quote. `bill_to`, `sold_to`, `contact` and `account_bill_to` refer to contacts, `invoice_owner`
    to an account.

    The invoice goes to the first that exists of `bill_to`, `contact` with the quote's own `email`, and the account's.
    """

    number: NeededPath = "QuoteNumber"
    status: NeededPath = "Status"
    account: NeededPath = "AccountId"
    currency: FieldPath = "CurrencyIsoCode"
    revision: FieldPath = "Revision__c"
    legal_entity: FieldPath = "Legal_Entity__c"
    account_legal_entity: FieldPath = "Account.Legal_Entity__c"
    kind: FieldPath = "Quote_Kind__c"
    start_date: FieldPath = "Start_Date__c"
    term_months: FieldPath = "Term_Months__c"
    billing_frequency: FieldPath = "Billing_Frequency__c"
    payment_terms: FieldPath = "Payment_Terms__c"
    purchase_order_number: FieldPath = "PO_Number__c"
    bill_to: FieldPath = "Bill_To_Contact__c"
    sold_to: FieldPath = "Sold_To_Contact__c"
    contact: FieldPath = "ContactId"
    email: FieldPath = "Email"
    account_bill_to: FieldPath = "Account.Bill_To_Contact__c"
    invoice_owner: FieldPath = "Invoice_Owner__c"
    shipping: FieldPath = "ShippingHandling"
    tax: FieldPath = "Tax"
    grand_total: FieldPath = "GrandTotal"
    accepted_at: FieldPath = "Accepted_At__c"
    expires_on: FieldPath = "ExpirationDate"


class OrderFields(_Names, frozen=True, kw_only=True):
    """The fields of an order's status in the org. `order_id` is an external id, `quote` refers to the quote."""

    order_id: NeededPath = "Order_Id__c"
    status: NeededPath = "Status__c"
    version: NeededPath = "Version__c"
    account: FieldPath = "Account__c"
    quote: FieldPath = "Quote__c"
    currency: FieldPath = "CurrencyIsoCode"
    total: FieldPath = "Order_Total__c"
    erp_order_id: FieldPath = "ERP_Order__c"
    erp_order_number: FieldPath = "ERP_Order_Number__c"
    subscription_ids: FieldPath = "Subscription__c"
    failure_reason: FieldPath = "Failure_Reason__c"


class SalesforceFields(_Names, frozen=True, kw_only=True):
    """The fields of each object that Quoteway reads or writes."""

    account: AccountFields = AccountFields()
    contact: ContactFields = ContactFields()
    product: ProductFields = ProductFields()
    line: LineFields = LineFields()
    quote: QuoteFields = QuoteFields()
    order: OrderFields = OrderFields()
