"""A quote's readiness before it is ordered: the order's own examination, without an order."""

from dataclasses import dataclass

import msgspec

from process_api.database.store import Store
from process_api.legal_entities import LegalEntities
from process_api.orders.readiness.examination import Examination, Submitted
from process_api.orders.readiness.examine import Unchecked, examine
from process_api.orders.readiness.quote_state import total_of
from process_api.pricing.discount_policy import DiscountPolicy
from process_api.quotes.readiness_fault import ReadinessFault
from process_api.system_client import SystemClient
from shared.canonical import Money
from shared.problem import NotFound

# A caller of the experience API waits for 8 s in all.
ANSWER_WITHIN_S = 5.0


class QuoteReadiness(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Whether a quote could be ordered now. `faults` are all reasons against it that the systems reported.

    `unchecked` names the systems that could not be asked: what they would refuse is not known, so that `ready` is false
    while there is any. `total` is what the customer accepted. `notes` are sentences about what will be otherwise than
    it was stated, and keeps nothing from being ordered.
    """

    quote_id: str
    quote_revision: int
    ready: bool
    total: Money
    faults: list[ReadinessFault]
    unchecked: list[Unchecked]
    notes: list[str] = msgspec.field(default_factory=list)


@dataclass(frozen=True)
class QuoteExaminer:
    """Examines quotes on request."""

    system: SystemClient
    policy: DiscountPolicy
    legal_entities: LegalEntities
    store: Store

    async def readiness(self, tenant: str, submitted: Submitted) -> QuoteReadiness:
        """Return the readiness of a quote. Raises NotFound, Rejected where it lacks what no quote can do without,
        and Unavailable where Salesforce cannot be read.
        """
        quote = await self.system.find_quote(tenant, submitted.quote_id)
        if quote is None:
            raise NotFound(f"There is no quote {submitted.quote_id}.")
        rules = self.legal_entities.of(tenant, quote.legal_entity)
        exam = Examination(tenant, quote, submitted, rules, self.policy, self.system, self.store)
        found = await examine(exam, ANSWER_WITHIN_S)
        return QuoteReadiness(
            quote_id=quote.quote_id,
            quote_revision=quote.revision,
            ready=not found.faults and not found.unavailable,
            total=total_of(quote),
            faults=found.faults,
            unchecked=found.unchecked,
            notes=found.notes,
        )
