"""The head of a request: ambiguous ones are 400, unambiguous ones accepted."""

import posixpath
from typing import Any
from urllib.parse import unquote

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from litestar import Litestar

from shared.identity.auth import Authenticator
from shared.inbound import service as service_module
from shared.inbound.request_head import SINGLE_HEADERS, path_fault
from shared.inbound.service import create_service
from tests.shared.inbound.thing_service import KEY, authorization, create_thing, get_public, get_thing, poke, tier
from tests.shared.tokens import AUDIENCE, METADATA_URL, StandInIssuer

BEARER = (b"authorization", authorization()["Authorization"].encode())
HOST = (b"host", b"service.test")
AMBIGUOUS_PATHS = [
    "/v1%2fthings/a", "/v1%2Fthings/a", "//v1/things/a", "/v1//things/a", "/v1/things//a", "/v1/things/a//",
    "/v1/./things/a", "/v1/things/../things/a", "/v1/things/..", "/v1/things/.", "/./v1/things/a", "/../v1/things/a",
    "/v1/things/%2e%2e", "/v1/things/%2E%2E/a", "/v1/things/.%2e", "/v1/%2e/things/a", "/v1/things/%2e",
    "/v1\\things\\a", "/v1/things/..\\a", "/v1%5cthings/a", "/v1/things/a%5C..%5Cb", "/v1/things/a%2f..%2fb",
    "/v1/things/a%00", "/v1/things/a%0d%0aX: y", "/v1/things/%7f", "/v1/things/%ff", "/v1/things/%c0%ae%c0%ae",
    "/v1/things/%", "/v1/things/%2", "/v1/things/%zz", "v1/things/a", "",
]  # fmt: skip


def service() -> Litestar:
    authenticator = Authenticator(METADATA_URL, AUDIENCE, transport=StandInIssuer(KEY).transport())
    return create_service(tier(authenticator), [get_thing, create_thing, poke, get_public], state={})


async def ask(
    path: str, *headers: tuple[bytes, bytes], version: str = "1.1", app: Litestar | None = None
) -> tuple[int, Any]:
    """Return the status and the answer's JSON, over a raw socket: a client library would mend the address and
    headers.
    """
    raw = path.encode("latin-1")
    scope: Any = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": version, "scheme": "http", "root_path": "",
        "method": "GET", "path": unquote(path), "raw_path": raw, "query_string": b"", "headers": list(headers),
        "client": ("127.0.0.1", 1), "server": ("service.test", 80), "state": {},
    }  # fmt: skip
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await (app or service())(scope, receive, send)
    content = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], msgspec.json.decode(content)


@pytest.mark.parametrize("path", AMBIGUOUS_PATHS)
async def test_ambiguous_address_is_400(path: str) -> None:
    status, problem = await ask(path, HOST, BEARER)

    assert status == 400, path
    assert problem["errors"][0]["pointer"] == "path"


async def test_mutation_without_guard_an_ambiguous_address_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mutation."""
    monkeypatch.setattr(service_module, "guard_address", lambda app: app)
    app = service()

    served = [path for path in AMBIGUOUS_PATHS if (await ask(path, HOST, BEARER, app=app))[0] == 200]

    assert {"/v1%2fthings/a", "//v1/things/a"} <= set(served)


@pytest.mark.parametrize("path", ["/v1/things/a", "/v1/things/a.b..c", "/v1/things/...", "/v1/things/a%20b%C3%A9", "/"])
async def test_unambiguous_address_is_accepted(path: str) -> None:
    status, answer = await ask(path, HOST, BEARER)

    assert status in {200, 404} or answer["errors"][0]["pointer"] != "path"


@settings(deadline=None)
@given(st.lists(st.sampled_from(["/", "..", ".", "%2e", "%2F", "%5c", "\\", "a", "~", "%41", "%", "%00", "é", "x.y"])))
def test_accepted_address_has_the_same_segments_for_every_parser(parts: list[str]) -> None:
    raw = "/" + "".join(parts)
    if path_fault(raw.encode()) is None:
        decoded = unquote(raw)
        assert decoded.split("/") == [unquote(segment) for segment in raw.split("/")]
        assert posixpath.normpath(decoded) == (decoded.rstrip("/") or "/")
        assert "\\" not in decoded


@pytest.mark.parametrize("name", sorted(SINGLE_HEADERS))
async def test_repeated_single_value_header_is_400(name: bytes) -> None:
    value = {HOST[0]: HOST[1], BEARER[0]: BEARER[1]}.get(name, b"x")
    others = [header for header in (HOST, BEARER) if header[0] != name]

    for second in (value, b"other"):
        status, problem = await ask("/v1/things/a", *others, (name, value), (name, second))

        assert status == 400
        assert problem["errors"][0]["pointer"].lower() == f"header/{name.decode()}"


@pytest.mark.parametrize("name", [b"accept", b"cache-control", b"forwarded", b"x-forwarded-for", b"via", b"tracestate"])
async def test_a_header_that_is_a_list_may_come_in_parts(name: bytes) -> None:
    assert (await ask("/v1/things/a", HOST, BEARER, (name, b"*/*"), (name, b"*/*")))[0] == 200


async def test_mutation_without_guard_the_first_of_two_headers_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mutation."""
    monkeypatch.setattr(service_module, "guard_headers", lambda app: app)

    assert (await ask("/v1/things/a", HOST, BEARER, (b"authorization", b"Bearer another")))[0] == 200


@pytest.mark.parametrize("host", [b"a, b", b"a b", b"user@a", b"a/b", b"", b"a:b", b"[::1", b"a:1:2", b"\xe9"])
async def test_invalid_host_is_400(host: bytes) -> None:
    assert (await ask("/v1/things/a", (b"host", host), BEARER))[0] == 400


@pytest.mark.parametrize("host", [b"a", b"a.example:8000", b"127.0.0.1:1", b"[::1]:443", b"my_host", b"A-b."])
async def test_valid_host_is_accepted(host: bytes) -> None:
    assert (await ask("/v1/things/a", (b"host", host), BEARER))[0] == 200


async def test_only_http_1_0_may_leave_the_host_out() -> None:
    assert (await ask("/v1/things/a", BEARER))[0] == 400
    assert (await ask("/v1/things/a", BEARER, version="1.0"))[0] == 200
