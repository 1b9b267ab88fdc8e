"""Checks that the quote itself can be ordered, in one read."""

from datetime import date, datetime
from decimal import Decimal

from process_api.orders.readiness.examination import Examination, Submitted
from process_api.orders.readiness.faults import line_fault
from process_api.quotes.readiness_fault import ReadinessFault
from shared.canonical import Money, MoneyError, Quote, QuoteKind, QuoteStatus, round_money

REVISION_CHANGED = "quote_revision_changed"
TOTAL_CHANGED = "total_changed"
# The most lines of an ERP order, a price list request and a tax calculation.
LINES_MAX = 500


def wrong_quote(exam: Examination) -> list[ReadinessFault]:
    """Check that it is the submitted quote: of another one, further faults do not matter."""
    quote, submitted = exam.quote, exam.submitted
    if submitted.quote_revision is not None and quote.revision != submitted.quote_revision:
        return [
            ReadinessFault(
                code=REVISION_CHANGED,
                message=f"Quote {quote.number} is at revision {quote.revision} now; revision "
                f"{submitted.quote_revision} was submitted.",
                field="revision",
            )
        ]
    if quote.quote_id != submitted.quote_id:
        # Two spellings of one id would be two orders: only the CRM's own spelling is accepted.
        return [
            ReadinessFault(
                code="quote_id_not_canonical",
                message=f"{submitted.quote_id} is another spelling of {quote.quote_id}; submit that.",
                field="quoteId",
            )
        ]
    return []


def quote_state(exam: Examination) -> list[ReadinessFault]:
    """Check that the quote was accepted, is of a supported kind, has not expired, and has lines."""
    quote = exam.quote
    faults = []
    if quote.status is not QuoteStatus.accepted:
        faults.append(
            ReadinessFault(
                code="quote_not_accepted",
                message=f"Quote {quote.number} is {quote.status.value}; only an accepted quote can be ordered.",
                field="status",
            )
        )
    if quote.kind is not QuoteKind.new:
        faults.append(
            ReadinessFault(
                code=f"{quote.kind.value}_not_supported",
                message=f"Quote {quote.number} is {'an' if quote.kind is QuoteKind.amendment else 'a'} "
                f"{quote.kind.value} of a contract. Only quotes for new contracts can be ordered yet.",
                field="kind",
            )
        )
    if quote.expires_on is not None and date.fromisoformat(quote.expires_on) < exam.submitted_on:
        faults.append(
            ReadinessFault(
                code="quote_expired",
                message=f"Quote {quote.number} was valid until {quote.expires_on}. Extend it, or make a new one.",
                field="expiresOn",
            )
        )
    if not quote.lines:
        faults.append(ReadinessFault(code="quote_empty", message=f"Quote {quote.number} has no lines.", field="lines"))
    if len(quote.lines) > LINES_MAX:
        faults.append(
            ReadinessFault(
                code="too_many_lines",
                message=f"Quote {quote.number} has {len(quote.lines)} lines; an order takes {LINES_MAX}. Split it.",
                field="lines",
            )
        )
    return faults + changed_lines(quote) + changed_total(quote, exam.submitted)


def changed_lines(quote: Quote) -> list[ReadinessFault]:
    """Check for lines that were written after the customer accepted the quote."""
    if quote.accepted_at is None:
        return []
    accepted_at = datetime.fromisoformat(quote.accepted_at)
    return [
        line_fault(
            quote,
            line,
            "line_changed_after_acceptance",
            f"it was changed after the customer accepted quote {quote.number}. Have the quote accepted again.",
            "changedAt",
        )
        for line in quote.lines
        if line.changed_at is not None and datetime.fromisoformat(line.changed_at) > accepted_at
    ]


def changed_total(quote: Quote, submitted: Submitted) -> list[ReadinessFault]:
    """Whether the quote comes to what the submitting user saw; nothing where the user's total is not known."""
    if submitted.expected_total is None:
        return []
    try:
        total = total_of(quote)
    except MoneyError:  # which is a fault of its own (`amounts_too_large`)
        return []
    currency = submitted.expected_currency or quote.currency
    if submitted.expected_total == total.value and currency == quote.currency:
        return []
    return [
        ReadinessFault(
            code=TOTAL_CHANGED,
            message=f"Quote {quote.number} comes to {total.amount} {total.currency} now, not to "
            f"{_plainly(submitted.expected_total, currency)} {currency} as it was seen. Look at it again.",
            field="grandTotal",
        )
    ]


def total_of(quote: Quote) -> Money:
    """Return the total that the customer accepted: the quote's grand total, else the sum of its lines."""
    if quote.grand_total is not None:
        return quote.grand_total
    amounts = ((line.total or line.net_amount).value for line in quote.lines)
    return Money.of(sum(amounts, Decimal(0)), quote.currency)


def _plainly(amount: Decimal, currency: str) -> str:
    """Return the amount with the currency's decimals, or with all of its own if it has more."""
    rounded = round_money(amount, currency)
    return f"{rounded if rounded == amount else amount.normalize():f}"
