"""The meaning of Salesforce's refusals in plain words; its own words are kept apart, for an operator.

Source of the error codes: Salesforce's REST API Developer Guide, "Status Codes and Error Responses", and its Object
Reference, "API Exception Codes".
"""

import msgspec

from shared.outbound.http_client import Response, retry_after_s
from shared.problem import OutcomeUnknown, QuotewayError, Rejected, Unavailable
from system_api.vendor.meaning import Meaning, refusal
from system_api.vendor.replies import excerpt, jittered_s

VENDOR = "Salesforce"
SESSION_CODES = frozenset({"INVALID_SESSION_ID", "INVALID_AUTH_HEADER"})
ABSENT_CODES = frozenset({"NOT_FOUND", "ENTITY_IS_DELETED"})
# Refusals of a query or a write if the org has changed since `describe`.
ORG_CHANGED = frozenset({"invalid_field", "invalid_type", "invalid_field_for_insert_update", "not_found"})
# Salesforce's code for a validation rule, as a reason code.
RULE_VIOLATED = "field_custom_validation_exception"
_DAY_QUOTA_RETRY_S = 3600
# Refused before anything was changed, and worth a retry soon. DUPLICATE_VALUE: two upserts of one new external id met,
# and the other one won; the retry finds its record. No other field of ours is unique.
_TRANSIENT = {
    "UNABLE_TO_LOCK_ROW": ("row_locked", "is busy with a record that this one belongs to"),
    "DUPLICATE_VALUE": ("concurrent_upsert", "got two reports of this record at once"),
    "SERVER_UNAVAILABLE": ("unavailable", "is not available at the moment"),
    "QUERY_TIMEOUT": ("query_timeout", "took too long to answer"),
    "FUNCTIONALITY_TEMPORARILY_UNAVAILABLE": ("unavailable", "is being maintained"),
}
# Faults of the org, its rights or its settings, whatever record is asked for: an administrator mends them.
_ORG = {
    "INVALID_FIELD": "does not know a field that Quoteway uses",
    "INVALID_TYPE": "does not know an object that Quoteway uses",
    "INVALID_FIELD_FOR_INSERT_UPDATE": "does not let Quoteway write a field",
    "REQUIRED_FIELD_MISSING": "wants a field of a record that Quoteway knows nothing of",
    "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY": "runs a trigger or a flow on the record, which failed",
    "CANNOT_EXECUTE_FLOW_TRIGGER": "runs a flow on the record, which failed",
    "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST": "does not have a value in a picklist that Quoteway writes",
    "INSUFFICIENT_ACCESS_OR_READONLY": "does not let Quoteway's user change the record",
    "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": "does not let Quoteway's user refer to a record",
    "INSUFFICIENT_ACCESS": "does not give Quoteway's user the right to do this",
    "API_DISABLED_FOR_ORG": "has its interface for other systems switched off",
    "API_CURRENTLY_DISABLED": "has its interface for other systems switched off",
    "FUNCTIONALITY_NOT_ENABLED": "has a feature switched off that Quoteway uses",
    "STORAGE_LIMIT_EXCEEDED": "has no storage left",
    "ORG_LOCKED": "has locked the org",
}
# Refusals of a read that are about the requested id, and so the caller's fault.
_OF_THE_ID = frozenset({"INVALID_QUERY_FILTER_OPERATOR", "MALFORMED_ID", "INVALID_ID_FIELD"}) | ABSENT_CODES
# Session ended, rights missing, or too many requests: refused before any record is looked at.
_AT_THE_DOOR = frozenset({401, 403, 429})
_MEND = "Have an administrator of the org give Quoteway's user what Salesforce names, or map it in the connection."
# Malformed requests of ours: a retry would be as wrong.
_OURS = frozenset({"MALFORMED_QUERY", "JSON_PARSER_ERROR", "METHOD_NOT_ALLOWED", "INVALID_QUERY_LOCATOR"})


class Fault(msgspec.Struct, frozen=True):
    """One error in the array that Salesforce answers."""

    message: str = ""
    error_code: str = msgspec.field(name="errorCode", default="")
    fields: list[str] = []


def fault_of(response: Response) -> Fault:
    """Return the first error of the array; an empty one if the answer is no such array."""
    try:
        faults = msgspec.json.decode(response.content, type=list[Fault])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Fault()
    return faults[0] if faults else Fault()


def error_of(response: Response, *, writes: bool) -> QuotewayError:
    """Return the error that a refusal becomes.

    Salesforce's own errors are arrays; anything else comes from something in between.
    """
    fault = fault_of(response)
    status, code = response.status_code, fault.error_code
    if not code:
        return _meaningless(response, excerpt(response.content), writes=writes)
    if code in SESSION_CODES:
        return credentials_refused(f"{code} ({fault.message})")
    if code == "UNSUPPORTED_API_VERSION":
        return version_retired("that the connection names", fault.message)
    if code == "REQUEST_LIMIT_EXCEEDED":
        return _limit_exceeded(fault)
    if code in _TRANSIENT:
        reason, plain = _TRANSIENT[code]
        wait = retry_after_s(response) or jittered_s(1, 4)
        return Unavailable(
            f"{VENDOR} {plain}.", reason_code=reason, vendor=VENDOR, retry_after_s=wait, vendor_said=fault.message
        )
    if code in _ORG:
        named = f" ({', '.join(fault.fields)})" if fault.fields else ""
        return Unavailable(
            f"{VENDOR} {_ORG[code]}{named}.",
            reason_code=code.lower(),
            vendor=VENDOR,
            vendor_said=fault.message,
            what_to_do=_MEND,
        )
    if code in _OURS:
        return refusal(Meaning("our_request"), VENDOR, code=code.lower(), sentence=fault.message)
    if not 400 <= status < 500:
        return _meaningless(response, f"{code}: {fault.message}", writes=writes)
    if status in _AT_THE_DOOR or (not writes and code not in _OF_THE_ID):
        return _not_of_the_record(response, fault)
    return _rejected(fault)


def _not_of_the_record(response: Response, fault: Fault) -> Unavailable:
    """Return the error for an unknown code with a status that cannot be about the record."""
    reason = fault.error_code.lower()
    return Unavailable(
        f"{VENDOR} refused a request of Quoteway's ({reason.replace('_', ' ')}), whatever record it was about.",
        reason_code=reason,
        vendor=VENDOR,
        vendor_said=f"{response.status_code}: {fault.message}",
        retry_after_s=retry_after_s(response),
        what_to_do=_MEND,
    )


def _meaningless(response: Response, said: str, *, writes: bool) -> QuotewayError:
    """An answer that says nothing about what was done."""
    plain = f"{VENDOR} does not answer as it should."
    said = f"HTTP status {response.status_code}: {said}"
    if writes:
        return OutcomeUnknown(plain, vendor=VENDOR, vendor_said=said)
    return Unavailable(plain, vendor=VENDOR, vendor_said=said, retry_after_s=retry_after_s(response))


def version_retired(which: str, said: str = "") -> Unavailable:
    """Return the error for an API version that the org no longer supports."""
    return Unavailable(
        f"{VENDOR} does not speak the version {which} any more.",
        reason_code="api_version_retired",
        vendor=VENDOR,
        vendor_said=said,
        what_to_do="Set api_version of the connection to one that the org still speaks.",
    )


def wrong_org(found: str, pinned: str) -> Unavailable:
    """Return the error for credentials of another org than the connection's. Nothing was read or written there."""
    return Unavailable(
        f"The connection is for the {VENDOR} org {pinned}, but its credentials lead to the org {found}. Nothing was "
        "read or written there.",
        reason_code="wrong_org",
        vendor=VENDOR,
        what_to_do="A refreshed sandbox has production's settings: check the connection's url, client_id and org_id.",
    )


def credentials_refused(why: str) -> Unavailable:
    """Return the error for refused credentials."""
    said = f"{VENDOR} refuses our credentials. Check the connection's client_id and client_secret."
    return Unavailable(
        said,
        reason_code="credentials_refused",
        vendor=VENDOR,
        vendor_said=why,
        what_to_do="Check the connection's client_id and client_secret, and the integration user's profile.",
    )


def _limit_exceeded(fault: Fault) -> Unavailable:
    """Return the error for one code with two causes: the daily limit lasts hours, the concurrency limit seconds."""
    if fault.message.startswith("TotalRequests"):
        plain, reason, wait = "'s requests of the day are used up.", "daily_quota_exhausted", _DAY_QUOTA_RETRY_S
    else:
        plain, reason, wait = " is working on too many requests at once.", "concurrency_limit", jittered_s(2, 8)
    return Unavailable(VENDOR + plain, reason_code=reason, vendor=VENDOR, retry_after_s=wait, vendor_said=fault.message)


def _rejected(fault: Fault) -> Rejected:
    reason = fault.error_code.lower()
    if reason == RULE_VIOLATED:
        # The message is written by the org's administrator, for people.
        plain = f"{VENDOR}: a validation rule of the org refuses the record: {fault.message}"
    else:
        plain = f"{VENDOR} refused the record ({reason.replace('_', ' ')})."
    return Rejected(plain, reason_code=reason, vendor=VENDOR, vendor_said=fault.message)
