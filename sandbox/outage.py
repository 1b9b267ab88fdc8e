"""Play a vendor's outage while the demo runs:

    python -m sandbox.outage stripe 60

Every request to the vendor goes wrong for so many seconds, on the way to it; the vendor itself keeps running. The
outage ends by itself, and with Ctrl-C sooner: both put the vendor back.
"""

import argparse
import fcntl
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httpx
from rich.console import Console

from sandbox.fault_proxy.control import FaultControl
from sandbox.fault_proxy.rules import Fault, Rule
from sandbox.running_demo import VENDORS, NoDemoError, RunningDemo

SECONDS_MAX = 3600
HOW = {
    "unavailable": (Rule(fault=Fault.unavailable), "answers 503 to everything"),
    "reset": (Rule(fault=Fault.refuse), "resets every connection"),
    "lost": (Rule(fault=Fault.lose_answer), "does what it is asked, and every answer is lost"),
}
_POLL_S = 1.0
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Where it is not a terminal, a line now and then.
_LINE_EVERY_S = 10


class OutageError(Exception):
    """The outage cannot be played. The message says why."""


def play(demo: RunningDemo, vendor: str, seconds: float, how: str, console: Console) -> int:
    """Play it, and return how many requests met it. Raises OutageError where the demo ended, or one is played already.

    KeyboardInterrupt ends it and is raised again, with the vendor put back.
    """
    rule, told = HOW[how]
    control = FaultControl(demo.proxies[vendor])
    with _one_at_a_time(demo, vendor), _demo_is_there():
        before = _met(control)
        try:
            control.put(rule)
            console.print(f"{vendor} {told} for {seconds:g} s. Ctrl-C ends it.")
            _wait(control, vendor, seconds, before, console)
        finally:
            control.clear()
            console.print(f"{vendor} is back. What waits is tried again within its own pauses.")
        return _met(control) - before


def _wait(control: FaultControl, vendor: str, seconds: float, before: int, console: Console) -> None:
    """Wait until the time is over, and show how long it still is and how many requests have met it."""
    end = time.monotonic() + seconds
    line_at = time.monotonic()
    with console.status("") as status:
        while (left := end - time.monotonic()) > 0:
            sentence = f"{vendor} is away for {left:.0f} s more; {_met(control) - before} requests have met it"
            status.update(sentence)
            if not console.is_terminal and time.monotonic() >= line_at:
                console.print(sentence)
                line_at += _LINE_EVERY_S
            time.sleep(min(_POLL_S, left))


def _met(control: FaultControl) -> int:
    return sum(control.statistics().faults.values())


@contextmanager
def _one_at_a_time(demo: RunningDemo, vendor: str) -> Iterator[None]:
    """The end of one outage would end another of the same vendor too."""
    with (demo.run_dir / f"outage-{vendor}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OutageError(f"An outage of {vendor} is being played already; Ctrl-C ends it.") from error
        yield


@contextmanager
def _demo_is_there() -> Iterator[None]:
    try:
        yield
    except httpx.TransportError as error:
        raise OutageError("The demo has ended, and the outage with it.") from error


def _seconds(text: str) -> float:
    with suppress(ValueError):
        if 0 < float(text) <= SECONDS_MAX:
            return float(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds from 1 to {SECONDS_MAX}")


def _interrupted(*_: Any) -> None:
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)  # putting the vendor back is not to be interrupted
    raise KeyboardInterrupt


def main() -> int:
    """Play an outage. 0 at its end, 1 where no demo runs or it cannot be played, 2 for wrong arguments."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.outage", description="A vendor's outage, in the demo.")
    parser.add_argument("vendor", choices=VENDORS, help="of the tenant nordwind")
    parser.add_argument("seconds", type=_seconds, nargs="?", default=60.0, help=f"at most {SECONDS_MAX} (60)")
    parser.add_argument(
        "--how",
        choices=tuple(HOW),
        default="unavailable",
        help="; ".join(f"{name}: {told}" for name, (_, told) in HOW.items()),
    )
    arguments = parser.parse_args()
    for number in _ENDING:
        signal.signal(number, _interrupted)
    console = Console(highlight=False, soft_wrap=True)
    try:
        met = play(RunningDemo.find(), arguments.vendor, arguments.seconds, arguments.how, console)
    except (NoDemoError, OutageError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    console.print(f"{met} requests met the outage.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
