"""Whether what was agreed beside the lines can be carried over: payment terms, shipping, whom invoices go to."""

from process_api.readiness_fault import ReadinessFault
from process_api.workflows.readiness.examination import BILLING, ERP, Examination
from shared.canonical import Recurrence


async def payment_terms(exam: Examination) -> list[ReadinessFault]:
    """Whether the quote's payment terms are known for its legal entity."""
    terms = exam.quote.payment_terms
    if not terms or terms in exam.rules.payment_terms:
        return []
    known = ", ".join(exam.rules.payment_terms) or "none are set up"
    return [
        ReadinessFault(
            code="unknown_payment_terms",
            message=f'{exam.quote.legal_entity} has no payment terms "{terms}". Known are: {known}.',
            field="paymentTerms",
            system=ERP,
        )
    ]


async def shipping(exam: Examination) -> list[ReadinessFault]:
    """Whether shipping can be invoiced: it is a line of a product of its own."""
    charged = exam.quote.shipping
    if charged is None or charged.value == 0 or exam.rules.shipping_sku is not None:
        return []
    return [
        ReadinessFault(
            code="shipping_not_configured",
            message=f"The quote charges {charged.amount} {charged.currency} for shipping, but "
            f"{exam.quote.legal_entity} has no product that shipping is invoiced as. Take it off the quote, or ask the "
            "integration team.",
            field="shipping",
            system=ERP,
        )
    ]


async def invoice_address(exam: Examination) -> list[ReadinessFault]:
    """Whether billing can mail its invoices: it refuses to send one to nobody."""
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
