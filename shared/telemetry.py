"""What ties one request's traces and log lines together: the correlation id.

A correlation id follows a request through all tiers and is stored with the flow that it starts.
"""

import json
import logging
import re
import sys
import uuid
from contextvars import ContextVar
from datetime import UTC, datetime

_SAFE = re.compile(r"^[A-Za-z0-9._-]{8,64}$")
_correlation_id: ContextVar[str] = ContextVar("correlation_id", default="")


def current_correlation_id() -> str:
    """The id of the request or flow at work; a new one where there is none."""
    return _correlation_id.get() or set_correlation_id(None)


def set_correlation_id(proposed: str | None) -> str:
    """Take over a caller's id if it is harmless (8 to 64 letters, digits, `.`, `_`, `-`), else make a new one."""
    accepted = proposed if proposed and _SAFE.fullmatch(proposed) else uuid.uuid4().hex
    _correlation_id.set(accepted)
    return accepted


class JsonLines(logging.Formatter):
    """A log record as one line of JSON, with the correlation id."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "correlationId": _correlation_id.get() or None,
        }
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
