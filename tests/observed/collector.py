"""An OpenTelemetry collector, as far as tests need one: it takes OTLP over HTTP and keeps the spans."""

import gzip
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tests.patience import HANG_S


@dataclass(frozen=True)
class Received:
    """A span as it was exported."""

    service: str
    trace_id: str
    span_id: str
    parent_id: str
    name: str
    kind: str
    begun: int
    failed: bool
    attributes: dict[str, Any]
    links: list[str]
    resource: dict[str, Any]

    @property
    def code(self) -> str:
        """The function that it stands for."""
        return str(self.attributes.get("code.function.name", ""))


@dataclass
class Collector:
    """Receives on a free port of the loopback interface."""

    spans: list[Received] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    _server: ThreadingHTTPServer = field(init=False)

    def __enter__(self) -> Self:
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                right = self.path == "/v1/traces"
                if right:
                    collector.take(body)
                answer = ExportTraceServiceResponse().SerializeToString()
                self.send_response(200 if right else 404)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_arguments: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """What QUOTEWAY_OTLP_URL is set to."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def take(self, body: bytes) -> None:
        """Keep what an export request holds."""
        self.bodies.append(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            about = {each.key: _value(each.value) for each in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.spans += [_received(about, span) for span in scope.spans]

    def trace(self, trace_id: str) -> list[Received]:
        """The spans of a trace, in the order in which they began."""
        return sorted((span for span in list(self.spans) if span.trace_id == trace_id), key=lambda span: span.begun)

    def wait_for(self, wanted: Callable[[Received], bool], timeout_s: float = HANG_S) -> Received:
        """A span that is wanted, as soon as it has come in."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            found = next((span for span in list(self.spans) if wanted(span)), None)
            if found is not None:
                return found
            time.sleep(0.05)
        raise AssertionError(f"no such span among {sorted({span.name for span in self.spans})}")


def _received(resource: dict[str, Any], span: Any) -> Received:
    return Received(
        service=str(resource["service.name"]),
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        name=span.name,
        kind=str(span.SpanKind.Name(span.kind)).removeprefix("SPAN_KIND_").lower(),
        begun=span.start_time_unix_nano,
        failed=span.status.code == 2,
        attributes={each.key: _value(each.value) for each in span.attributes},
        links=[link.trace_id.hex() for link in span.links],
        resource=resource,
    )


def _value(value: Any) -> Any:
    return getattr(value, value.WhichOneof("value"))
