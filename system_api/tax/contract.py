"""What Quoteway needs of a tax engine."""

from typing import Protocol

from shared.canonical import TaxCalculation, TaxRequest
from system_api.vendor.findings import Finding


class Tax(Protocol):
    """Calculates tax without recording anything."""

    def tax_codes(self, legal_entity: str) -> list[str]:
        """The codes of the taxes that a sale of the legal entity's may bear, as the ERP has to know them."""

    async def check(self) -> list[Finding]:
        """What the engine lacks, in plain sentences."""

    async def calculate(self, request: TaxRequest) -> TaxCalculation:
        """The tax of each line. Rejected (`no_tax_jurisdiction`) where no rule covers seller and buyer."""
