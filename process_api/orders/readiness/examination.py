"""One quote under examination: its content, the rules, and the systems' answers, each asked once."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, TypeVar

from process_api.database.store import Store
from process_api.legal_entities import LegalEntity
from process_api.pricing.discount_policy import DiscountPolicy
from process_api.quotes.amounts import erp_net, taxed_lines
from process_api.quotes.readiness_fault import ReadinessFault
from process_api.system_client import SystemClient
from shared.canonical import (
    Account,
    CreditStatus,
    PriceList,
    Quote,
    TaxCalculation,
    TaxRequest,
)
from shared.problem import NeedsDecision, Rejected, Unavailable

CRM, ERP, BILLING, TAX, PRICE_LISTS = "Salesforce", "ERP", "billing", "tax", "ERP and billing"
A = TypeVar("A")
# What a request for tax calls the account's fields.
_OF_THE_ACCOUNT = {"buyer": "billingAddress", "buyerVatId": "vatId"}


@dataclass(frozen=True)
class Submitted:
    """A submission: the quote's id and revision, and the total that the user saw.

    `at` is its time; None for a quote that is submitted or checked now.
    """

    quote_id: str
    quote_revision: int | None = None
    expected_total: Decimal | None = None
    expected_currency: str | None = None
    at: datetime | None = None


@dataclass
class Examination:
    """The context of the checks. Reads are shared: if several checks need the account, it is read once.

    A read raises Rejected or Unavailable as the system does; the runner of the checks collects both.
    """

    tenant: str
    quote: Quote
    submitted: Submitted
    rules: LegalEntity
    policy: DiscountPolicy
    system: SystemClient
    store: Store
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    refusals: list[ReadinessFault] = field(default_factory=list, init=False)
    unavailable: dict[str, Unavailable | NeedsDecision] = field(default_factory=dict, init=False)
    notes: list[str] = field(default_factory=list, init=False)
    """What will be otherwise than it was stated, and keeps nothing from being ordered: a sentence each."""
    decisions: list[NeedsDecision] = field(default_factory=list, init=False)
    """Faults that only a person can decide. Each is among the faults as well."""
    _reads: dict[str, "asyncio.Task[Any]"] = field(default_factory=dict, init=False)

    @property
    def today(self) -> date:
        """The business date: the day in the selling legal entity's time zone."""
        return self.now.astimezone(self.rules.zone).date()

    @property
    def submitted_on(self) -> date:
        """The business date of the submission: an order that has to wait does not expire meanwhile."""
        return (self.submitted.at or self.now).astimezone(self.rules.zone).date()

    async def account(self) -> Account | None:
        """The quote's account as Salesforce has it; None where it has none."""
        return await self._read(
            "account", CRM, "accountId", lambda: self.system.find_account(self.tenant, self.quote.account_id)
        )

    async def prices(self) -> PriceList:
        """The list prices of what the quote sells, from the system that will invoice each line."""
        return await self._read(
            "prices", PRICE_LISTS, "lines", lambda: self.system.look_up_prices(self.tenant, self.quote)
        )

    async def credit(self) -> CreditStatus | None:
        """Return whether the customer may owe the one-off lines too; None if the ERP has no such customer yet."""
        quote = self.quote
        amount = erp_net(quote)
        ask = self.system.check_credit
        return await self._read(
            "credit", ERP, "accountId", lambda: ask(self.tenant, quote.legal_entity, quote.account_id, amount)
        )

    async def tax(self) -> TaxCalculation | None:
        """Return the tax of every line; None without an address."""
        account = await self.account()
        if account is None or account.billing_address is None:
            return None
        request = TaxRequest(
            legal_entity=self.quote.legal_entity,
            buyer=account.billing_address,
            buyer_vat_id=account.vat_id,
            lines=taxed_lines(self.quote),
        )
        return await self._read("tax", TAX, "billingAddress", lambda: self.system.calculate_tax(self.tenant, request))

    async def _read(self, name: str, system: str, about: str, ask: Callable[[], Awaitable[A]]) -> A:
        """The answer to one question; `about` is the field that a refusal of it is about."""
        if name not in self._reads:
            self._reads[name] = asyncio.create_task(self._ask(system, about, ask))
        answer: A = await asyncio.shield(self._reads[name])
        return answer

    async def _ask(self, system: str, about: str, ask: Callable[[], Awaitable[A]]) -> A:
        try:
            return await ask()
        except Rejected as error:
            self.note_refusal(system, about, error)
            raise
        except (Unavailable, NeedsDecision) as error:
            self.unavailable.setdefault(system, error)
            raise

    def note_refusal(self, system: str, about: str, error: Rejected) -> None:
        """Keep a system's refusal as faults, each once: about the fields that the system names, else about `about`."""
        named = [(_field_of(fault.pointer) or about, fault.detail) for fault in error.faults]
        for at, said in named or [(about, error.detail)]:
            fault = ReadinessFault(code=error.reason_code, message=said, field=at or None, system=system or None)
            if fault not in self.refusals:
                self.refusals.append(fault)

    def close(self) -> None:
        """Cancel the reads that nobody waits for any more."""
        for read in self._reads.values():
            read.cancel()


def _field_of(pointer: str) -> str:
    """The field that a pointer leads to, by the account's names."""
    field_, *within = pointer.strip("/").split("/")
    return ".".join([_OF_THE_ACCOUNT.get(field_, field_), *within])
