"""Whether the systems that will invoice the lines sell them, at a price within the policy, and with tax."""

from collections import defaultdict

from process_api.readiness_fault import ReadinessFault
from process_api.workflows.readiness.examination import BILLING, ERP, Examination
from process_api.workflows.readiness.faults import line_fault
from shared.canonical import PriceList, Quote, QuoteLine, Recurrence


async def list_prices(exam: Examination) -> list[ReadinessFault]:
    """Whether each line's product is sold, and its price within the discount policy."""
    quote, listed = exam.quote, await exam.prices()
    faults = []
    for line in quote.lines:
        difference, problem = exam.policy.judge(line, listed.price_for(line.sku, line.recurrence))
        if problem is not None:
            code, field = ("unknown_product", "sku") if difference is None else ("price_outside_policy", "unitPrice")
            system = ERP if line.recurrence is Recurrence.none else BILLING
            faults.append(line_fault(quote, line, code, problem, field, system))
    return faults + same_price_twice(quote, listed)


def same_price_twice(quote: Quote, listed: PriceList) -> list[ReadinessFault]:
    """The further lines that sell one product at billing's list price: a subscription takes each price once.

    Source: Stripe answers 400 to two items of one price. At another price than the list's, each line has its own.
    """
    alike: dict[tuple[str, Recurrence], list[QuoteLine]] = defaultdict(list)
    for line in quote.lines:
        price = listed.price_for(line.sku, line.recurrence)
        charged = price.billing if price is not None and line.recurrence is not Recurrence.none else None
        if charged is not None and charged.value == line.net_unit_price.value:
            alike[line.sku, line.recurrence].append(line)
    return [
        line_fault(
            quote,
            line,
            "same_price_twice",
            f"line {quote.lines.index(first) + 1} sells the same at the same price per {line.recurrence.value}, which "
            "a subscription takes once. Put both quantities on one line.",
            "sku",
            BILLING,
        )
        for first, *others in alike.values()
        for line in others
    ]


async def tax(exam: Examination) -> list[ReadinessFault]:
    """Whether tax can be calculated: a refusal of the tax engine is a fault as it stands."""
    await exam.tax()
    return []
