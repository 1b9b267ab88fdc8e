"""Asks every system what it would refuse later, before anything is written, and collects every fault."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import msgspec

from process_api.orders.readiness import customer, identity, line_shapes, order_texts, prices, terms_and_contacts
from process_api.orders.readiness.examination import BILLING, CRM, ERP, PRICE_LISTS, TAX, Examination
from process_api.orders.readiness.faults import NotReady
from process_api.orders.readiness.quote_state import quote_state, wrong_quote
from process_api.quotes.readiness_fault import ReadinessFault
from shared.problem import NeedsDecision, Rejected, Unavailable
from shared.seller_words import in_sellers_words

# Faults with which the vendors cannot be asked about the quote at all.
_UNASKABLE = frozenset({"quote_empty", "too_many_lines", "amounts_too_large", "wrong_currency"})


@dataclass(frozen=True)
class Check:
    """One check: `run` returns faults; `system` is whom it asks, for an outage or a refusal on the way.

    `about` is the field that a refusal is about, where the system names none.
    """

    run: Callable[[Examination], Awaitable[list[ReadinessFault]]]
    system: str = ""
    about: str = ""


# Checks of the quote and the legal entity's rules alone.
OWN_CHECKS = (
    Check(line_shapes.amounts),
    Check(line_shapes.dates),
    Check(line_shapes.recurring_lines),
    Check(line_shapes.kinds_of_lines),
    Check(terms_and_contacts.terms),
    Check(terms_and_contacts.invoice_address),
    Check(terms_and_contacts.invoice_owner),
)
# Checks that ask a system, each by a read or a dry run. Another one is one line here.
SYSTEM_CHECKS = (
    Check(customer.account, CRM, "accountId"),
    Check(customer.credit, ERP, "accountId"),
    Check(identity.erp_customer, ERP, "accountId"),
    Check(identity.billing_customer, BILLING, "accountId"),
    Check(order_texts.in_the_erp, ERP, "accountId"),
    Check(order_texts.in_billing, BILLING, "accountId"),
    Check(prices.list_prices, PRICE_LISTS, "lines"),
    Check(prices.quantities, PRICE_LISTS, "lines"),
    Check(prices.tax, TAX, "billingAddress"),
)

_LATE = {
    CRM: "Salesforce did not answer in time.",
    ERP: "The ERP did not answer in time.",
    BILLING: "Billing did not answer in time.",
    TAX: "The tax was not calculated in time.",
    PRICE_LISTS: "The price lists of ERP and billing could not be read in time.",
}


class Unchecked(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A system that could not be asked, and why: its reasons are unknown."""

    system: str
    message: str


@dataclass(frozen=True)
class Findings:
    """Every fault that was found, and the systems that could not be asked.

    `decisions` are the faults that no seller can mend: the integration team decides.
    """

    faults: list[ReadinessFault]
    unavailable: dict[str, Unavailable | NeedsDecision]
    decisions: list[NeedsDecision] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def unchecked(self) -> list[Unchecked]:
        """The systems that could not be asked."""
        return [Unchecked(system=system, message=in_sellers_words(error)) for system, error in self.unavailable.items()]

    def require(self) -> None:
        """Raise NotReady for faults; Unavailable or NeedsDecision if a system could not be asked.

        Also NeedsDecision if only decisions keep the quote from being ordered: the order waits for them.
        """
        undecided = {decision.reason_code for decision in self.decisions}
        if self.faults and all(fault.code in undecided for fault in self.faults):
            raise self.decisions[0]
        if self.faults:
            away = ", ".join(self.unavailable)
            raise NotReady(self.faults, f"There may be more: not all could be asked ({away})." if away else "")
        for error in self.unavailable.values():
            raise error


async def examine(exam: Examination, within_s: float | None = None) -> Findings:
    """Run every check. A system that has not answered within `within_s` seconds counts as not asked."""
    mistaken = wrong_quote(exam)
    if mistaken:
        return Findings(mistaken, {})
    faults = quote_state(exam) + await _run(exam, OWN_CHECKS, None)
    if not _UNASKABLE & {fault.code for fault in [*faults, *exam.refusals]}:
        faults += await _run(exam, SYSTEM_CHECKS, within_s)
    if any(fault.code == "customer_blocked" for fault in faults):  # the customer's identity comes before its credit
        faults = [fault for fault in faults if not fault.code.startswith("credit_")]
    told = {(fault.code, fault.line_id, fault.message): fault for fault in [*faults, *exam.refusals]}
    return Findings(list(told.values()), exam.unavailable, exam.decisions, exam.notes)


async def _run(exam: Examination, checks: tuple[Check, ...], within_s: float | None) -> list[ReadinessFault]:
    """Return the faults that these checks find, run in parallel. Raises anything but a refusal or an outage."""
    try:
        answers = await asyncio.gather(*(_faults(exam, check, within_s) for check in checks), return_exceptions=True)
    finally:
        exam.close()
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return [fault for answer in answers if not isinstance(answer, BaseException) for fault in answer]


async def _faults(exam: Examination, check: Check, within_s: float | None) -> list[ReadinessFault]:
    try:
        async with asyncio.timeout(within_s):
            return await check.run(exam)
    except Rejected as error:
        told = {fault.message for fault in exam.refusals}
        if not told & {error.detail, *(fault.detail for fault in error.faults)}:
            exam.note_refusal(check.system, check.about, error)
    except (Unavailable, NeedsDecision) as error:  # the latter: asked, and only the integration team can mend it
        if error not in exam.unavailable.values():
            exam.unavailable.setdefault(check.system, error)
    except TimeoutError:
        late = Unavailable(_LATE[check.system], reason_code="deadline_exceeded")
        exam.unavailable.setdefault(check.system, late)
    return []
