"""Traces: one order through all tiers and the worker, as one tree of spans (OpenTelemetry).

A span has the name of the function that it measures, so that a trace reads like the list "Submit order, in seven
files". The trace context is passed on as W3C's `traceparent`, on every request that leaves and, stored with it, into a
flow. `tracestate` is passed on too, but never stored: it is a text from outside.

If tracing is off (no collector is set), nothing of OpenTelemetry is imported, and a span costs one check. For unsampled
requests only the decision travels on; no span is made. Attributes hold ids and codes, never a name, a text from
outside, or an error's message, which may quote somebody.
"""

import functools
import inspect
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextvars import ContextVar, Token
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self, TypeVar

from shared.telemetry.otel_environment import names_collector, sampling

if TYPE_CHECKING:  # imported only if tracing is on: see `_Tracing`
    from shared.telemetry.trace_context import TraceContext

Kind = Literal["internal", "server", "client", "consumer"]
Attributes = Mapping[str, str | int | bool]
T = TypeVar("T", bound=type)
_SAMPLED, _RANDOM = 0x01, 0x02


class Span(Protocol):
    """A span, or a stand-in that records nothing. Use it with `with`."""

    @property
    def recorded(self) -> bool:
        """Whether it is recorded."""

    def __enter__(self) -> Self:
        """Start it: spans started inside become its children."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End it; after an exception it has failed."""

    def rename(self, name: str) -> None:
        """Change its name, once more is known."""

    def note(self, attributes: Attributes) -> None:
        """Add attributes."""

    def fail(self, code: str) -> None:
        """Mark it as failed, with a stable word as the reason."""


class _NoSpan:
    """The stand-in if nothing is traced."""

    __slots__ = ()
    recorded = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        return None

    def rename(self, _name: str) -> None:
        """Do nothing."""

    def note(self, _attributes: Attributes) -> None:
        """Do nothing."""

    def fail(self, _code: str) -> None:
        """Do nothing."""


class _Unsampled(_NoSpan):
    """The stand-in for a request that is not recorded. The decision holds for everything that it causes."""

    __slots__ = ("_before", "_flags", "_trace_id", "tracestate")

    def __init__(self, arrived: "TraceContext | None") -> None:
        self._trace_id = arrived.trace_id if arrived is not None else f"{random.getrandbits(128) or 1:032x}"
        self._flags = arrived.flags & _RANDOM if arrived is not None else 0
        self.tracestate = arrived.tracestate if arrived is not None else ""

    @property
    def traceparent(self) -> str:
        """Another one each time: what it causes are parts of their own."""
        return f"00-{self._trace_id}-{random.getrandbits(64) or 1:016x}-{self._flags:02x}"

    def __enter__(self) -> Self:
        self._before = _here.set(self)
        return self

    def __exit__(self, *_error: object) -> None:
        _here.reset(self._before)


class _RecordedSpan:
    """A span that OpenTelemetry records and exports."""

    __slots__ = ("_attached", "_before", "_span", "context")
    recorded = True

    def __init__(self, span: Any, context: "TraceContext") -> None:
        self._span = span
        self.context = context
        self._before: Token[_Here] | None = None
        self._attached: Any = None

    def __enter__(self) -> Self:
        from opentelemetry import context, trace

        self._before = _here.set(self)
        # The spans of the database driver and of redis find their parent here.
        self._attached = context.attach(trace.set_span_in_context(self._span))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, *_: object) -> None:
        if self._before is not None:
            from opentelemetry import context

            context.detach(self._attached)
            _here.reset(self._before)
        if kind is not None:
            self.fail(str(getattr(error, "slug", kind.__name__)))
        self._span.end()

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def note(self, attributes: Attributes) -> None:
        self._span.set_attributes(dict(attributes))

    def fail(self, code: str) -> None:
        from opentelemetry.trace import StatusCode

        self._span.set_attribute("error.type", code)
        self._span.set_status(StatusCode.ERROR)


class _Tracing:
    """The tracer while tracing is on."""

    def __init__(self, service: str, otlp_url: str, sampling_ratio: float) -> None:
        from shared.telemetry import trace_context
        from shared.telemetry.span_export import SpanExport

        self._trace_context = trace_context
        self.arrived = trace_context.arrived_context
        self.sampling = sampling(sampling_ratio)
        self._export = SpanExport(service, "" if names_collector() else f"{otlp_url.rstrip('/')}/v1/traces")
        self._tracer = self._export.tracer

    def begin(
        self, name: str, kind: Kind, parent: "TraceContext | None", attributes: Attributes, links: tuple[str, ...] = ()
    ) -> _RecordedSpan:
        """Return a recorded span below `parent`; without one it starts a trace. `links` are traceparents."""
        from opentelemetry import trace

        context = trace.set_span_in_context(trace.NonRecordingSpan(parent.span_context())) if parent else None
        span = self._tracer.start_span(
            name,
            context=context,
            kind=trace.SpanKind[kind.upper()],
            attributes=dict(attributes),
            links=[trace.Link(self.stored(link).span_context()) for link in links],
            record_exception=False,
            set_status_on_exception=False,
        )
        of_span, flags = span.get_span_context(), parent.flags if parent is not None else 0
        state = parent.tracestate if parent is not None else ""
        here = self._trace_context.trace_context(of_span.trace_id, of_span.span_id, flags | _SAMPLED, state)
        return _RecordedSpan(span, here)

    def stored(self, traceparent: str) -> "TraceContext":
        """Return the trace context that `recorded_traceparent` returned."""
        return self._trace_context.TraceContext(traceparent)

    def stop(self) -> None:
        """Export the remaining spans, and stop."""
        self._export.stop()


_Here = _RecordedSpan | _Unsampled | None
_NO_SPAN = _NoSpan()
_NOTHING: Attributes = MappingProxyType({})
_here: ContextVar[_Here] = ContextVar("trace_position", default=None)
_tracing: _Tracing | None = None


def start_tracing(service: str, otlp_url: str, sampling_ratio: float) -> None:
    """Record and export spans from now on, those of the database driver and of redis among them.

    `otlp_url` is a collector's OTLP/HTTP address, without /v1/traces. The specification's OTEL_* variables come first.
    Raises ValueError if one of them is wrong.
    """
    global _tracing  # noqa: PLW0603 a process is traced as a whole, or not at all
    _tracing = _Tracing(service, otlp_url, sampling_ratio)


def stop_tracing() -> None:
    """Export the remaining spans, and stop tracing."""
    global _tracing  # noqa: PLW0603 see above
    if _tracing is not None:
        _tracing.stop()
    _tracing = None


def tracing_is_on() -> bool:
    """Return whether this process records spans."""
    return _tracing is not None


def current_traceparent() -> str:
    """Return the current trace context (W3C `traceparent`), for new work; empty if there is none."""
    return current_trace_headers().get("traceparent", "")


def current_trace_headers() -> dict[str, str]:
    """Return the current trace context as request headers; none if nothing is traced."""
    here = _here.get()
    if here is None:
        return {}
    parent, state = here.context if isinstance(here, _RecordedSpan) else (here.traceparent, here.tracestate)
    return {"traceparent": parent, "tracestate": state} if state else {"traceparent": parent}


def recorded_traceparent() -> str | None:
    """Return the current trace context if the trace is recorded, for storage: others are not worth storing."""
    here = _here.get()
    return here.context.traceparent if isinstance(here, _RecordedSpan) else None


def current_trace_id() -> str:
    """Return the current trace's id, 32 hexadecimal digits; empty if there is none."""
    return current_traceparent()[3:35]


def span(name: str, kind: Kind = "internal", attributes: Attributes = _NOTHING) -> Span:
    """Return a span around a part of the current work; a stand-in if that is not recorded."""
    if _tracing is None:
        return _NO_SPAN
    here = _here.get()
    if not isinstance(here, _RecordedSpan):
        return _NO_SPAN
    return _tracing.begin(name, kind, here.context, attributes)


def resumed_span(
    name: str, traceparent: str | None, *, links: tuple[str, ...] = (), attributes: Attributes = _NOTHING
) -> Span:
    """Return a span of work that outlived its request, in that request's trace.

    `traceparent` is what recorded_traceparent returned then; None: that request was not recorded, and neither is this.
    `links` are traceparents of other requests that contributed.
    """
    if _tracing is None or traceparent is None:
        return _NO_SPAN
    return _tracing.begin(name, "consumer", _tracing.stored(traceparent), attributes, links)


def traced(kind: Kind = "internal") -> Callable[[T], T]:
    """Decorate a class: each public asynchronous method becomes a span of its name."""

    def decorate(cls: T) -> T:
        for name, method in list(vars(cls).items()):
            if not name.startswith("_") and name not in {"close", "ready"} and inspect.iscoroutinefunction(method):
                setattr(cls, name, _in_span(name, f"{cls.__module__}.{cls.__qualname__}.{name}", kind, method))
        return cls

    return decorate


def request_span(
    name: str, headers: Iterable[tuple[bytes, bytes]], attributes: Attributes, *, trust_caller: bool
) -> Span:
    """Return a span for a request: in its caller's trace or a new one, recorded or not.

    `trust_caller`: whether the caller may decide that it is recorded.
    """
    if _tracing is None:
        return _NO_SPAN
    parent = _tracing.arrived(headers)
    ratio, follows_caller = _tracing.sampling
    if parent is not None and trust_caller and follows_caller:
        recorded = parent.flags & _SAMPLED == _SAMPLED
    else:
        recorded = random.random() < ratio  # noqa: S311 no secret
    if not recorded:
        return _Unsampled(parent)
    return _tracing.begin(name, "server", parent, attributes)


def _in_span(name: str, code: str, kind: Kind, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(method)
    async def in_span(*arguments: Any, **named: Any) -> Any:
        if _tracing is None:
            return await method(*arguments, **named)
        with span(name, kind, {"code.function.name": code}):
            return await method(*arguments, **named)

    return in_span
