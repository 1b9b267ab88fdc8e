"""What Quoteway needs of a tax engine."""

from typing import Protocol

from shared.canonical import TaxCalculation, TaxRequest


class Tax(Protocol):
    """Calculates tax without recording anything."""

    async def calculate(self, request: TaxRequest) -> TaxCalculation:
        """The tax of each line. Rejected (`no_tax_jurisdiction`) where no rule covers seller and buyer."""
