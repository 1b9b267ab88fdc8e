"""The export of spans, including those of the database driver and redis. Imported only if traces are on."""

import os
import uuid
from importlib.metadata import PackageNotFoundError, version

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor
from opentelemetry.instrumentation.redis import RedisInstrumentor
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased

_EXPORT_TIMEOUT_S = 3.0
_EXPORT_DELAY_MS = 1000


class SpanExport:
    """The export of spans to a collector. `traces_url` is its address; empty: OTEL_EXPORTER_OTLP_* say."""

    def __init__(self, service: str, traces_url: str) -> None:
        own = {
            "service.name": service,
            "service.namespace": "quoteway",
            "service.version": _version(),
            "service.instance.id": str(uuid.uuid4()),
        }
        resource = Resource(own).merge(OTELResourceDetector().detect())
        timeout_s = None if os.environ.get("OTEL_EXPORTER_OTLP_TIMEOUT") else _EXPORT_TIMEOUT_S
        delay_ms = None if os.environ.get("OTEL_BSP_SCHEDULE_DELAY") else _EXPORT_DELAY_MS
        exporter = OTLPSpanExporter(traces_url or None, timeout=timeout_s)
        self._processor = BatchSpanProcessor(exporter, schedule_delay_millis=delay_ms)
        # What reaches our tracer is sampled already, by `shared.telemetry.tracing`. A library's span is recorded only
        # below one of ours: polling makes no traces.
        ours, theirs = (
            TracerProvider(resource=resource, sampler=sampler, shutdown_on_exit=False)
            for sampler in (ALWAYS_ON, ParentBased(root=ALWAYS_OFF))
        )
        for provider in (ours, theirs):
            provider.add_span_processor(self._processor)
        self.tracer = ours.get_tracer("quoteway", _version())
        self._libraries = (PsycopgInstrumentor(), RedisInstrumentor())
        for library in self._libraries:
            library.instrument(tracer_provider=theirs)

    def stop(self) -> None:
        """Export the remaining spans, and stop."""
        for library in self._libraries:
            library.uninstrument()
        self._processor.shutdown()  # type: ignore[no-untyped-call] # its package says that it is typed


def _version() -> str:
    try:
        return version("quoteway")
    except PackageNotFoundError:
        return "unknown"
