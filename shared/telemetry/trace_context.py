"""The trace that a request came in with: W3C's `traceparent` and `tracestate`, as OpenTelemetry reads them.

Imported only where requests are traced. https://www.w3.org/TR/trace-context-2/
"""

import logging
from collections.abc import Iterable
from typing import NamedTuple

from opentelemetry.trace import SpanContext, TraceFlags, TraceState, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_KNOWN_FLAGS = 0x03  # recorded, and with a random id: of others we do not know what they say
# As much as everybody hands on (3.3.1.5). More than that we would send to vendors, whose own bounds we do not know.
TRACESTATE_MAX = 512
_PROPAGATOR = TraceContextTextMapPropagator()
# They quote what they do not understand, at every request and from anyone.
for _quoting in ("opentelemetry.trace.span", "opentelemetry.trace.propagation.tracecontext"):
    logging.getLogger(_quoting).setLevel(logging.ERROR)


class TraceContext(NamedTuple):
    """A place in a trace, as it is handed on. `tracestate` belongs to others: it goes on as it came."""

    traceparent: str
    tracestate: str = ""

    @property
    def trace_id(self) -> str:
        """The trace, 32 hexadecimal digits."""
        return self.traceparent[3:35]

    @property
    def flags(self) -> int:
        """Its flags: whether it is recorded, and whether its id is random."""
        return int(self.traceparent[53:55], 16)

    def span_context(self) -> SpanContext:
        """Return the same for OpenTelemetry, as of something that is recorded."""
        return SpanContext(
            int(self.trace_id, 16),
            int(self.traceparent[36:52], 16),
            is_remote=True,
            trace_flags=TraceFlags(TraceFlags.SAMPLED),
            trace_state=TraceState.from_header([self.tracestate]) if self.tracestate else None,
        )


def trace_context(trace_id: int, span_id: int, flags: int, tracestate: str = "") -> TraceContext:
    """Return a place in a trace, in the version that we speak."""
    return TraceContext(f"00-{trace_id:032x}-{span_id:016x}-{flags & _KNOWN_FLAGS:02x}", tracestate)


def arrived_context(headers: Iterable[tuple[bytes, bytes]]) -> TraceContext | None:
    """Return the trace that a request's headers say it belongs to; None where they say none, or not which."""
    parents: list[str] = []
    states: list[str] = []
    for name, value in headers:
        if name == b"traceparent":
            parents.append(value.decode("latin-1"))
        elif name == b"tracestate":
            states.append(value.decode("latin-1"))
    if len(parents) != 1:
        return None
    context = _PROPAGATOR.extract({"traceparent": parents, "tracestate": states})
    found = get_current_span(context).get_span_context()
    if not found.is_valid:
        return None
    state = found.trace_state.to_header()
    return trace_context(
        found.trace_id, found.span_id, int(found.trace_flags), state if len(state) <= TRACESTATE_MAX else ""
    )
