"""The contract of a tax engine."""

from typing import Protocol

from shared.canonical import TaxCalculation, TaxRequest
from system_api.vendor.findings import Finding


class Tax(Protocol):
    """Calculates tax without recording anything."""

    def tax_codes(self, legal_entity: str) -> list[str]:
        """Return the codes of the taxes that sales of the legal entity may have, for comparison with the ERP's."""

    async def check(self) -> list[Finding]:
        """Return what the engine lacks, in plain sentences."""

    async def calculate(self, request: TaxRequest) -> TaxCalculation:
        """Return the tax of each line. Raises Rejected (`no_tax_jurisdiction`) if no rule covers seller and buyer."""
