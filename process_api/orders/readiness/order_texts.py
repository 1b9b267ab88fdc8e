"""Whether ERP and billing would take what account and quote say: tax id, address, e-mail address, purchase order.

Each system is asked by its own dry run, since each has limits and rules of its own.
"""

from process_api.customers.cross_reference import Pair, known
from process_api.customers.drafts import billing_system, customer_draft, erp_system
from process_api.orders.readiness.examination import BILLING, ERP, Examination
from process_api.quotes.readiness_fault import ReadinessFault
from shared.canonical import OrderCheck, Recurrence


async def in_the_erp(exam: Examination) -> list[ReadinessFault]:
    """What the ERP would refuse. Every account becomes its customer, whatever it buys."""
    return await _asked(exam, "erp", erp_system(exam.quote.legal_entity), ERP)


async def in_billing(exam: Examination) -> list[ReadinessFault]:
    """What billing would refuse, where it has anything to charge."""
    quote = exam.quote
    if all(line.recurrence is Recurrence.none for line in quote.lines):
        return []
    return await _asked(exam, "billing", billing_system(quote.legal_entity, quote.currency), BILLING)


async def _asked(exam: Examination, capability: str, linked_as: str, system: str) -> list[ReadinessFault]:
    account, quote = await exam.account(), exam.quote
    if account is None or account.billing_address is None:  # each a fault of its own
        return []
    pair = Pair(exam.tenant, account.account_id, linked_as)
    async with exam.store.transaction(exam.tenant) as connection:
        there = await known(connection, pair)
    draft = customer_draft(account, quote, exam.rules, there)
    check = OrderCheck(customer=draft, purchase_order_number=quote.purchase_order_number)
    found = await exam.system.check_order(exam.tenant, capability, quote.legal_entity, check)
    exam.notes += [note for note in found.notes if note not in exam.notes]
    return [
        ReadinessFault(code=fault.code, message=fault.message, line_id=fault.line_id, field=fault.field, system=system)
        for fault in found.faults
    ]
