"""The meanings of a vendor's refusal, and the errors that they become.

    about        means                                                     error
    record       this record: the vendor says no to what was asked         Rejected: the order is refused
    passing      nothing is wrong, only now: a lock, a quota, a restart    Unavailable: tried again
    setup        us and the vendor: key, rights, version, a switched off   Unavailable: tried again, in the end parked
                 API                                                       with what the integration team has to do
    our_request  a request that we spell wrongly, as we would the next     NeedsDecision: parked at once

Each adapter has one table of these, since only it knows its vendor's words. A setup that is broken is never a business
"no": an order must not be refused because an administrator has switched something off.
"""

from dataclasses import dataclass
from typing import Literal

from shared.problem import NeedsDecision, QuotewayError, Rejected, Unavailable
from shared.seller_words import is_plain
from system_api.vendor.replies import jittered_s

About = Literal["record", "passing", "setup", "our_request"]
_SENTENCE_CHARS_MAX = 300
_DEFECT = "Have the integration team look at the request in the log: Quoteway sent {} something that it does not take."


@dataclass(frozen=True)
class Meaning:
    """One row of an adapter's table. `said` is a plain sentence; empty: the vendor's own, if that is plain."""

    about: About
    said: str = ""
    reason_code: str = ""
    what_to_do: str = ""


def refusal(
    meaning: Meaning, vendor: str, *, code: str, sentence: str, vendor_said: str = "", retry_after_s: int | None = None
) -> QuotewayError:
    """Return the error that a vendor's refusal becomes.

    `code` is the vendor's code as a reason code; `sentence` is its message, and `vendor_said` all of its words, for
    operators, if there are more.
    """
    reason, vendor_said = meaning.reason_code or code, vendor_said or sentence
    said = meaning.said or _own_words(vendor, sentence)
    if meaning.about == "record":
        return Rejected(said, reason_code=reason, vendor=vendor, vendor_said=vendor_said)
    if meaning.about == "our_request":
        said = f"{vendor} does not understand what it was asked to do. This has to be mended in Quoteway."
        what_to_do = _DEFECT.format(vendor)
        return NeedsDecision(said, reason_code=reason, vendor=vendor, vendor_said=vendor_said, what_to_do=what_to_do)
    if meaning.about == "passing":
        retry_after_s = retry_after_s or jittered_s(1, 4)
    return Unavailable(
        said,
        reason_code=reason,
        vendor=vendor,
        retry_after_s=retry_after_s,
        vendor_said=vendor_said,
        what_to_do=meaning.what_to_do,
    )


def _own_words(vendor: str, sentence: str) -> str:
    """The vendor's sentence where a seller can read it; the vendor's words are kept beside it in any case."""
    if sentence and len(sentence) <= _SENTENCE_CHARS_MAX and is_plain(sentence):
        return f"{vendor} refused: {sentence}"
    return f"{vendor} refused this. The integration team can see its reason."
