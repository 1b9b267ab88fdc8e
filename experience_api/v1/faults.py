"""The reasons why a quote cannot be ordered, as a sales user sees them."""

import msgspec

from experience_api import process_answers


class QuoteFault(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One thing to mend before the quote can be ordered, in a sentence.

    `lineId` names the line it is about, `fieldName` what is wrong with it, and `systemName` whose rule it is; each is
    empty where it does not apply.
    """

    code: str
    message: str
    line_id: str
    field_name: str
    system_name: str


def fault_views(faults: list[process_answers.Fault]) -> list[QuoteFault]:
    """Return the faults as a sales user sees them."""
    return [
        QuoteFault(
            code=fault.code,
            message=fault.message,
            line_id=fault.line_id or "",
            field_name=fault.field or "",
            system_name=fault.system or "",
        )
        for fault in faults
    ]
