"""W3C Trace Context, as its public suite asks for it (w3c/trace-context, test/test.py), over HTTP from end to end.

The cases are written anew. Its harness has a service call it back, and looks at the headers of that call; here a
request comes in at the policy that traces, and leaves through the client that all tiers have.

All of the suite's 40 tests are here, by what they are about:
  TraceContextTest: both missing; tracestate missing; traceparent duplicated, header name, its casing, version 0x00,
  0xcc, 0xff, illegal, too long, too short; trace id all zero, illegal, too long, too short; parent id likewise; flags
  illegal, too long, too short; ows; tracestate without and with traceparent, header name, casing, empty, several
  headers, duplicated keys, all characters, ows, illegal key, illegal vendor, 33 members, key length, illegal value.
  AdvancedTest: several calls with, without and with an illegal traceparent.
None is left out. Beyond it: the flag of random ids (level 2 of the standard), and a tracestate that is too long.
"""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from shared.inbound.observers import trace_requests
from shared.outbound.http_client import OutboundClient
from shared.telemetry.tracing import start_tracing, stop_tracing
from tests.observed.collector import Collector

TRACE, PARENT = "12345678901234567890123456789012", "1234567890123456"
VALID = f"00-{TRACE}-{PARENT}-01"
KEY = "abcdefghijklmnopqrstuvwxyz0123456789_-*/"
VALUE = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) not in ",=")
MEMBERS = [f"bar{n:02}={n:02}" for n in range(1, 34)]


@pytest.fixture(scope="module", params=[1.0, 0.0], ids=["sampled", "not sampled"])
def sampling(request: pytest.FixtureRequest) -> Iterator[float]:
    """Tracing, of everything or of nothing: what goes on is the same."""
    with Collector() as collector:
        start_tracing("test", collector.url, request.param)
        yield request.param
        stop_tracing()


async def sent_on(*headers: tuple[str, str], calls: int = 1, trust_callers: bool = False) -> list[dict[str, list[str]]]:
    """A request with these headers causes calls of ours. Returns the trace context of each, all lines of a header."""
    seen: list[dict[str, list[str]]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        names = ("traceparent", "tracestate")
        seen.append({name: request.headers.get_list(name) for name in names})
        return httpx.Response(200)

    client = OutboundClient("peer", "http://peer.test", transport=httpx.MockTransport(answer))

    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        for _ in range(calls):
            await client.send("GET", "/")

    # As a server hands them on: names in small letters, values without the white space around them.
    arrived = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    scope: Any = {"type": "http", "method": "POST", "path": "/v1/x", "headers": arrived, "state": {}}
    nobody: Any = None  # the app neither receives nor sends
    await trace_requests("test", trust_callers=trust_callers)(app)(scope, nobody, nobody)
    await client.close()
    return seen


def trace_of(sent: dict[str, list[str]]) -> str:
    """The trace of a call, which has one traceparent, and a good one."""
    [traceparent] = sent["traceparent"]
    version, trace, parent, flags = traceparent.split("-")
    assert (version, len(trace), len(parent)) == ("00", 32, 16)
    assert int(trace, 16) != 0
    assert int(parent, 16) != 0
    assert flags in {"00", "01", "02", "03"}
    return trace


def state_of(sent: dict[str, list[str]]) -> str:
    """The tracestate of a call; empty where it has none."""
    assert len(sent["tracestate"]) <= 1
    return "".join(sent["tracestate"])


@pytest.mark.usefixtures("sampling")
async def test_without_a_trace_a_new_one_begins() -> None:
    [sent] = await sent_on()

    trace_of(sent)
    assert state_of(sent) == ""


@pytest.mark.usefixtures("sampling")
@pytest.mark.parametrize(
    "headers",
    [
        [("traceparent", VALID)],
        [("TraceParent", VALID)],
        [("TrAcEpArEnT", VALID)],
        [("TRACEPARENT", VALID)],
        [("traceparent", f"cc-{TRACE}-{PARENT}-01")],
        [("traceparent", f"cc-{TRACE}-{PARENT}-01-what-the-future-will-be-like")],
        [("traceparent", f"01-{TRACE}-{PARENT}-ff-x")],
        [("traceparent", f" {VALID}")],
        [("traceparent", f"\t{VALID}")],
        [("traceparent", f"{VALID} ")],
        [("traceparent", f"{VALID}\t")],
        [("traceparent", f"\t {VALID} \t")],
    ],
)
async def test_a_trace_goes_on_below_a_new_parent(headers: list[tuple[str, str]]) -> None:
    [sent] = await sent_on(*headers)

    assert trace_of(sent) == TRACE
    assert sent["traceparent"][0].split("-")[2] != PARENT


@pytest.mark.usefixtures("sampling")
@pytest.mark.parametrize(
    "headers",
    [
        [("traceparent", f"00-{TRACE[:-1]}1-{PARENT}-01"), ("traceparent", VALID)],
        [("traceparent", VALID), ("traceparent", VALID)],
        [("trace-parent", VALID)],
        [("trace.parent", VALID)],
        *[
            [("traceparent", wrong)]
            for wrong in (
                f"{VALID}.",
                f"{VALID}-what-the-future-will-be-like",
                f"{VALID}-",
                f"cc-{TRACE}-{PARENT}-01.what-the-future-will-be-like",
                f"ff-{TRACE}-{PARENT}-01",
                f".0-{TRACE}-{PARENT}-01",
                f"0.-{TRACE}-{PARENT}-01",
                f"000-{TRACE}-{PARENT}-01",
                f"0000-{TRACE}-{PARENT}-01",
                f"0-{TRACE}-{PARENT}-01",
                f"00-{'0' * 32}-{PARENT}-01",
                f"00-.{TRACE[1:]}-{PARENT}-01",
                f"00-{TRACE[:-1]}.-{PARENT}-01",
                f"00-{'A' * 32}-{PARENT}-01",
                f"00-{TRACE}3-{PARENT}-01",
                f"00-{TRACE[:-1]}-{PARENT}-01",
                f"00-{TRACE}-{'0' * 16}-01",
                f"00-{TRACE}-.{PARENT[1:]}-01",
                f"00-{TRACE}-{PARENT[:-1]}.-01",
                f"00-{TRACE}-{PARENT}7-01",
                f"00-{TRACE}-{PARENT[:-1]}-01",
                f"00-{TRACE}-{PARENT}-.0",
                f"00-{TRACE}-{PARENT}-0.",
                f"00-{TRACE}-{PARENT}-001",
                f"00-{TRACE}-{PARENT}-1",
                f"{VALID},{VALID}",
            )
        ],
    ],
)
async def test_what_does_not_name_one_trace_begins_a_new_one(headers: list[tuple[str, str]]) -> None:
    [sent] = await sent_on(*headers, ("tracestate", "foo=1"))

    assert trace_of(sent)[1:-1] not in f"{TRACE} {TRACE}3 {'0' * 32} {'a' * 32}"
    assert state_of(sent) == ""


@pytest.mark.usefixtures("sampling")
@pytest.mark.parametrize(
    ("lines", "state"),
    [
        (["foo=1,bar=2"], "foo=1,bar=2"),
        ([""], ""),
        (["foo=1", ""], "foo=1"),
        (["", "foo=1"], "foo=1"),
        (["foo=1,bar=2", "rojo=1,congo=2", "baz=3"], "foo=1,bar=2,rojo=1,congo=2,baz=3"),
        ([f"{KEY}={VALUE}"], f"{KEY}={VALUE}"),
        ([f"{KEY}@a-z0-9_-*/={VALUE}"[:512]], f"{KEY}@a-z0-9_-*/={VALUE}"),
        (["foo=1 \t , \t bar=2, \t baz=3"], "foo=1,bar=2,baz=3"),
        (["foo=1\t \t,\t \tbar=2,\t \tbaz=3"], "foo=1,bar=2,baz=3"),
        ([" foo=1"], "foo=1"),
        (["\tfoo=1"], "foo=1"),
        (["foo=1 "], "foo=1"),
        (["foo=1\t"], "foo=1"),
        (["\t foo=1 \t"], "foo=1"),
        ([",".join(MEMBERS[:10]), ",".join(MEMBERS[10:20]), ",".join(MEMBERS[20:32])], ",".join(MEMBERS[:32])),
        (["foo=1", "z" * 256 + "=1"], "foo=1," + "z" * 256 + "=1"),
        (["foo=1", "t" * 241 + "@" + "v" * 14 + "=1"], "foo=1," + "t" * 241 + "@" + "v" * 14 + "=1"),
    ],
)
async def test_a_tracestate_goes_on_as_it_came(lines: list[str], state: str) -> None:
    for name in ("tracestate", "TraceState", "TrAcEsTaTe", "TRACESTATE"):
        [sent] = await sent_on(("traceparent", VALID), *[(name, line) for line in lines])

        assert (trace_of(sent), state_of(sent)) == (TRACE, state)


@pytest.mark.usefixtures("sampling")
@pytest.mark.parametrize(
    "lines",
    [
        ["foo=1,foo=1"],
        ["foo=1,foo=2"],
        ["foo=1", "foo=1"],
        ["foo=1", "foo=2"],
        ["foo =1"],
        ["FOO=1"],
        ["foo.bar=1"],
        ["foo@=1,bar=2"],
        ["@foo=1,bar=2"],
        ["foo@@bar=1,bar=2"],
        ["foo@bar@baz=1,bar=2"],
        [",".join(MEMBERS[:20]), ",".join(MEMBERS[20:])],
        ["foo=1", "z" * 257 + "=1"],
        ["foo=1", "t" * 242 + "@v=1"],
        ["foo=1", "t@" + "v" * 15 + "=1"],
        ["foo=bar=baz"],
        ["foo=,bar=3"],
        ["foo=1", "bar=" + "x" * 256, "baz=" + "x" * 255],
        ["foo=é"],
    ],
)
async def test_a_tracestate_that_is_none_is_left_out_and_the_trace_goes_on(lines: list[str]) -> None:
    [sent] = await sent_on(("traceparent", VALID), *[("tracestate", line) for line in lines])

    assert (trace_of(sent), state_of(sent)) == (TRACE, "")


@pytest.mark.usefixtures("sampling")
@pytest.mark.parametrize("name", ["trace-state", "trace.state"])
async def test_a_header_of_another_name_is_no_tracestate(name: str) -> None:
    [sent] = await sent_on(("traceparent", VALID), (name, "foo=1"))

    assert state_of(sent) == ""


@pytest.mark.usefixtures("sampling")
async def test_a_tracestate_without_a_trace_is_left_out() -> None:
    states = [state_of((await sent_on(("tracestate", line)))[0]) for line in ("foo=1", "foo=1,bar=2")]

    assert states == ["", ""]


@pytest.mark.usefixtures("sampling")
@pytest.mark.parametrize("traceparent", [VALID, "", f"00-{'0' * 32}-{PARENT}-01"])
async def test_several_calls_of_one_request_are_parts_of_their_own_in_one_trace(traceparent: str) -> None:
    headers = [("traceparent", traceparent), ("tracestate", "foo=1")] if traceparent else []

    sent = await sent_on(*headers, calls=3)

    [trace] = {trace_of(each) for each in sent}
    assert (trace == TRACE) is (traceparent == VALID)
    assert trace != "0" * 32
    assert len({each["traceparent"][0].split("-")[2] for each in sent}) == 3
    assert {state_of(each) for each in sent} == {"foo=1" if traceparent == VALID else ""}


@pytest.mark.usefixtures("sampling")
@pytest.mark.parametrize(("flags", "known"), [("00", 0), ("01", 0), ("02", 2), ("03", 2), ("fe", 2), ("fd", 0)])
async def test_a_flag_that_says_that_the_id_is_random_goes_on_and_unknown_ones_do_not(flags: str, known: int) -> None:
    [sent] = await sent_on(("traceparent", f"00-{TRACE}-{PARENT}-{flags}"))

    assert int(sent["traceparent"][0].split("-")[3], 16) & ~1 == known


async def test_a_trusted_callers_decision_to_record_goes_on(sampling: float) -> None:
    for flags in ("00", "01"):
        [sent] = await sent_on(("traceparent", f"00-{TRACE}-{PARENT}-{flags}"), trust_callers=True)
        assert sent["traceparent"][0].endswith(f"-{flags}"), sampling
