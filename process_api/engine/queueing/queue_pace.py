"""When the library's threads look into the queues that flows wait in: at once after a notice, and else seldom.

The library has a thread for each queue, which looks into it after each pause, some two transactions a look. It knows
no notices. Its threads pause by waiting for the event that ends them (`DBOS.background_thread_stop_events`), and here
that wait is replaced: it ends when somebody says that something waits in the thread's queue, and after a longer time by
itself. tests/process_api/engine/test_workflow_library.py names the version of the library that this was read in.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection
from functools import partial

_THREAD = "queue-worker-"
# The threads that look for new queues and for schedules, by the functions that they run.
_LISTING = ("(queue_thread)", "(dynamic_scheduler_loop)")
_ALL = "all"
# Where no notice came. A flow waits as long as this at most where one was lost.
_SAFETY_S = 5.0
# Queues that nobody puts anything into any more, the library's own, the list of queues, and that of schedules.
_ELSEWHERE_S = 15.0
# Between two looks of a thread: what is told of meanwhile, the second one sees.
_BETWEEN_S = 0.1
Wait = Callable[[float | None], bool]


class QueuePace:
    """Stands in for the wait of the events that end the library's threads. `safety_s`: between two looks unasked."""

    def __init__(
        self, stops: Collection[threading.Event], queues: Collection[str], safety_s: float = _SAFETY_S
    ) -> None:
        self.safety_s = safety_s
        self._queues = frozenset(queues)
        self._changed = threading.Condition()
        self._told: Counter[str] = Counter()
        self._seen: Counter[str] = Counter()
        self._looked_at: dict[str, float] = {}
        for stop in stops:
            stop.wait = partial(self._wait, stop, stop.wait)  # type: ignore[method-assign] # see above

    def wake(self, queue: str) -> None:
        """Have the queue looked into, from any thread."""
        with self._changed:
            self._told[queue] += 1
            self._changed.notify_all()

    def wake_all(self) -> None:
        """Have everything looked for and into: queues have been registered."""
        self.wake(_ALL)

    def end(self) -> None:
        """End the threads' waits, once their events are set."""
        with self._changed:
            self._changed.notify_all()

    def _wait(self, stop: threading.Event, as_before: Wait, timeout: float | None = None) -> bool:
        name = threading.current_thread().name
        if not name.startswith(_THREAD) and not name.endswith(_LISTING):
            return as_before(timeout)
        queue = name.removeprefix(_THREAD)
        pause_s = self.safety_s if queue in self._queues else _ELSEWHERE_S
        with self._changed:
            self._changed.wait_for(lambda: stop.is_set() or self._told_of(queue) > self._seen[queue], pause_s)
        left_s = self._looked_at.get(queue, 0.0) + _BETWEEN_S - time.monotonic()
        if left_s > 0 and as_before(left_s):
            return True
        with self._changed:
            self._seen[queue] = self._told_of(queue)
        self._looked_at[queue] = time.monotonic()
        return stop.is_set()

    def _told_of(self, queue: str) -> int:
        return self._told[queue] + self._told[_ALL]
