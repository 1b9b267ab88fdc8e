"""Shows a person what is being waited for: one line per step with its seconds, live on a terminal, plain elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console


class Progress:
    """Reports steps to a stream.

    Args:
        stream: where the lines go; standard output by default.
        quiet: say nothing at all.
    """

    def __init__(self, stream: TextIO | None = None, *, quiet: bool = False) -> None:
        self._console = Console(file=stream or sys.stdout, quiet=quiet, highlight=False, soft_wrap=True)

    @contextmanager
    def step(self, doing: str) -> Iterator[None]:
        """Show the step while the block runs, and its duration after it; a failed block is marked."""
        began = time.monotonic()
        try:
            if self._console.is_terminal:
                with self._console.status(f"{doing} …"):
                    yield
            else:
                self._console.print(f"{doing} …", markup=False)
                yield
        except BaseException:
            self._done("✗", doing, began)
            raise
        self._done("✓", doing, began)

    def note(self, sentence: str) -> None:
        """Print something that takes no time."""
        self._console.print(sentence, markup=False)

    def _done(self, mark: str, doing: str, began: float) -> None:
        self._console.print(f"{mark} {doing} ({time.monotonic() - began:.1f} s)", markup=False)
