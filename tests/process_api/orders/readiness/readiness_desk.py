"""A desk at which quotes are examined."""

from datetime import UTC, datetime
from typing import Any

from process_api.legal_entities import LegalEntity
from process_api.orders.readiness.examination import Examination, Submitted
from process_api.orders.readiness.examine import Findings, examine
from process_api.pricing.discount_policy import DiscountPolicy
from shared.canonical import Quote
from tests.process_api.conftest import Process
from tests.process_api.system_stand_in import SystemStandIn

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
RULES = LegalEntity(tenant="nordwind", code="NW-DE", timezone="Europe/Berlin")


class Desk:
    """Examines quotes against the stand-in's vendors."""

    def __init__(self, process: Process, rules: LegalEntity = RULES) -> None:
        self.process, self.rules = process, rules

    async def examine(self, quote: Quote, submitted: Submitted | None = None, now: datetime = NOON) -> Findings:
        """What is found about the quote."""
        system: SystemStandIn = self.process.system
        system.quote = quote
        saga_system = self.process.worker.system
        policy = DiscountPolicy.of(self.process.settings)
        asked = submitted or Submitted(quote.quote_id, quote.revision)
        store = self.process.worker.store
        found = await examine(Examination("nordwind", quote, asked, self.rules, policy, saga_system, store, now))
        assert all(fault.field for fault in found.faults), "a fault that names nothing cannot be mended"
        return found

    async def codes(self, quote: Quote, **more: Any) -> list[str]:
        """The codes of what is found about the quote."""
        found = await self.examine(quote, **more)
        assert not found.unavailable
        return [fault.code for fault in found.faults]
