"""What a contract cannot say of data that fits it, told to the fuzzer: only for data that is meant to be accepted.

Without this it would call a right refusal a defect. Data that is meant to be refused is left as it is.
"""

from typing import Any

import schemathesis
from schemathesis.generation.modes import GenerationMode

from shared.canonical.record_ids import checksum
from tests.fuzz.tally import count

# Salesforce's ids have 15 characters, or 18 of which the last three are a checksum that no pattern can express.
_SALESFORCE_IDS = ("accountId", "quoteId")
_ID_CHARS = 15
_SKU_CHARS_MAX = 64
# The sandbox's tax table knows where it is; of another one it says that it is not set up (503).
_SELLER = "NW-DE"
_TAX = "DE"
# Of a currency that the sandbox's org does not have, it says that it is not set up (503).
_CURRENCY = "EUR"


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:  # noqa: ARG001 the hook's fixed form
    """Make a valid case one that can be accepted."""
    if case.meta is None or case.meta.generation.mode is not GenerationMode.POSITIVE:
        return
    if isinstance(case.query, dict):
        case.query.pop("cursor", None)  # only the page before can give one
    if isinstance(case.path_parameters, dict):
        _shorten_ids(case.path_parameters)
    if isinstance(case.body, dict):
        case.body = _agreeing(case.body, case.path_parameters or {})
        if case.operation.label == "POST /v1/token-revocations":
            _name_one(case.body)
        if case.operation.label == "POST /v1/tax/calculations":
            case.body["legalEntity"] = _SELLER
        if case.operation.label == "PUT /v1/erp/{legalEntity}/orders/{externalId}":
            _name_what_is_set_up(case.body)
        if case.operation.label == "PUT /v1/crm/order-status/{orderId}":
            _set_currency(case.body, _CURRENCY)
        _leave_states_out(case.body)
        _name_records(case.body)


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:  # noqa: ARG001 the hook's fixed form
    """Write down what was asked, so that a run can say what it tested."""
    if case.meta is not None:
        count(case.operation.label, case.meta.phase.name.value)


def _name_records(value: Any) -> None:
    """An id that is a dot segment is refused (docs/decisions/0085), which no pattern says that every reader knows."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name.endswith("Id") and inner in (".", ".."):
                value[name] = "a-record"
            _name_records(inner)
    elif isinstance(value, list):
        for inner in value:
            _name_records(inner)


def _leave_states_out(value: Any) -> None:
    """The sandbox's ERP has the states of the United States only: for others it says that it is not set up (503)."""
    if isinstance(value, dict):
        if value.get("country") not in {None, "US"} and value.get("region") is not None:
            value["region"] = None
        for inner in value.values():
            _leave_states_out(inner)


def _name_what_is_set_up(order: dict[str, Any]) -> None:
    """Of a tax or of payment terms that nobody has entered the sandbox's ERP says that it is not set up (503)."""
    if order.get("paymentTerms") is not None:
        order["paymentTerms"] = None
    if order.get("taxCode") is not None:
        order["taxCode"] = _TAX


def _name_one(revocation: dict[str, Any]) -> None:
    """A revocation names either a token or a subject."""
    if revocation.get("tokenId") is not None:
        revocation["subject"] = None
    elif revocation.get("subject") is None:
        revocation["subject"] = "nobody-in-particular"


def _shorten_ids(names: dict[str, Any]) -> None:
    for name in _SALESFORCE_IDS:
        given = names.get(name)
        # What is right already, or is no Salesforce id at all, stays untouched: the fuzzer judges changed parameters
        # anew, percent-encoded, and would take an encoded colon for a violation of the contract.
        if not isinstance(given, str) or not given.isalnum() or len(given) <= _ID_CHARS:
            continue
        if given[_ID_CHARS:] != checksum(given[:_ID_CHARS]):
            names[name] = given[:_ID_CHARS]


def _agreeing(body: dict[str, Any], path: dict[str, Any]) -> dict[str, Any]:
    """A record named in the address and in the body is the same one, and an order has one currency."""
    _shorten_ids(body)
    for name in body.keys() & path.keys():
        body[name] = path[name]
    if isinstance(skus := body.get("skus"), dict):
        body["skus"] = {sku: other for sku, other in skus.items() if 0 < len(sku) <= _SKU_CHARS_MAX}
    if isinstance(currency := body.get("currency"), str):
        _set_currency(body, currency)
    return body


def _set_currency(value: Any, currency: str) -> None:
    if isinstance(value, dict):
        if "currency" in value:
            value["currency"] = currency
        for inner in value.values():
            _set_currency(inner, currency)
    elif isinstance(value, list):
        for inner in value:
            _set_currency(inner, currency)
