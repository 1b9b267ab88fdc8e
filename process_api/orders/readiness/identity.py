"""Checks the account's customer in ERP and billing: blocked, ambiguous, or another account's already.

This only reads what `validate_customer` and `start_billing` would refuse, or would ask a person, after the first write.
Customers are named by their numbers, since a fault is stored with its order and shown to sellers.
"""

from process_api.customers.cross_reference import Known, Pair, known, require_nobodys
from process_api.customers.drafts import (
    BILLING_CUSTOMER_SHARED,
    billing_system,
    customer_draft,
    erp_system,
)
from process_api.orders.readiness.examination import BILLING, ERP, Examination
from process_api.quotes.readiness_fault import ReadinessFault
from shared.canonical import Account, Collection, CustomerDraft, CustomerEntry, Recurrence
from shared.problem import NeedsDecision

_LISTED_MAX = 5
_CHOOSE = (
    "Read the account's cross-references, which list the candidates, choose one of them (or a new one) with relink, "
    "then have the flow tried again."
)


async def erp_customer(exam: Examination) -> list[ReadinessFault]:
    """Check that the ERP would book the account: its customer is neither blocked nor ambiguous."""
    account = await exam.account()
    if account is None or account.billing_address is None:  # each is a fault of its own
        return []
    pair = Pair(exam.tenant, account.account_id, erp_system(exam.quote.legal_entity))
    there = await _linked(exam, pair)
    if there.vendor_id is not None:
        entry = await exam.system.find_customer_record(exam.tenant, "erp", exam.quote.legal_entity, there.vendor_id)
        if entry is not None:
            return [] if entry.active else [_blocked(entry.number)]
    elif there.new_as is not None:  # a person has decided that it is a new one
        return []
    return await _erp_customer_by_account(exam, account, pair, there)


async def billing_customer(exam: Examination) -> list[ReadinessFault]:
    """Check that billing can charge the account: with a customer of its own, and by the configured collection."""
    quote, account = exam.quote, await exam.account()
    if account is None or account.billing_address is None:
        return []
    if all(line.recurrence is Recurrence.none for line in quote.lines):
        return []
    pair = Pair(exam.tenant, account.account_id, billing_system(quote.legal_entity, quote.currency))
    there = await _linked(exam, pair)
    charges = exam.rules.collection == Collection.charge_automatically
    if there.vendor_id is not None and not charges:
        return []
    draft = _draft(exam, account, there)
    held = await exam.system.find_billing_customer(exam.tenant, quote.legal_entity, draft)
    if held is not None:
        shared = await _shared(exam, pair, held.vendor_id, BILLING_CUSTOMER_SHARED, BILLING)
        if shared:
            return shared
    if not charges or (held is not None and held.has_payment_method is not False):
        return []
    whom = f"customer {held.vendor_id}" if held is not None else "the account, which is no customer there yet,"
    message = (
        f"{quote.legal_entity} charges recurring lines automatically, and billing has no payment method for {whom} to "
        "charge. Have the customer add one, or have the invoices sent instead."
    )
    return [ReadinessFault(code="payment_method_missing", message=message, field="accountId", system=BILLING)]


async def _erp_customer_by_account(
    exam: Examination, account: Account, pair: Pair, there: Known
) -> list[ReadinessFault]:
    """Check as the ERP does without a usable cross reference: by our id first, then by similarity."""
    legal_entity = exam.quote.legal_entity
    found = await exam.system.find_customer(exam.tenant, legal_entity, account.account_id)
    if found is not None:
        if found.blocked:
            return [_blocked(found.code)]
        return await _shared(exam, pair, found.vendor_id, "customer_shared", ERP)
    draft = _draft(exam, account, there)
    candidates = await exam.system.find_customer_candidates(exam.tenant, legal_entity, draft)
    if any(account.account_id in each.account_ids for each in candidates):  # made by another order since we looked
        return []
    if candidates:
        listed = [_described(each) for each in candidates]
        shown = "; ".join(listed[:_LISTED_MAX])
        more = f"; and {len(listed) - _LISTED_MAX} more" if len(listed) > _LISTED_MAX else ""
        return _undecided(
            exam,
            NeedsDecision(
                f"The ERP may know account {account.account_id} already: {shown}{more}. The integration team chooses "
                "the customer that it is, or says that it is a new one.",
                reason_code="customer_ambiguous",
                what_to_do=_CHOOSE,
                candidates=[_described(each, with_limit=True) for each in candidates],
            ),
            ERP,
        )
    if there.vendor_id is None:
        return []
    return _undecided(
        exam,
        NeedsDecision(
            f"Account {account.account_id} was customer record {there.vendor_id} in the ERP, which is not there any "
            "more. The integration team chooses the customer that it is now, or says that it is a new one.",
            reason_code="customer_gone",
            what_to_do=_CHOOSE,
        ),
        ERP,
    )


async def _linked(exam: Examination, pair: Pair) -> Known:
    async with exam.store.transaction(exam.tenant) as connection:
        return await known(connection, pair)


async def _shared(exam: Examination, pair: Pair, vendor_id: str, code: str, system: str) -> list[ReadinessFault]:
    """Return a fault if the record is another account's: two accounts never share a customer."""
    try:
        async with exam.store.transaction(exam.tenant) as connection:
            await require_nobodys(connection, pair, vendor_id)
    except NeedsDecision as error:
        return _undecided(exam, NeedsDecision(error.detail, reason_code=code, what_to_do=error.what_to_do), system)
    return []


def _undecided(exam: Examination, decision: NeedsDecision, system: str) -> list[ReadinessFault]:
    exam.decisions.append(decision)
    return [ReadinessFault(code=decision.reason_code, message=decision.detail, field="accountId", system=system)]


def _draft(exam: Examination, account: Account, there: Known) -> CustomerDraft:
    return customer_draft(account, exam.quote, exam.rules, there)


def _blocked(number: str) -> ReadinessFault:
    message = (
        f"Customer {number} is blocked in the ERP. Have it activated by those who keep the customers, then submit the "
        "quote again."
    )
    return ReadinessFault(code="customer_blocked", message=message, field="accountId", system=ERP)


def _described(candidate: CustomerEntry, *, with_limit: bool = False) -> str:
    """Return a customer's description for the integration team, without its limit, which sellers must not see."""
    limit = candidate.credit_limit
    facts = [
        *([f"limit {limit.amount} {limit.currency}" if limit else "no limit"] if with_limit else []),
        *([f"the same {' and the same '.join(candidate.matched_by)}"] if candidate.matched_by else []),
        *([] if candidate.active else ["blocked"]),
    ]
    return f"{candidate.number} ({', '.join(facts)})" if facts else candidate.number
