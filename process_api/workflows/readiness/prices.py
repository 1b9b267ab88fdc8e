"""Whether the systems that will invoice the lines sell them, at a price within the policy, and with tax."""

from process_api.readiness_fault import ReadinessFault
from process_api.workflows.readiness.examination import BILLING, ERP, Examination
from process_api.workflows.readiness.faults import line_fault
from shared.canonical import Recurrence


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
    return faults


async def tax(exam: Examination) -> list[ReadinessFault]:
    """Whether tax can be calculated: a refusal of the tax engine is a fault as it stands."""
    await exam.tax()
    return []
