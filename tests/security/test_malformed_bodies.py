"""Malformed bodies at every operation of every tier that takes one: each is a 400 problem with a pointer, never a 500.

The classes of the JSON parsing test suite (RFC 8259) are made here by rule, some six hundred bodies instead of its 318.
A new operation is covered as soon as it is there.
"""

import contextlib
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute

from openapi.documents import tier_documents
from shared.identity.auth import Authenticator, Principal
from shared.inbound import service as service_module
from shared.inbound.body import ITEMS_MAX
from shared.operations.operation import raw_body_of
from tests.app_lifespan import running_app
from tests.shared.json_corner_cases import ACCEPTED, REFUSED

_WHOLE = '{"a":[1,-2.5e3,true,false,null,"\\u00e9\\n","é€"],"b":{"c":"d","e":[[],{}]}}'.encode()
_REQUESTS = itertools.count()
_NO_CONTROL = b"\t\n\r "
# What a decimal of ours is never: not finite, not bounded, not plain, not ASCII, or not a text.
NO_DECIMALS: list[Any] = [
    "NaN", "sNaN", "Infinity", "-Infinity", "1E+1000000", "1e5", "0x1F", "1_000", "1,5", "1 ", " 1", "1\n", "+1", "01",
    "1.", ".5", "", "١", "1" * 13, "0." + "1" * 7, "--1", 1, 1.5, None, [], {},
]  # fmt: skip


def refused_bodies() -> Iterator[bytes]:
    """Bodies that are not JSON, or not within our bounds."""
    yield from (body for body in REFUSED if body)
    yield from (_WHOLE[:end] for end in range(1, len(_WHOLE)))
    for code in range(0x20):
        yield b'["' + bytes([code]) + b'"]'
        if bytes([code]) not in _NO_CONTROL:
            yield b"[" + bytes([code]) + b"1]"
    for code in range(0x80, 0x100):
        yield b'["' + bytes([code]) + b'"]'
        yield bytes([code]) + b"{}"
    for letter in set(map(chr, range(0x21, 0x7F))) - set('"\\/bfnrtu'):
        yield f'["\\{letter}"]'.encode()
    for after in ("]", "}", ",", ":", "x", '"', "[]", "{}", "1", "null", "//", "#", "/*", "\x00"):
        yield _WHOLE + after.encode()
    yield b"[" + b"0," * ITEMS_MAX + b"0]"
    yield b'{"lines":[' + b"{}," * ITEMS_MAX + b"{}]}"


@dataclass(frozen=True)
class Target:
    """An operation that takes a body. `kind` is what it takes; None where it reads the bytes itself."""

    tier: str
    app: Litestar
    method: str
    path: str
    kind: Any

    def __str__(self) -> str:
        return f"{self.tier} {self.method} {self.path}"


def targets() -> list[Target]:
    """Every operation with a body, of every tier."""
    return [
        Target(documents.tier, documents.app, method, route.path_format or "/", _body_kind(handler))
        for documents in tier_documents()
        for route in documents.app.routes
        if isinstance(route, HTTPRoute)
        for method, (handler, _) in route.route_handler_map.items()
        # Not those that take others' documents: what a vendor has signed is acknowledged, whatever it is.
        if method in {"POST", "PUT", "PATCH"} and not raw_body_of(handler.opt)
    ]


def _body_kind(handler: Any) -> Any:
    field = handler.parsed_fn_signature.parameters.get("data")
    return None if field is None else field.annotation


TARGETS = targets()
TYPED = [target for target in TARGETS if target.kind is not None]


class Client:
    """Sends bodies without a server: some ten thousand of them."""

    def __init__(self, app: Litestar) -> None:
        self._app = app

    async def send(self, target: Target, body: bytes) -> tuple[int, dict[str, Any]]:
        """The status, and the answer's JSON."""
        path = re.sub(r"\{[^}]*\}", "a", target.path)
        headers = [
            (b"host", b"service.test"),
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"idempotency-key", b"k-1"),
            (b"authorization", b"Bearer x"),
        ]
        scope: Any = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http", "root_path": "",
            "method": target.method, "path": path, "raw_path": path.encode(), "query_string": b"", "headers": headers,
            "client": ("127.0.0.1", 1), "server": ("service.test", 80), "state": {},
        }  # fmt: skip
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await self._app(scope, receive, send)
        content = b"".join(message.get("body", b"") for message in sent[1:])
        return sent[0]["status"], msgspec.json.decode(content)


@pytest.fixture(autouse=True)
def known_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    """Someone who may do everything, and is a new one every hundred requests, so that no limit is met.

    Over all tests: one that began again with the first would add to what others have just used of the same minute.
    """

    async def authenticate(*_: Any) -> Principal:
        return Principal("s", "tests", f"t-{next(_REQUESTS) // 100}", frozenset())

    monkeypatch.setattr(Authenticator, "authenticate", authenticate)
    monkeypatch.setattr(Principal, "require", lambda *_: None)


def pointers_of(status: int, problem: dict[str, Any]) -> list[str]:
    """Where a refusal says that the body is wrong; it has to be one, and to say so."""
    assert status == problem["status"] == 400, problem
    assert problem["type"] == "urn:quoteway:problem:invalid-request"
    pointers = [error["pointer"] for error in problem["errors"]]
    assert pointers
    assert all(pointer == "" or pointer.startswith("/") for pointer in pointers), pointers
    return pointers


def test_there_are_operations_in_every_tier_and_more_bodies_than_in_the_published_suite() -> None:
    assert {target.tier for target in TARGETS} == {"experience", "process", "system"}
    assert len(set(refused_bodies())) > 500


@pytest.mark.parametrize("target", TARGETS, ids=str)
async def test_what_is_no_json_is_a_400_with_a_pointer(target: Target) -> None:
    client = Client(target.app)
    for body in refused_bodies():
        status, problem = await client.send(target, body)
        assert pointers_of(status, problem), body


@pytest.mark.parametrize("target", TYPED, ids=str)
async def test_json_of_another_shape_is_a_400_with_a_pointer(target: Target) -> None:
    client = Client(target.app)
    for body in ACCEPTED:
        with contextlib.suppress(msgspec.ValidationError):
            msgspec.json.decode(body, type=target.kind)
            continue  # where all fields may be left out, {} is right
        assert pointers_of(*await client.send(target, body)), body


@pytest.mark.parametrize("guard", ["check_json_body", "check_shape"])
async def test_without_the_guard_it_would_be_seen(guard: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mutations: the framework alone answers 500 to some, and takes others."""
    monkeypatch.setattr(service_module, guard, lambda *_: None)
    if guard == "check_json_body":
        monkeypatch.setattr(service_module, "check_shape", lambda *_: None)
    [target] = [each for each in TYPED if each.path == "/v1/orders" and each.tier == "process"]
    bodies = {
        "check_json_body": b'{"quoteId":"0Q0QW00000000010AA","quoteRevision":1,"quoteId":"0Q0QW00000000020AA"}',
        "check_shape": b'{"quoteId":"0Q0QW00000000010AA","quoteRevision":"1"}',
    }
    async with running_app(target.app):
        status, _ = await Client(target.app).send(target, bodies[guard])
    assert status != 400


# -- what the types say, for every operation ------------------------------------------------------------------------


def types_in(kind: Any) -> Iterator[msgspec.inspect.Type]:
    """Every type within a body's."""
    waiting, seen = [msgspec.inspect.type_info(kind)], set()
    while waiting:
        found: Any = waiting.pop()
        yield found
        if isinstance(found, msgspec.inspect.StructType):
            if found.cls not in seen:
                seen.add(found.cls)
                waiting += [field.type for field in found.fields]
        elif isinstance(found, msgspec.inspect.UnionType):
            waiting += found.types
        elif isinstance(found, msgspec.inspect.ListType):
            waiting.append(found.item_type)
        elif isinstance(found, msgspec.inspect.DictType):
            waiting += [found.key_type, found.value_type]
        elif isinstance(found, msgspec.inspect.Metadata):
            waiting.append(found.type)


@pytest.mark.parametrize("target", TYPED, ids=str)
def test_every_type_of_a_body_is_strict_and_bounded(target: Target) -> None:
    for found in types_in(target.kind):
        if isinstance(found, msgspec.inspect.StructType):
            assert found.forbid_unknown_fields, found.cls
        elif isinstance(found, msgspec.inspect.ListType):
            assert found.max_length is not None, target
            assert found.max_length <= ITEMS_MAX
        # Money and quantities are texts with a pattern: a float or a decimal could be anything.
        assert not isinstance(found, msgspec.inspect.FloatType | msgspec.inspect.DecimalType | msgspec.inspect.AnyType)
        if isinstance(found, msgspec.inspect.IntType):
            assert found.le is not None or found.lt is not None, target


@pytest.mark.parametrize("target", TYPED, ids=str)
def test_every_decimal_of_a_body_is_bounded(target: Target) -> None:
    decimals = [
        (found.cls, field.name, field.type)
        for found in types_in(target.kind)
        if isinstance(found, msgspec.inspect.StructType)
        for field in found.fields
        if re.search(r"amount|price|quantity|percent", field.name) and isinstance(field.type, msgspec.inspect.StrType)
    ]
    for kind, name, text in decimals:
        assert text.pattern, (kind, name)
        for wrong in NO_DECIMALS:
            accepted = (
                isinstance(wrong, str) and re.search(text.pattern, wrong) and len(wrong) <= (text.max_length or 0)
            )
            assert not accepted, (kind, name, wrong)
