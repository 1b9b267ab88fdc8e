"""What each of Tryton's refusals is about: this record, or us and the ERP.

Source: measured on Tryton 8.2; the sentences are those of its `ir/message.xml`. A business reason is 400 with JSON, and
so is a right that our user lacks: those are told apart by their sentence. Every other status is an HTML page.
"""

import re

from system_api.vendor_meaning import Meaning

_ACCESS = "Check the connection's url, database, company and key."
_RIGHTS = "Give the integration user's group the right that Tryton names, and try again."

BY_STATUS = {
    401: Meaning("setup", "The ERP does not accept our key.", "credentials_refused", _ACCESS),
    403: Meaning("setup", "The ERP does not let us in.", "not_allowed", _ACCESS),
    404: Meaning("setup", "There is no ERP at our address.", "not_found_here", _ACCESS),
    405: Meaning("setup", "There is no ERP at our address.", "not_found_here", _ACCESS),
    # 423: another transaction changed the record. 429: failed logins slow it down. Neither did anything.
    423: Meaning("passing", "The ERP is working on the same record.", "concurrent_change"),
    429: Meaning("passing", "The ERP slows us down.", "rate_limit"),
}
# Confirming locks whole tables without waiting; whoever comes second is turned away with nothing done.
LOCKED = ("could not obtain lock", Meaning("passing", "The ERP is working on another order.", "row_locked"))
BY_SENTENCE = (
    (re.compile(r"will exceed their .* credit limit"), Meaning("record", reason_code="credit_limit")),
    (
        re.compile(r"You are not allowed to |Calling button .* is not allowed"),
        Meaning("setup", "The ERP does not let us do this.", "not_allowed", _RIGHTS),
    ),
)
# UserWarnings are refusals too, since nobody is there to confirm them.
ANYTHING_ELSE = Meaning("record", reason_code="refused_by_erp")


def meaning_of(sentence: str) -> Meaning:
    """What a refusal with JSON is about."""
    return next((meaning for pattern, meaning in BY_SENTENCE if pattern.search(sentence)), ANYTHING_ELSE)
