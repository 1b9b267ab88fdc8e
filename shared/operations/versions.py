"""A tier's published versions, and how callers learn that a version or an operation will end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from email.utils import format_datetime
from functools import cached_property
from typing import Any

from litestar import Request, Router
from litestar.types import ASGIApp, ControllerRouterHandler, Message, Receive, Scope, Send

from shared.operations.chain import matched_operation

_OPT_KEY = "quoteway_version"


@dataclass(frozen=True)
class Retirement:
    """The deprecation date (RFC 9745), the end (RFC 8594) and the replacement of a version or operation."""

    deprecation: date
    sunset: date | None = None
    successor: str = ""

    @cached_property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """Both dates as headers; computed once, since every answer has them."""
        found = [(b"deprecation", f"@{int(_midnight(self.deprecation).timestamp())}".encode())]
        if self.sunset is not None:
            found.append((b"sunset", format_datetime(_midnight(self.sunset), usegmt=True).encode()))
        return found

    def warning(self, what: str) -> str:
        """Return a sentence for the caller, for the bodies of tiers whose clients do not see headers."""
        end = f" and ends on {self.sunset.isoformat()}" if self.sunset else ""
        instead = f"Move to {self.successor}." if self.successor else "Move to a newer one."
        return f"This {what} is deprecated since {self.deprecation.isoformat()}{end}. {instead}"


@dataclass(frozen=True)
class Version:
    """A published version: its handlers, the number of its document, and its retirements.

    `retirements`, by operation id, are those that a newer version replaces while the others stay. `deprecation` and
    `sunset` end the version as a whole.
    """

    handlers: Sequence[ControllerRouterHandler]
    number: str = "1.0.0"
    retirements: Mapping[str, Retirement] = field(default_factory=dict)
    deprecation: date | None = None
    sunset: date | None = None

    def retirement_of(self, operation_id: str) -> Retirement | None:
        """Return the retirement of an operation, else that of its version; None if it stays."""
        return self.retirements.get(operation_id) or self._whole()

    def warnings(self, operation_id: str) -> list[str]:
        """Return the warnings for a caller of an operation."""
        own, whole = self.retirements.get(operation_id), self._whole()
        if own is not None:
            return [own.warning("operation")]
        return [whole.warning("version")] if whole is not None else []

    def _whole(self) -> Retirement | None:
        return Retirement(self.deprecation, self.sunset) if self.deprecation is not None else None


def mount(version: Version) -> Router:
    """Return the version's handlers; `announce_version` adds the headers to their answers."""
    return Router("/", route_handlers=version.handlers, opt={_OPT_KEY: version})


def version_of(opt: Mapping[str, Any]) -> Version | None:
    """Return the version that a handler belongs to; None if it has none, such as health."""
    version: Version | None = opt.get(_OPT_KEY)
    return version


def warnings_for(request: Request[Any, Any, Any]) -> list[str]:
    """Return the warnings to put into the answer to `request`."""
    handler = request.route_handler
    version: Version = handler.opt[_OPT_KEY]
    return version.warnings(str(handler.operation_id))


def announce_version(app: ASGIApp) -> ASGIApp:
    """Inbound policy: add the retirement headers to every answer, problems included."""

    async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
        operation = matched_operation(scope)
        version = version_of(operation.handler.opt) if operation is not None else None
        retirement = version.retirement_of(operation.operation_id) if operation and version else None
        if retirement is None:
            await app(scope, receive, send)
            return
        headers = retirement.headers

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *headers]
            await send(message)

        await app(scope, receive, send_with_headers)

    return middleware


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)
