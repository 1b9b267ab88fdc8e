"""The discount policy: how far a quoted price may be from the list price of the system that will invoice it."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, ROUND_UP, Decimal
from typing import Protocol, Self

from shared.canonical import ListPrice, Money, QuoteLine, Recurrence

# Net unit prices have four decimals: nobody is refused for that rounding.
_UNIT_PRICE_STEP = Decimal("0.0001")


class PolicySettings(Protocol):
    """What the settings say of prices, in percent."""

    @property
    def discount_max_percent(self) -> float:
        """How far below the list a net price may be."""

    @property
    def price_tolerance_percent(self) -> float:
        """How far off the list a price may be by rounding."""


@dataclass(frozen=True)
class DiscountPolicy:
    """The limits in percent: how far a net price may be below the list, and how far off it by rounding."""

    discount_max_percent: Decimal
    tolerance_percent: Decimal

    @classmethod
    def of(cls, settings: PolicySettings) -> Self:
        """Return the policy that the settings state."""
        return cls(Decimal(str(settings.discount_max_percent)), Decimal(str(settings.price_tolerance_percent)))

    def judge(self, line: QuoteLine, listed: ListPrice | None) -> tuple[Decimal | None, str | None]:
        """Return the line's difference from the list in percent, and what is wrong with it, if anything."""
        price = _governing_price(line, listed)
        if listed is None or price is None:
            system = "billing" if line.recurrence is not Recurrence.none else "the ERP"
            return None, f"{line.sku} is not sold by {system} in {line.unit_price.currency}."
        if line.recurrence is not Recurrence.none and listed.billing_recurrence is not line.recurrence:
            return None, f"{line.sku} is quoted per {line.recurrence.value}, but billing charges it otherwise."
        if price.value == 0:
            free = line.net_unit_price.value == 0
            return (Decimal(0), None) if free else (None, f"{line.sku} is free of charge on the list.")
        exact = (line.net_unit_price.value - price.value) / abs(price.value) * 100
        # Rounded away from zero: a refusal must not read as if it were just within the policy.
        difference = exact.quantize(Decimal("0.01"), rounding=ROUND_UP)
        if exact > self.tolerance_percent:
            return difference, f"{line.sku} is {difference} % above the list price of {price.amount} {price.currency}."
        if line.net_unit_price.value < 0 < price.value:
            amount = f"{-line.net_unit_price.value} {price.currency}"
            return difference, f"{line.sku} is a credit of {amount} a unit, which no order gives: issue a credit note."
        lowest = price.value - abs(price.value) * self.discount_max_percent / 100
        if line.net_unit_price.value < lowest.quantize(_UNIT_PRICE_STEP, rounding=ROUND_HALF_UP):
            return difference, (
                f"{line.sku} is {-difference} % below the list price of {price.amount} {price.currency}; "
                f"at most {self.discount_max_percent} % is allowed."
            )
        return difference, self._systems_disagree(line, listed)

    def _systems_disagree(self, line: QuoteLine, listed: ListPrice) -> str | None:
        if line.recurrence is Recurrence.none or listed.erp is None or listed.billing is None:
            return None
        allowed = listed.erp.value * self.tolerance_percent / 100
        if abs(listed.erp.value - listed.billing.value) <= allowed:
            return None
        return f"{line.sku} costs {listed.erp.amount} in the ERP but {listed.billing.amount} in billing."


def _governing_price(line: QuoteLine, listed: ListPrice | None) -> Money | None:
    """Return the price of the system that will invoice the line."""
    if listed is None:
        return None
    return listed.erp if line.recurrence is Recurrence.none else listed.billing
