"""A doomed worker whose wall clock is wrong: ahead by QUOTEWAY_TEST_CLOCK_S seconds. Its timers go on rightly."""

import datetime as dt
import os
import runpy
import time
from typing import Any


def set_clock_ahead(seconds: float) -> None:
    """Whoever asks for the time of day from now on is told a wrong one: to be called before other imports."""
    right, right_ns = time.time, time.time_ns

    class Skewed(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> Any:
            return super().now(tz) + dt.timedelta(seconds=seconds)

    time.time = lambda: right() + seconds
    time.time_ns = lambda: right_ns() + int(seconds * 1e9)
    dt.datetime = Skewed  # type: ignore[misc]  # every module that imports it gets this one


if __name__ == "__main__":
    set_clock_ahead(float(os.environ["QUOTEWAY_TEST_CLOCK_S"]))
    runpy.run_module("tests.faults.doomed_worker", run_name="__main__")
