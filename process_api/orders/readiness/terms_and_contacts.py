"""Checks that terms beside the lines can be carried over: payment terms, shipping, invoice recipient."""

from process_api.legal_entities import LegalEntity
from process_api.orders.readiness.examination import BILLING, ERP, Examination
from process_api.quotes.amounts import shipping_of
from process_api.quotes.readiness_fault import ReadinessFault
from shared.canonical import Quote, Recurrence
from shared.canonical.record_ids import canonical_spelling


async def terms(exam: Examination) -> list[ReadinessFault]:
    """Check that payment terms and shipping can be carried over."""
    return terms_faults(exam.quote, exam.rules)


def terms_faults(quote: Quote, rules: LegalEntity) -> list[ReadinessFault]:
    """Return the faults that keep payment terms and shipping from being carried over to ERP and billing."""
    return [*_payment_terms(quote, rules), *_shipping(quote, rules)]


def _payment_terms(quote: Quote, rules: LegalEntity) -> list[ReadinessFault]:
    agreed = quote.payment_terms
    if not agreed or agreed in rules.payment_terms:
        return []
    known = ", ".join(rules.payment_terms) or "none are set up"
    return [
        ReadinessFault(
            code="unknown_payment_terms",
            message=f'{quote.legal_entity} has no payment terms "{agreed}". Known are: {known}.',
            field="paymentTerms",
            system=ERP,
        )
    ]


def _shipping(quote: Quote, rules: LegalEntity) -> list[ReadinessFault]:
    """Check that there is a product for shipping, which is invoiced as a line of its own."""
    charged = shipping_of(quote)
    if charged.value == 0 or rules.shipping_sku is not None:
        return []
    return [
        ReadinessFault(
            code="shipping_not_configured",
            message=f"Quote {quote.number} charges {charged.amount} {charged.currency} for shipping, but "
            f"{quote.legal_entity} has no product that shipping is invoiced as. Take it off the quote, or ask the "
            "integration team.",
            field="shipping",
            system=ERP,
        )
    ]


async def invoice_address(exam: Examination) -> list[ReadinessFault]:
    """Check that billing can mail its invoices: it refuses to without a recipient."""
    quote = exam.quote
    recurring = any(line.recurrence is not Recurrence.none for line in quote.lines)
    if not recurring or exam.rules.collection != "send_invoice" or (quote.bill_to is not None and quote.bill_to.email):
        return []
    return [
        ReadinessFault(
            code="bill_to_email_missing",
            message=f"Quote {quote.number} names nobody with an e-mail address to send the invoices of its recurring "
            "lines to. Choose a contact with an e-mail address.",
            field="billTo.email",
            system=BILLING,
        )
    ]


async def invoice_owner(exam: Examination) -> list[ReadinessFault]:
    """Check that the buying account is the invoiced one: another one is not supported yet."""
    quote = exam.quote
    owner = quote.invoice_owner_id
    if owner is None or canonical_spelling(owner) == canonical_spelling(quote.account_id):
        return []
    return [
        ReadinessFault(
            code="invoice_owner_not_supported",
            message=f"Quote {quote.number} is to be invoiced to another account, {owner}, which cannot be ordered yet. "
            "Take the invoice owner off the quote, or make the quote for that account.",
            field="invoiceOwnerId",
        )
    ]
