"""The trace context of a request: W3C's `traceparent` and `tracestate`, as OpenTelemetry reads them.

Imported only where requests are traced. https://www.w3.org/TR/trace-context-2/
"""

import logging
from collections.abc import Iterable
from typing import NamedTuple

from opentelemetry.trace import SpanContext, TraceFlags, TraceState, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_KNOWN_FLAGS = 0x03  # recorded, and with a random id: the meaning of other flags is unknown
# The length that everybody must propagate (3.3.1.5). More would go to vendors, whose own limits we do not know.
TRACESTATE_MAX = 512
_PROPAGATOR = TraceContextTextMapPropagator()
# They log what they cannot parse, at every request and from anyone.
for _quoting in ("opentelemetry.trace.span", "opentelemetry.trace.propagation.tracecontext"):
    logging.getLogger(_quoting).setLevel(logging.ERROR)


class TraceContext(NamedTuple):
    """A position in a trace. `tracestate` belongs to others and is passed on unchanged."""

    traceparent: str
    tracestate: str = ""

    @property
    def trace_id(self) -> str:
        """The trace's id, 32 hexadecimal digits."""
        return self.traceparent[3:35]

    @property
    def flags(self) -> int:
        """Its flags: whether it is recorded, and whether its id is random."""
        return int(self.traceparent[53:55], 16)

    def span_context(self) -> SpanContext:
        """Return the position for OpenTelemetry, as one that is recorded."""
        return SpanContext(
            int(self.trace_id, 16),
            int(self.traceparent[36:52], 16),
            is_remote=True,
            trace_flags=TraceFlags(TraceFlags.SAMPLED),
            trace_state=TraceState.from_header([self.tracestate]) if self.tracestate else None,
        )


def trace_context(trace_id: int, span_id: int, flags: int, tracestate: str = "") -> TraceContext:
    """Return a position in a trace, in the supported version."""
    return TraceContext(f"00-{trace_id:032x}-{span_id:016x}-{flags & _KNOWN_FLAGS:02x}", tracestate)


def arrived_context(headers: Iterable[tuple[bytes, bytes]]) -> TraceContext | None:
    """Return the trace context in a request's headers; None if there is none, or it is invalid."""
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
