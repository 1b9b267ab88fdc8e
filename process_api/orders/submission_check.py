"""Checks a quote with one read before an order is accepted: a refusal at once is better than one a second later.

Only certain faults are refused here. If Salesforce cannot be read, or the quote is incomplete, the order is accepted
anyway: its flow comes to its normal end, which is reported to Salesforce.
"""

import asyncio
from dataclasses import dataclass

from process_api.database.store import Store
from process_api.legal_entities import LegalEntities
from process_api.orders.readiness.examination import Examination, Submitted
from process_api.orders.readiness.faults import NotReady
from process_api.orders.readiness.quote_state import REVISION_CHANGED, changed_total, quote_state, wrong_quote
from process_api.pricing.discount_policy import DiscountPolicy
from process_api.quotes.readiness_fault import ReadinessFault
from process_api.system_client import SystemClient
from shared.canonical import Quote
from shared.problem import Conflict, NotFound, Unavailable, VendorError

# A caller of the experience API waits for 8 s in all, of which the visibility check may take 4.
READ_TIMEOUT_S = 2.5
_COMPARED_AGAIN_S = 5


@dataclass(frozen=True)
class SubmissionCheck:
    """Reads and checks the quote of a submission."""

    system: SystemClient
    policy: DiscountPolicy
    legal_entities: LegalEntities
    store: Store

    async def require(self, tenant: str, submitted: Submitted) -> None:
        """Raise unless the quote may be ordered, as far as it shows itself.

        Raises NotFound if there is no such quote, Conflict if it has another revision, NotReady otherwise.
        """
        try:
            quote = await self._quote(tenant, submitted)
        except (TimeoutError, VendorError):
            return
        exam = self._examination(tenant, quote, submitted)
        _refuse(wrong_quote(exam) or quote_state(exam))

    async def require_total(self, tenant: str, submitted: Submitted) -> None:
        """Let a submission of what was ordered before pass unless the quote comes to another total than its user saw.

        Raises as `require` does, and Unavailable while Salesforce cannot be read: nothing else would ever compare it.
        """
        try:
            quote = await self._quote(tenant, submitted)
        except (TimeoutError, VendorError) as error:
            raise Unavailable(
                f"Quote {submitted.quote_id} is being ordered already, and Salesforce cannot be read at the moment: "
                "whether it comes to the expected total is not known yet. Send the same request again.",
                reason_code="total_not_compared",
                retry_after_s=_COMPARED_AGAIN_S,
            ) from error
        exam = self._examination(tenant, quote, submitted)
        _refuse(wrong_quote(exam) or changed_total(quote, submitted))

    async def _quote(self, tenant: str, submitted: Submitted) -> Quote:
        async with asyncio.timeout(READ_TIMEOUT_S):
            quote = await self.system.find_quote(tenant, submitted.quote_id)
        if quote is None:
            raise NotFound(f"There is no quote {submitted.quote_id}.")
        return quote

    def _examination(self, tenant: str, quote: Quote, submitted: Submitted) -> Examination:
        rules = self.legal_entities.of(tenant, quote.legal_entity)
        return Examination(tenant, quote, submitted, rules, self.policy, self.system, self.store)


def _refuse(faults: list[ReadinessFault]) -> None:
    if [fault.code for fault in faults] == [REVISION_CHANGED]:
        raise Conflict(faults[0].message, reason_code=REVISION_CHANGED)
    if faults:
        raise NotReady(faults)
