"""Unit prices that make a vendor compute the accepted net amount of a line.

The customer accepted a sum; a vendor is sent quantities and unit prices, and rounds their product by a rule of its own.
Where the quoted price does not come to the sum under that rule, the sum divided by the quantity may; where the vendor
keeps too few digits for that, the line is split in two parts at adjacent prices (docs/decisions/0063).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Decimal, localcontext

# A quantity of 18 digits times a price of 24 is exact.
_DIGITS = 60
# How far from the reckoned division of a line the search for one that rounds well goes, in units.
_UNITS_TRIED = 50


@dataclass(frozen=True)
class LinePart:
    """A part of a line: so many units at that price."""

    quantity: Decimal
    unit_price: Decimal


@dataclass(frozen=True)
class LineRule:
    """How a vendor makes an amount of a quantity and a price.

    `digits`: decimals of a unit price. `coin`: the step of an amount. `rounding`: of their product, for each line.
    """

    digits: int
    coin: Decimal
    rounding: str = ROUND_HALF_EVEN

    @property
    def price_step(self) -> Decimal:
        """The difference between two adjacent prices."""
        return Decimal(1).scaleb(-self.digits)

    def amount(self, part: LinePart) -> Decimal:
        """What the vendor makes of a part."""
        with localcontext(prec=_DIGITS):
            return (part.quantity * part.unit_price / self.coin).to_integral_value(self.rounding) * self.coin

    def amount_of(self, parts: list[LinePart]) -> Decimal:
        """What the vendor makes of all parts together, each rounded for itself."""
        return sum((self.amount(part) for part in parts), Decimal(0))


def price_line(net: Decimal, quantity: Decimal, rule: LineRule, quoted: Decimal | None = None) -> list[LinePart] | None:
    """The parts that come to exactly `net` under the vendor's rule: one, else two; None where there are no such.

    Their quantities are `quantity` in all. The quoted price is kept where it comes to `net`. Otherwise every price is
    within one step of `net` divided by `quantity`, but for a single unit that takes up a rest of at most one coin.
    """
    with localcontext(prec=_DIGITS):
        return next((parts for parts in _candidates(net, quantity, rule, quoted) if rule.amount_of(parts) == net), None)


def _candidates(net: Decimal, quantity: Decimal, rule: LineRule, quoted: Decimal | None) -> Iterator[list[LinePart]]:
    if quoted is not None and quoted == quoted.quantize(rule.price_step):
        yield [LinePart(quantity, quoted)]
    if not quantity:
        yield [LinePart(quantity, Decimal(0))]
        return
    exact = net / quantity
    nearest = exact.quantize(rule.price_step)
    lower = exact.quantize(rule.price_step, ROUND_FLOOR)
    upper = lower + rule.price_step
    for price in (nearest, lower, upper):
        yield [LinePart(quantity, price)]
    # So many units at the upper price, and the others at the lower one, come to `net` before rounding.
    ideal = int((net - quantity * lower) / rule.price_step)
    for units in sorted(range(ideal - _UNITS_TRIED, ideal + _UNITS_TRIED), key=lambda each: abs(each - ideal)):
        if 0 < units < quantity:
            yield [LinePart(quantity - units, lower), LinePart(Decimal(units), upper)]
    if quantity > 1:
        others = LinePart(quantity - 1, nearest)
        rest = (net - rule.amount(others)).quantize(rule.price_step)
        if abs(rest - nearest) <= rule.coin:
            yield [others, LinePart(Decimal(1), rest)]
