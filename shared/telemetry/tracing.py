"""Traces: what became of one order, through all tiers and the worker, as one tree of spans (OpenTelemetry).

A span carries the name of the function that it stands for, so that a trace reads like the list "Submit order, in seven
files". The trace context goes on in W3C's `traceparent`, on every request that leaves and, stored with it, into a flow.
`tracestate` goes on too, but into no flow: it is a text from outside, and those are stored nowhere.

Off (no collector is set) nothing of OpenTelemetry is imported, and a span costs one look whether it is on. Of what is
not sampled only the decision travels on: no span is made for it. Attributes hold ids and codes, never a name or a text
that came from outside, and no message of an error: it may quote somebody.
"""

import functools
import inspect
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextvars import ContextVar, Token
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self, TypeVar

from shared.telemetry.otel_environment import names_collector, sampling

if TYPE_CHECKING:  # imported where something is traced: see `_Tracing`
    from shared.telemetry.trace_context import TraceContext

Kind = Literal["internal", "server", "client", "consumer"]
Attributes = Mapping[str, str | int | bool]
T = TypeVar("T", bound=type)
_SAMPLED, _RANDOM = 0x01, 0x02


class Span(Protocol):
    """A span, or nothing that looks like one. Use it with `with`."""

    @property
    def recorded(self) -> bool:
        """Whether anybody will see it."""

    def __enter__(self) -> Self:
        """Begin it: what is begun inside becomes its child."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End it; one that an error ends has failed."""

    def rename(self, name: str) -> None:
        """Give it the name that it turned out to deserve."""

    def note(self, attributes: Attributes) -> None:
        """Add attributes."""

    def fail(self, code: str) -> None:
        """Mark it as failed, with a stable word for why."""


class _NoSpan:
    """What is not traced."""

    __slots__ = ()
    recorded = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        return None

    def rename(self, _name: str) -> None:
        """Nothing has a name here."""

    def note(self, _attributes: Attributes) -> None:
        """Nothing is kept."""

    def fail(self, _code: str) -> None:
        """Nothing is kept."""


class _Unsampled(_NoSpan):
    """A request whose trace nobody records. The decision holds for everything that it causes."""

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
    """OpenTelemetry at work."""

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
        """Return a recorded span below `parent`; without one it begins a trace. `links` are traceparents."""
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
        """Return the place in a trace that `recorded_traceparent` said."""
        return self._trace_context.TraceContext(traceparent)

    def stop(self) -> None:
        """Export what is left, and end."""
        self._export.stop()


_Here = _RecordedSpan | _Unsampled | None
_NO_SPAN = _NoSpan()
_NOTHING: Attributes = MappingProxyType({})
_here: ContextVar[_Here] = ContextVar("trace_position", default=None)
_tracing: _Tracing | None = None


def start_tracing(service: str, otlp_url: str, sampling_ratio: float) -> None:
    """Record and export spans from now on, those of the database driver and of redis among them.

    `otlp_url`: a collector's OTLP/HTTP address, without /v1/traces. The specification's OTEL_* variables come first.
    Raises ValueError where one of them is wrong.
    """
    global _tracing  # noqa: PLW0603 a process is traced as a whole, or not at all
    _tracing = _Tracing(service, otlp_url, sampling_ratio)


def stop_tracing() -> None:
    """Export what is left, and trace no more."""
    global _tracing  # noqa: PLW0603 see above
    if _tracing is not None:
        _tracing.stop()
    _tracing = None


def tracing_is_on() -> bool:
    """Return whether this process records spans."""
    return _tracing is not None


def current_traceparent() -> str:
    """Return the trace context of the work at hand (W3C `traceparent`), for whatever it causes; empty where none is."""
    return current_trace_headers().get("traceparent", "")


def current_trace_headers() -> dict[str, str]:
    """Return the headers with which a request that leaves now belongs to the work at hand; none where nothing is
    traced.
    """
    here = _here.get()
    if here is None:
        return {}
    parent, state = here.context if isinstance(here, _RecordedSpan) else (here.traceparent, here.tracestate)
    return {"traceparent": parent, "tracestate": state} if state else {"traceparent": parent}


def recorded_traceparent() -> str | None:
    """As current_traceparent, but only of a trace that is recorded: what is stored is worth a row's place only then."""
    here = _here.get()
    return here.context.traceparent if isinstance(here, _RecordedSpan) else None


def current_trace_id() -> str:
    """Return the id of the trace at hand, 32 hexadecimal digits; empty where there is none."""
    return current_traceparent()[3:35]


def span(name: str, kind: Kind = "internal", attributes: Attributes = _NOTHING) -> Span:
    """Return a span around a part of the work at hand: nothing, unless that is being recorded."""
    if _tracing is None:
        return _NO_SPAN
    here = _here.get()
    if not isinstance(here, _RecordedSpan):
        return _NO_SPAN
    return _tracing.begin(name, kind, here.context, attributes)


def resumed_span(
    name: str, traceparent: str | None, *, links: tuple[str, ...] = (), attributes: Attributes = _NOTHING
) -> Span:
    """Return a span of work that outlived the request that caused it, in that request's trace.

    `traceparent` is what recorded_traceparent said then; None: that request was not recorded, and neither is this.
    `links`: traceparents of other requests that had a part in it.
    """
    if _tracing is None or traceparent is None:
        return _NO_SPAN
    return _tracing.begin(name, "consumer", _tracing.stored(traceparent), attributes, links)


def traced(kind: Kind = "internal") -> Callable[[T], T]:
    """Return a class whose public asynchronous methods each are a span of their name."""

    def decorate(cls: T) -> T:
        for name, method in list(vars(cls).items()):
            if not name.startswith("_") and name not in {"close", "ready"} and inspect.iscoroutinefunction(method):
                setattr(cls, name, _in_span(name, f"{cls.__module__}.{cls.__qualname__}.{name}", kind, method))
        return cls

    return decorate


def request_span(
    name: str, headers: Iterable[tuple[bytes, bytes]], attributes: Attributes, *, trust_caller: bool
) -> Span:
    """Return a span of a request that came in with these headers: in its caller's trace, or a new one, and recorded or
    not.

    `trust_caller`: whether the caller's word, that it is to be recorded, counts.
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
