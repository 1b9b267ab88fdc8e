"""What Stripe would refuse of an order for the texts that go with it, found by reading before the ERP books anything.

Of the texts that are sent, only the purchase order's number can be longer than Stripe takes: see "Lengths" in
docs/vendors/stripe.md.
"""

import re

from shared.canonical import OrderCheck, OrderFault, OrderFindings
from shared.problem import Rejected
from system_api.billing.stripe.api import VENDOR, StripeApi
from system_api.billing.stripe.customers import StripeCustomers
from system_api.billing.stripe.subscriptions import PURCHASE_ORDER_CHARS_MAX
from system_api.billing.stripe.tax_ids import missing_tax_id
from system_api.vendor.order_faults import TAX_ID, faults_of_refusal

# As far as the form of an address tells; whether anybody reads it, nobody knows.
_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")


async def check_order(api: StripeApi, customers: StripeCustomers, check: OrderCheck) -> OrderFindings:
    """The faults of the order in Stripe."""
    faults = [*_purchase_order(check), *_email(check), *await _tax_id(api, customers, check)]
    return OrderFindings(faults=faults)


def _purchase_order(check: OrderCheck) -> list[OrderFault]:
    number = check.purchase_order_number or ""
    if len(number) <= PURCHASE_ORDER_CHARS_MAX:
        return []
    message = (
        f"The purchase order's number has {len(number)} characters, and {VENDOR} prints {PURCHASE_ORDER_CHARS_MAX} of "
        "them on an invoice. Shorten it on the quote. It is not cut, since the customer looks for the whole number."
    )
    return [OrderFault(code="purchase_order_number_too_long", message=message, field="purchaseOrderNumber")]


def _email(check: OrderCheck) -> list[OrderFault]:
    email = check.customer.email
    if not email or _EMAIL.fullmatch(email):
        return []
    message = (
        "The address that invoices are to be mailed to does not have the form of an e-mail address. Correct the "
        "contact's e-mail address."
    )
    return [OrderFault(code="email_invalid", message=message, field="billTo.email")]


async def _tax_id(api: StripeApi, customers: StripeCustomers, check: OrderCheck) -> list[OrderFault]:
    held = await customers.held(check.customer)
    if held is None:
        return []
    try:
        await missing_tax_id(api, held.id, check.customer)
    except Rejected as refusal:
        return faults_of_refusal(refusal, TAX_ID)
    return []
