"""Finds unit prices that make a vendor compute the accepted net amount of a line.

The customer accepted a sum; a vendor gets quantities and unit prices, and rounds their product by a rule of its own. If
the quoted price does not yield the sum under that rule, the sum divided by the quantity may; if the vendor keeps too
few decimals for that, the line is split in two parts with adjacent prices (docs/decisions/0063).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Decimal, localcontext

# A quantity of 18 digits times a price of 24 is exact.
_DIGITS = 60
# How many units around the computed split are tried for one that rounds well.
_UNITS_TRIED = 50


@dataclass(frozen=True)
class LinePart:
    """A part of a line: a quantity and its price."""

    quantity: Decimal
    unit_price: Decimal


@dataclass(frozen=True)
class LineRule:
    """How a vendor computes an amount from a quantity and a price.

    `digits`: decimals of a unit price. `coin`: the step of an amount. `rounding`: of the product, for each line.
    """

    digits: int
    coin: Decimal
    rounding: str = ROUND_HALF_EVEN

    @property
    def price_step(self) -> Decimal:
        """The difference between two adjacent prices."""
        return Decimal(1).scaleb(-self.digits)

    def amount(self, part: LinePart) -> Decimal:
        """Return the vendor's amount for a part."""
        with localcontext(prec=_DIGITS):
            return (part.quantity * part.unit_price / self.coin).to_integral_value(self.rounding) * self.coin

    def amount_of(self, parts: list[LinePart]) -> Decimal:
        """Return the vendor's amount for all parts together, each rounded by itself."""
        return sum((self.amount(part) for part in parts), Decimal(0))


def price_line(net: Decimal, quantity: Decimal, rule: LineRule, quoted: Decimal | None = None) -> list[LinePart] | None:
    """Return one or two parts that add up to exactly `net` under the vendor's rule; None if there are none.

    Their quantities add up to `quantity`. The quoted price is kept if it yields `net`. Otherwise every price is within
    one step of `net` divided by `quantity`, except for a single unit that takes a rest of at most one coin.
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
    # This many units at the upper price, and the others at the lower one, yield `net` before rounding.
    ideal = int((net - quantity * lower) / rule.price_step)
    for units in sorted(range(ideal - _UNITS_TRIED, ideal + _UNITS_TRIED), key=lambda each: abs(each - ideal)):
        if 0 < units < quantity:
            yield [LinePart(quantity - units, lower), LinePart(Decimal(units), upper)]
    if quantity > 1:
        others = LinePart(quantity - 1, nearest)
        rest = (net - rule.amount(others)).quantize(rule.price_step)
        if abs(rest - nearest) <= rule.coin:
            yield [others, LinePart(Decimal(1), rest)]
