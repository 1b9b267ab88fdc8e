"""Puts a connection's settle time and number of attempts on its errors.

The process tier decides when a lost request is looked up and how often a step is tried, and knows no connections. So an
error carries the settings of its connection; unset ones default to the process tier's own.
"""

from contextvars import ContextVar
from typing import Protocol

from litestar.types import ASGIApp, Receive, Scope, Send

from shared.problem import OutcomeUnknown, Unavailable, VendorError


class Patience(Protocol):
    """What a connection says of how long it wants to be waited for; None leaves it to the process tier."""

    @property
    def product(self) -> str:
        """The vendor's name."""

    @property
    def settle_s(self) -> int | None:
        """Seconds in which a lost request arrives."""

    @property
    def attempts_max(self) -> int | None:
        """How often a step is tried."""


_used: ContextVar[Patience | None] = ContextVar("connection_used", default=None)


def note_use(connection: Patience | None) -> None:
    """Remember over which connection the present request goes on."""
    _used.set(connection)


def forget_use(app: ASGIApp) -> ASGIApp:
    """Return an inbound policy that forgets the connection of the request before."""

    async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
        _used.set(None)
        await app(scope, receive, send)

    return middleware


def tell_patience(error: VendorError) -> None:
    """Put on an error whose it is, and how long the connection that it came over wants to be waited for."""
    connection = _used.get()
    if connection is None:
        return
    error.vendor = error.vendor or connection.product
    if isinstance(error, OutcomeUnknown) and error.retry_after_s is None:
        error.retry_after_s = connection.settle_s
    if isinstance(error, Unavailable):
        error.attempts_max = connection.attempts_max
