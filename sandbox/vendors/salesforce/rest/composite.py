"""Several requests in one: composite (with references between subrequests, all or nothing) and batch."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NoReturn
from urllib.parse import quote

from sandbox.vendors.salesforce.errors import SalesforceError
from sandbox.vendors.salesforce.rest.calls import Answer, Call, Resource, RestApi, read_address

SUBREQUESTS_MAX = 25
QUERIES_AND_COLLECTIONS_MAX = 5
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_REFERENCE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_]*")
_REFERENCE = re.compile(r"@\{([A-Za-z0-9_]+)((?:\.[A-Za-z0-9_]+|\[\d+\])*)\}")
_STEP = re.compile(r"\.([A-Za-z0-9_]+)|\[(\d+)\]")
_INHERITED_HEADERS = frozenset({"accept", "authorization", "content-type"})
_ROLLED_BACK = "The transaction was rolled back since another operation in the same transaction failed."


@dataclass(frozen=True, slots=True)
class _Subrequest:
    method: str
    url: str
    reference_id: str
    body: Any
    headers: Mapping[str, str]


class Composite:
    """The composite and batch resources; `api` answers the subrequests."""

    def __init__(self, api: RestApi) -> None:
        self._api = api

    def resources(self) -> tuple[Resource, ...]:
        return (
            Resource("GET", "composite", self.list_resources),
            Resource("POST", "composite", self.run),
            Resource("POST", "composite/batch", self.run_batch),
        )

    def list_resources(self, call: Call) -> Answer:
        return Answer(200, {name: f"{call.base_path}/composite/{name}" for name in ("tree", "batch", "sobjects")})

    def run(self, call: Call) -> Answer:
        """Always 200 when the request itself is well formed: each subrequest has a status of its own."""
        body = call.object_body()
        subrequests = _read_subrequests(body)
        answers: dict[str, Answer] = {}
        with call.org.store.work.savepoint() as savepoint:
            for subrequest in subrequests:
                answer = self._answer(call, subrequest, answers)
                answers[subrequest.reference_id] = answer
                if body.get("allOrNone") is True and answer.status >= 300:
                    savepoint.roll_back()
                    halted = Answer(400, SalesforceError("PROCESSING_HALTED", _ROLLED_BACK).as_items())
                    answers = {one.reference_id: halted for one in subrequests} | {subrequest.reference_id: answer}
                    break
        results = [
            {
                "body": answers[one.reference_id].body,
                "httpHeaders": dict(answers[one.reference_id].headers),
                "httpStatusCode": answers[one.reference_id].status,
                "referenceId": one.reference_id,
            }
            for one in subrequests
        ]
        return Answer(200, {"compositeResponse": results})

    def _answer(self, call: Call, subrequest: _Subrequest, answers: Mapping[str, Answer]) -> Answer:
        try:
            url = _fill_url(subrequest.url, answers)
            body = _fill(subrequest.body, answers)
        except SalesforceError as error:
            return Answer(error.status, error.as_items())
        headers = {**call.headers, **subrequest.headers}
        return self._send(replace(call, method=subrequest.method, body=body, headers=headers), url)

    def _send(self, call: Call, url: str) -> Answer:
        path, _, raw_query = url.partition("?")
        try:
            address = read_address(path, raw_query)
            if address.segments in (("composite",), ("composite", "batch")):
                _refuse_nesting()
        except SalesforceError as refused:
            return Answer(refused.status, refused.as_items())
        version, segments, query = address.version, address.segments, address.query
        return self._api.answer(replace(call, path=path, version=version, segments=segments, query=query))

    def run_batch(self, call: Call) -> Answer:
        """Independent subrequests; `haltOnError` leaves out those behind the first failure."""
        body = call.object_body()
        requests = body.get("batchRequests")
        if not isinstance(requests, list) or not all(isinstance(one, dict) for one in requests):
            raise SalesforceError("INVALID_INPUT", "batchRequests must be a list of subrequests")
        _limit(len(requests))
        results: list[dict[str, Any]] = []
        failed = False
        for request in requests:
            if failed and body.get("haltOnError") is True:
                halted = SalesforceError("BATCH_PROCESSING_HALTED", "Batch processing halted per request.")
                results.append({"statusCode": 412, "result": halted.as_items()})
                continue
            answer = self._answer_in_batch(call, request)
            failed = failed or answer.status >= 300
            results.append({"statusCode": answer.status, "result": answer.body})
        return Answer(200, {"hasErrors": failed, "results": results})

    def _answer_in_batch(self, call: Call, request: Mapping[str, Any]) -> Answer:
        url = str(request.get("url", ""))
        if not url.startswith("/services/data/"):
            url = f"/services/data/{url.lstrip('/')}"
        sub_call = replace(call, method=str(request.get("method", "")), body=request.get("richInput"))
        return self._send(sub_call, url)


def _refuse_nesting() -> NoReturn:
    raise SalesforceError("INVALID_INPUT", "a composite request cannot contain another one")


def _read_subrequests(body: Mapping[str, Any]) -> list[_Subrequest]:
    """Raises INVALID_INPUT or LIMIT_EXCEEDED for the whole request, as nothing of it can be run then."""
    requests = body.get("compositeRequest")
    if not isinstance(requests, list) or not all(isinstance(one, dict) for one in requests):
        raise SalesforceError("INVALID_INPUT", "compositeRequest must be a list of subrequests")
    _limit(len(requests))
    subrequests = [_read_subrequest(request) for request in requests]
    if len({one.reference_id for one in subrequests}) != len(subrequests):
        raise SalesforceError("INVALID_INPUT", "each subrequest needs a referenceId of its own")
    heavy = sum(1 for one in subrequests if re.match(r"/services/data/v[\d.]+/(query|composite/sobjects)", one.url))
    if heavy > QUERIES_AND_COLLECTIONS_MAX:
        message = (
            f"at most {QUERIES_AND_COLLECTIONS_MAX} subrequests may be queries or sObject collections, not {heavy}"
        )
        raise SalesforceError("LIMIT_EXCEEDED", message)
    return subrequests


def _limit(count: int) -> None:
    if count > SUBREQUESTS_MAX:
        raise SalesforceError("LIMIT_EXCEEDED", f"at most {SUBREQUESTS_MAX} subrequests are allowed, not {count}")


def _read_subrequest(request: Mapping[str, Any]) -> _Subrequest:
    reference_id, method, url = request.get("referenceId"), request.get("method"), request.get("url")
    if not isinstance(reference_id, str) or not _REFERENCE_ID.fullmatch(reference_id):
        message = (
            f"Provided referenceId ('{reference_id}') must start with a letter or a number, and it can contain only "
            "letters, numbers and underscores ('_')."
        )
        raise SalesforceError("INVALID_INPUT", message)
    if method not in METHODS:
        raise SalesforceError("INVALID_INPUT", f"{reference_id}: method must be one of {', '.join(METHODS)}")
    if not isinstance(url, str) or not url.startswith("/services/data/v"):
        raise SalesforceError("INVALID_INPUT", f"{reference_id}: url must start with /services/data/vXX.X/")
    given_headers = request.get("httpHeaders") or {}
    if not isinstance(given_headers, dict):
        raise SalesforceError("INVALID_INPUT", f"{reference_id}: httpHeaders must be an object")
    headers = {name.lower(): str(value) for name, value in given_headers.items()}
    if inherited := _INHERITED_HEADERS & set(headers):
        raise SalesforceError("INVALID_INPUT", f"{reference_id}: {', '.join(inherited)} cannot be set in a subrequest")
    return _Subrequest(method, url, reference_id, request.get("body"), headers)


def _fill_url(url: str, answers: Mapping[str, Answer]) -> str:
    """References in an address, whether or not the client percent-encoded their braces."""
    for encoded, plain in (("%7B", "{"), ("%7D", "}"), ("%5B", "["), ("%5D", "]")):
        url = url.replace(encoded, plain)
    return _REFERENCE.sub(lambda match: quote(str(_look_up(match, answers)), safe=""), url)


def _fill(value: Any, answers: Mapping[str, Answer]) -> Any:
    """References in a body. A text that is one reference becomes the value itself, with its type."""
    if isinstance(value, dict):
        return {name: _fill(inner, answers) for name, inner in value.items()}
    if isinstance(value, list):
        return [_fill(inner, answers) for inner in value]
    if not isinstance(value, str):
        return value
    whole = _REFERENCE.fullmatch(value)
    if whole:
        return _look_up(whole, answers)
    return _REFERENCE.sub(lambda match: str(_look_up(match, answers)), value)


def _look_up(match: re.Match[str], answers: Mapping[str, Answer]) -> Any:
    """Raises PROCESSING_HALTED when the earlier answer has no such value; null is a value (version 52.0 and later)."""
    reference_id, path = match.group(1), match.group(2)
    answer = answers.get(reference_id)
    value: Any = answer.body if answer and answer.status < 300 else None
    found = value is not None
    for name, index in _STEP.findall(path):
        if name and isinstance(value, dict) and name in value:
            value = value[name]
        elif index and isinstance(value, list) and int(index) < len(value):
            value = value[int(index)]
        else:
            found = False
            break
    if found and path and not isinstance(value, dict | list):
        return value
    text = f"{reference_id}{path}"
    message = (
        f"Invalid reference specified. No value for {text} found in {reference_id}. Provided referenceId ('{text}') "
        "must start with a letter or a number, and it can contain only letters, numbers and underscores ('_')."
    )
    raise SalesforceError("PROCESSING_HALTED", message)
