"""The faults that keep a quote from being ordered, in a seller's words."""

from process_api.quotes.readiness_fault import ReadinessFault
from shared.canonical import Quote, QuoteLine
from shared.problem import Rejected

# The reason code of an order with several faults of different kinds.
NOT_READY = "not_ready"


class NotReady(Rejected):
    """A quote that cannot be ordered, with every fault."""

    is_for_sellers = True

    def __init__(self, faults: list[ReadinessFault], note: str = "") -> None:
        codes = {fault.code for fault in faults}
        sentences = [fault.message for fault in faults] + ([note] if note else [])
        super().__init__(" ".join(sentences), reason_code=codes.pop() if len(codes) == 1 else NOT_READY)
        self.readiness_faults = faults


def line_fault(quote: Quote, line: QuoteLine, code: str, problem: str, field: str, system: str = "") -> ReadinessFault:
    """Return a fault of one line; `problem` continues a sentence that starts with the line's name."""
    number = next(place for place, each in enumerate(quote.lines, start=1) if each is line)
    return ReadinessFault(
        code=code,
        message=f"Line {number} ({line.sku}): {problem}",
        line_id=line.line_id,
        field=field,
        system=system or None,
    )
