"""Puts a connection's settle time and number of attempts on its errors.

The process tier decides when a lost request is looked up and how often a step is tried, and knows no connections. So an
error carries the settings of its connection; unset ones default to the process tier's own.
"""

from contextvars import ContextVar

from litestar.types import ASGIApp, Receive, Scope, Send

from shared.problem import OutcomeUnknown, Unavailable, VendorError
from system_api.connections import VendorConnection

_used: ContextVar[VendorConnection | None] = ContextVar("connection_used", default=None)


def note_use(connection: VendorConnection | None) -> None:
    """Remember the connection that the current request uses."""
    _used.set(connection)


def forget_use(app: ASGIApp) -> ASGIApp:
    """Return an inbound policy that forgets the connection of the request before."""

    async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
        _used.set(None)
        await app(scope, receive, send)

    return middleware


def tell_patience(error: VendorError) -> None:
    """Add its connection's settle time and attempts to an error."""
    connection = _used.get()
    if connection is None:
        return
    if isinstance(error, OutcomeUnknown) and error.retry_after_s is None:
        error.retry_after_s = connection.settle_s
    if isinstance(error, Unavailable):
        error.attempts_max = connection.attempts_max
