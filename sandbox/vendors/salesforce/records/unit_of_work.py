"""All or nothing: what a request has changed so far, and how to take it back."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Savepoint:
    """A point to return to: after `roll_back`, what happened since is taken back when the savepoint ends."""

    def __init__(self) -> None:
        self.is_rolled_back = False

    def roll_back(self) -> None:
        self.is_rolled_back = True


class UnitOfWork:
    """Nested savepoints. One that is rolled back, or left by an exception, undoes what happened in it, newest first.

    What must not be seen before it is final (journal entries, events) is kept back until the outermost savepoint ends.
    """

    def __init__(self) -> None:
        self._undo: list[Callable[[], None]] = []
        self._final: list[Callable[[], None]] = []
        self._depth = 0

    @contextmanager
    def savepoint(self) -> Iterator[Savepoint]:
        point = Savepoint()
        undo_mark, final_mark = len(self._undo), len(self._final)
        self._depth += 1
        try:
            yield point
        except BaseException:
            point.roll_back()
            raise
        finally:
            if point.is_rolled_back:
                while len(self._undo) > undo_mark:
                    self._undo.pop()()
                del self._final[final_mark:]
            self._depth -= 1
            if self._depth == 0:
                self._finish()

    def on_undo(self, step: Callable[[], None]) -> None:
        self._undo.append(step)

    def when_final(self, step: Callable[[], None]) -> None:
        self._final.append(step)

    def _finish(self) -> None:
        steps, self._final = self._final, []
        self._undo.clear()
        for step in steps:
            step()
