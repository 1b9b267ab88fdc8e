"""A process's telemetry: log lines, traces (shared.telemetry.tracing) and metrics (shared.telemetry.metrics).

A correlation id follows a request through all tiers and is stored with the flow that it starts. It ties log lines,
spans and audit entries together, whether a trace is recorded or not.
"""

import json
import logging
import os
import re
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from shared.settings import LogLevel
from shared.telemetry.metrics import serve_metrics
from shared.telemetry.otel_environment import tracing_is_wanted
from shared.telemetry.tracing import current_trace_id, start_tracing

_SAFE = re.compile(r"^[A-Za-z0-9._-]{8,64}$")
_correlation_id: ContextVar[str] = ContextVar("correlation_id", default="")


class TelemetrySettings(msgspec.Struct, frozen=True, kw_only=True):
    """The telemetry settings of every process."""

    log_level: LogLevel = "INFO"
    otlp_url: Annotated[
        str,
        Meta(
            pattern="^(https?://.+)?$",
            description="an OpenTelemetry collector's OTLP/HTTP address, without /v1/traces; no traces where empty. "
            "OTEL_EXPORTER_OTLP_ENDPOINT and the specification's other OTEL_* variables come first",
        ),
    ] = ""
    trace_sampling: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="the share of requests that is traced, where no caller has decided; OTEL_TRACES_SAMPLER comes "
            "first",
        ),
    ] = 0.01
    metrics_host: Annotated[str, Meta(description="the address on which Prometheus is answered")] = "127.0.0.1"
    metrics_port: Annotated[
        int,
        Meta(
            ge=-1,
            le=65535,
            description="the port on which Prometheus is answered, another for each process; 0 takes a free one and "
            "says which, -1 answers nowhere",
        ),
    ] = -1


def start_telemetry(settings: TelemetrySettings, service: str) -> dict[str, str]:
    """Start logging, and tracing and metrics if they are set. Returns the additions to the process's ready line.

    Call it before the application is made: policies that are switched off are not even put into the chain. If the
    metrics' port is taken, the process exits with status 2 and says why.
    """
    log_to_stderr(settings.log_level)
    if tracing_is_wanted(settings.otlp_url):
        try:
            start_tracing(service, settings.otlp_url, settings.trace_sampling)
        except ValueError as error:
            sys.stderr.write(f"{service} cannot start: {error}\n")
            sys.exit(2)
    if settings.metrics_port < 0:
        return {}
    try:
        return {"metricsUrl": serve_metrics(settings.metrics_host, settings.metrics_port)}
    except OSError as error:
        sys.stderr.write(
            f"{service} cannot start: its metrics cannot be served on {settings.metrics_host} port "
            f"{settings.metrics_port} ({error.strerror}). Set QUOTEWAY_METRICS_PORT to another one for each process.\n"
        )
        sys.exit(2)


def current_correlation_id() -> str:
    """Return the id of the request or flow at work; a new one where there is none."""
    return _correlation_id.get() or set_correlation_id(None)


def set_correlation_id(proposed: str | None) -> str:
    """Accept a caller's id if it is harmless (8 to 64 letters, digits, `.`, `_`, `-`), else make a new one."""
    accepted = proposed if proposed and _SAFE.fullmatch(proposed) else os.urandom(16).hex()
    _correlation_id.set(accepted)
    return accepted


class JsonLines(logging.Formatter):
    """Formats a log record as one line of JSON, with the correlation id."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "correlationId": _correlation_id.get() or None,
        }
        trace_id = current_trace_id()
        if trace_id:
            line["traceId"] = trace_id
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line)


def log_to_stderr(level: str = "INFO") -> None:
    """Send every log record of the process to standard error, a JSON object a line."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for noisy in ("httpx", "httpcore", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
