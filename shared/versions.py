"""A tier's published versions, and how callers learn that one of them will end."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from email.utils import format_datetime
from typing import Any

from litestar import Request, Router
from litestar.types import ASGIApp, ControllerRouterHandler, Message, Receive, Scope, Send

from shared.front import matched_operation

_OPT_KEY = "quoteway_version"


@dataclass(frozen=True)
class Version:
    """A published version: its handlers, from when on it is deprecated (RFC 9745), and when it ends (RFC 8594)."""

    handlers: Sequence[ControllerRouterHandler]
    deprecation: date | None = None
    sunset: date | None = None

    def warnings(self) -> list[str]:
        """What a caller of this version should know, for the bodies of tiers whose clients do not see headers."""
        if self.deprecation is None:
            return []
        end = f" and ends on {self.sunset.isoformat()}" if self.sunset else ""
        return [f"This version is deprecated since {self.deprecation.isoformat()}{end}. Move to a newer one."]

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Both dates as headers; none for a version that stays."""
        found = []
        if self.deprecation is not None:
            found.append((b"deprecation", f"@{int(_midnight(self.deprecation).timestamp())}".encode()))
        if self.sunset is not None:
            found.append((b"sunset", format_datetime(_midnight(self.sunset), usegmt=True).encode()))
        return found


def mount(version: Version) -> Router:
    """The version's handlers; `announce_version` puts its headers on their answers."""
    return Router("/", route_handlers=version.handlers, opt={_OPT_KEY: version})


def warnings_for(request: Request[Any, Any, Any]) -> list[str]:
    """The warnings that belong into the answer to `request`."""
    version: Version = request.route_handler.opt[_OPT_KEY]
    return version.warnings()


def announce_version(app: ASGIApp) -> ASGIApp:
    """Inbound policy: a version that will end says so on every answer, problems included."""

    async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
        operation = matched_operation(scope)
        version: Version | None = operation.handler.opt.get(_OPT_KEY) if operation is not None else None
        if version is None or (version.deprecation is None and version.sunset is None):
            await app(scope, receive, send)
            return
        headers = version.headers()

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *headers]
            await send(message)

        await app(scope, receive, send_with_headers)

    return middleware


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)
