"""Lets one program build at a time, and never leaves a half-built result under its final name."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def build_lock(path: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold the lock file while the block runs; `on_wait` is called once when another process holds it.

    The operating system releases it when the process ends, however it ends.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def build_folder(target: Path) -> Iterator[Path]:
    """Yield an empty folder beside `target` to build in; it is renamed to `target` if the block succeeds.

    Call it with the build lock held. Leftovers of an interrupted build are removed first.
    """
    for leftover in target.parent.glob(f"{target.name}.building-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{target.name}.building-", dir=target.parent))
    try:
        yield folder
        folder.rename(target)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def keep_newest(pattern: Path, count: int) -> None:
    """Remove finished builds except the `count` most recently used: `pattern` is a path whose last part may have a
    `*`.
    """
    found = [path for path in pattern.parent.glob(pattern.name) if ".building-" not in path.name]
    for path in sorted(found, key=lambda each: each.stat().st_mtime, reverse=True)[count:]:
        shutil.rmtree(path, ignore_errors=True)
