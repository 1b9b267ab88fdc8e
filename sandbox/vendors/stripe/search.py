"""Search: Stripe's query language over what is indexed.

Source: Stripe's "Search": clauses of a field, an operator and a value, joined by AND or OR but not both; `:` is
equality, `~` a part of a text of at least three characters, `-` before a clause negates it, `null` means absent.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.vendors.stripe.gateway.listing import LIMIT_DEFAULT
from sandbox.vendors.stripe.gateway.operation import Call, Operation
from sandbox.vendors.stripe.invoices.drafts import subscription_of
from sandbox.vendors.stripe.store import Record
from sandbox.vendors.stripe.wire.errors import StripeError, invalid
from sandbox.vendors.stripe.wire.params import Integer, Text

# The fields that Stripe documents as searchable: t(ext), k (token, exact only), n(umber), b(oolean).
_FIELDS: dict[str, dict[str, str]] = {
    "customer": {"created": "n", "email": "t", "name": "t", "phone": "t"},
    "invoice": {
        "created": "n", "currency": "k", "customer": "k", "number": "t", "receipt_number": "t", "status": "t",
        "subscription": "k", "total": "n",
    },
    "price": {"active": "b", "currency": "k", "lookup_key": "t", "product": "t", "type": "t"},
    "product": {"active": "b", "description": "t", "name": "t", "shippable": "b", "url": "t"},
    "subscription": {"canceled_at": "n", "created": "n", "status": "k"},
}  # fmt: skip
_CLAUSES_MAX = 10
_CLAUSE = re.compile(
    r"""\s*(?P<negated>-)?(?P<field>[a-z_]+)
    (?:\[(?P<key>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')\])?
    \s*(?P<operator>>=|<=|:|~|>|<|=)\s*
    (?P<value>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s"']+)""",
    re.VERBOSE,
)
_JOINT = re.compile(r"\s+(?:(?P<word>and|or)\s+)?", re.IGNORECASE)
_NUMBERS: dict[str, Callable[[float, float], bool]] = {
    ":": lambda a, b: a == b,
    "=": lambda a, b: a == b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
}


@dataclass(frozen=True)
class _Clause:
    field: str
    key: str | None
    operator: str
    value: str | None
    kind: str
    negated: bool

    def holds(self, document: Mapping[str, Any]) -> bool:
        return self._found(document) != self.negated

    def _found(self, document: Mapping[str, Any]) -> bool:
        if self.key is not None:
            actual = document["metadata"].get(self.key)
        elif self.field == "subscription":
            actual = subscription_of(document)
        else:
            actual = document.get(self.field)
        if self.value is None or actual is None:
            return self.value is None and actual is None
        if self.kind == "n":
            return _NUMBERS[self.operator](actual, int(self.value))
        if self.kind == "b":
            return bool(actual) == (self.value == "true")
        # Stripe's text search does not tell upper from lower case.
        text, wanted = str(actual).lower(), self.value.lower()
        return wanted in text if self.operator == "~" else wanted == text


def parse_query(kind: str, query: str) -> Callable[[Mapping[str, Any]], bool]:
    """Return what a query asks of a document.

    Raises StripeError (400, `query`) for one that Stripe could not read either.
    """
    clauses, words, position = [], set[str](), 0
    while True:
        match = _CLAUSE.match(query, position)
        if match is None:
            raise _malformed(query, position)
        clauses.append(_clause(kind, match))
        position = match.end()
        if not query[position:].strip():
            break
        joint = _JOINT.match(query, position)
        if joint is None:
            raise _malformed(query, position)
        words.add((joint["word"] or "and").lower())
        position = joint.end()
    if len(words) > 1:
        raise invalid("Queries can't combine AND and OR.", param="query")
    if len(clauses) > _CLAUSES_MAX:
        raise invalid(f"Queries can have up to {_CLAUSES_MAX} clauses.", param="query")
    together = any if words == {"or"} else all
    return lambda document: together(clause.holds(document) for clause in clauses)


def _clause(kind: str, match: re.Match[str]) -> _Clause:
    field, operator, raw = match["field"], match["operator"], match["value"]
    key = _unquoted(match["key"]) if match["key"] else None
    if (field == "metadata") != (key is not None) or (key is None and field not in _FIELDS[kind]):
        known = ", ".join(["metadata['key']", *_FIELDS[kind]])
        raise invalid(f"Field `{field}` is not a searchable field of {kind}s; these are: {known}.", param="query")
    type_ = "t" if key is not None else _FIELDS[kind][field]
    value = None if raw == "null" else _unquoted(raw)
    allowed = {"n": {*_NUMBERS}, "t": {":", "~"}, "k": {":"}, "b": {":"}}[type_]
    if operator not in allowed:
        raise invalid(f"Operator `{operator}` is not supported for field `{field}`.", param="query")
    if value is not None and type_ == "n" and not re.fullmatch(r"-?\d+", value):
        raise invalid(f"Field `{field}` is compared with a number, not with {raw}.", param="query")
    if value is not None and operator == "~" and len(value) < 3:
        raise invalid("Substring matches need at least three characters.", param="query")
    return _Clause(field, key, operator, value, type_, bool(match["negated"]))


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text[0] in "\"'" else text


def _malformed(query: str, position: int) -> StripeError:
    return invalid(f"We were unable to parse your search query at: {query[position : position + 40]!r}", param="query")


def search(kind: str, call: Call) -> Record:
    """GET /v1/{kind}s/search: what was indexed by now, newest first"""
    query, limit = call.params["query"], call.params.get("limit", LIMIT_DEFAULT)
    wanted = parse_query(kind, query)
    found = [dict(document) for document in call.account.search.documents(kind) if wanted(document)]
    start = _offset(query, call.params["page"]) if "page" in call.params else 0
    has_more = len(found) > start + limit
    result: Record = {
        "object": "search_result",
        "data": found[start : start + limit],
        "has_more": has_more,
        "next_page": _token(query, start + limit) if has_more else None,
        "url": call.url,
    }
    if "total_count" in call.params.get("expand", []):
        result["total_count"] = len(found)
    return result


def _token(query: str, offset: int) -> str:
    return base64.urlsafe_b64encode(json.dumps([_digest(query), offset]).encode()).decode()


def _offset(query: str, token: str) -> int:
    try:
        digest, offset = json.loads(base64.urlsafe_b64decode(token))
    except (binascii.Error, ValueError, TypeError) as error:
        raise invalid("Invalid page: this is not the next_page of a search.", param="page") from error
    if digest != _digest(query):
        raise invalid("Invalid page: it belongs to another query.", param="page")
    return int(offset)


def _digest(query: str) -> str:
    return hashlib.sha256(query.encode()).hexdigest()[:16]


def _operation(kind: str) -> Operation:
    fields = {"limit": Integer(minimum=1, maximum=100), "page": Text(), "query": Text(required=True)}
    return Operation("GET", f"/v1/{kind}s/search", lambda call: search(kind, call), fields, search=True)


OPERATIONS = tuple(_operation(kind) for kind in _FIELDS)
