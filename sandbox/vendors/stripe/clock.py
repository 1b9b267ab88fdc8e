"""The one clock of the sandbox."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime


class SandboxClock:
    """Wall time plus a shift that a test may grow, so that a day can pass without waiting for it."""

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        self._shift_s = 0.0

    def now(self) -> float:
        """Seconds since 1970 as the account sees them."""
        return self._wall() + self._shift_s

    def wall(self) -> float:
        """Seconds since 1970 as everybody else sees them: webhook signatures are checked against their clocks."""
        return self._wall()

    def shift(self, seconds: float) -> None:
        """Let `seconds` pass at once. Raises ValueError for a step back: nothing here can be undone."""
        if seconds < 0:
            raise ValueError("the sandbox clock only moves forward")
        self._shift_s += seconds

    def moment(self) -> datetime:
        """Return `now` as an aware datetime in UTC."""
        return datetime.fromtimestamp(self.now(), UTC)
