"""Tells where a test hangs: the stacks of every task that waits, once a test has taken suspiciously long."""

import asyncio
import gc
import sys
import threading

SUSPICIOUS_S = 240.0


def tell_if_it_hangs(test: str) -> threading.Timer:
    """Begin to wait; cancel what is returned once the test has ended."""
    timer = threading.Timer(SUSPICIOUS_S, _tell, [test])
    timer.daemon = True
    timer.start()
    return timer


def _tell(test: str) -> None:
    out = sys.__stderr__ or sys.stderr
    out.write(f"\n{test} has not ended after {SUSPICIOUS_S:g} s. What waits:\n")
    for task in [each for each in gc.get_objects() if isinstance(each, asyncio.Task) and not each.done()]:
        out.write(f"-- {task.get_name()}\n")
        task.print_stack(limit=12, file=out)
    out.flush()
