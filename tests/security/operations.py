"""Every operation that the contracts publish, and each place at which one of them takes a record's id.

Made from the OpenAPI documents, so a new operation is in the matrix at once; one of a form unknown here fails.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CONTRACTS = Path(__file__).resolve().parents[2] / "openapi"
# Which record each path parameter names.
PATH_PARAMETERS = {
    "accountId": "account",
    "quoteId": "quote",
    "orderId": "order",
    "flowId": "flow",
    "deadLetterId": "dead letter",
}
# Path parameters that name no record, and what is asked for in their place.
OTHER_PARAMETERS = {"system": "erp:NW-XX"}
_REASON = {"reason": "the matrix tries it"}
# The body of each operation that takes one; "{quote}" stands for a record's id.
BODIES: dict[str, dict[str, Any]] = {
    "submitOrder": {"quoteId": "{quote}", "quoteRevision": 1},
    "startOrderSubmission": {"quoteId": "{quote}", "quoteRevision": 1},
    "relinkAccount": {**_REASON, "vendorId": "new"},
    "checkReadiness": {},
    "retryFlow": {},
    "editFlow": _REASON,
    "discardFlow": _REASON,
    "editDeadLetter": _REASON,
    "discardDeadLetter": _REASON,
    "revokeTokens": {**_REASON, "tokenId": "a-token-of-the-matrix"},
}
# What is about no account's records, but about the whole tenant: for clients that are for all of it.
WHOLE_TENANT = {"listTokenRevocations", "revokeTokens"}
# What shows many records: the field with the list, and the field of each that names the order, flow or dead letter.
LISTS = {
    "listFlows": ("flows", "flowId"),
    "listOrders": ("orders", "flowId"),
    "listDeadLetters": ("deadLetters", "deadLetterId"),
}


@dataclass(frozen=True)
class Place:
    """A place at which an operation takes the id of a record of this kind."""

    tier: str
    operation_id: str
    method: str
    path: str
    kind: str
    where: str
    scopes: frozenset[str]
    body: dict[str, Any] | None = field(default=None, compare=False)

    def request(self, record_id: str) -> tuple[str, str, dict[str, Any] | None]:
        """Method, path and body of a request with that id at this place."""
        path = self.path
        for name in PATH_PARAMETERS:
            path = path.replace(f"{{{name}}}", record_id)
        for name, value in OTHER_PARAMETERS.items():
            path = path.replace(f"{{{name}}}", value)
        body = self.body
        if body is not None:
            body = {key: record_id if value == f"{{{self.kind}}}" else value for key, value in body.items()}
        return self.method.upper(), path, body


def published(tier: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Method, path and description of every operation of a tier, all versions, that needs a token."""
    found = []
    for document in sorted(CONTRACTS.glob(f"{tier}-v*.json")):
        if document.stem.endswith(".salesforce"):  # the same operations, as Salesforce can import them
            continue
        for path, methods in json.loads(document.read_text())["paths"].items():
            found += [(method, path, what) for method, what in methods.items() if what.get("security") != []]
    return found


def places(tier: str) -> list[Place]:
    """Every place of a tier. Raises AssertionError for an operation that the matrix does not know how to ask."""
    found: list[Place] = []
    for method, path, what in published(tier):
        operation_id = what["operationId"]
        body = BODIES.get(operation_id)
        assert "requestBody" not in what or body is not None, f"{operation_id} takes a body: give one in BODIES"
        scopes = frozenset(what["x-quoteway-scopes"])
        named = [(name, kind, "path") for name, kind in PATH_PARAMETERS.items() if f"{{{name}}}" in path]
        named += [("", value.strip("{}"), "body") for value in (body or {}).values() if str(value).startswith("{")]
        if operation_id in LISTS or operation_id in WHOLE_TENANT:
            continue
        assert named, (
            f"{operation_id} names no record that the matrix knows: add it to PATH_PARAMETERS, BODIES or LISTS"
        )
        for _, kind, where in named:
            found.append(Place(tier, operation_id, method, path, kind, where, scopes, body))
            if kind == "dead letter":
                found.append(Place(tier, operation_id, method, path, "webhook", where, scopes, body))
    return found
