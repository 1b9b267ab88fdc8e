"""localstripe, an independent imitation of Stripe, as a process in an environment of its own.

It is GPL-3.0: it is installed from PyPI into a cache of the user, run, and talked to over HTTP; nothing of it is
imported, and nothing of it is part of this project.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.processes.cache_dir import cache_dir
from tests.patience import HANG_S
from tests.sandbox.vendors.stripe.running_sandbox import ROOT

_LOCK = ROOT / "requirements" / "localstripe.txt"
_LISTENING = re.compile(r"Listening at: (http://127\.0\.0\.1:\d+)")


def _environment() -> Path:
    """The virtual environment for this lock file, built when it is not cached; named by the lock file's hash."""
    cache = cache_dir()
    wanted = cache / f"localstripe-{hashlib.sha256(_LOCK.read_bytes()).hexdigest()[:16]}"
    if wanted.exists():
        return wanted
    building = Path(tempfile.mkdtemp(prefix="localstripe-", dir=cache))
    # With pip, as everywhere else: what a machine's package index needs is configured for it.
    subprocess.run([sys.executable, "-m", "venv", str(building)], check=True)
    python = str(building / "bin" / "python")
    options = ["--quiet", "--disable-pip-version-check", "--require-hashes", "--requirement", str(_LOCK)]
    subprocess.run([python, "-m", "pip", "install", *options], check=True)
    try:
        building.rename(wanted)
    except OSError:
        # Another run built it meanwhile.
        shutil.rmtree(building)
    return wanted


@contextmanager
def running_localstripe() -> Iterator[str]:
    """Start localstripe on a free port of the loopback interface; yields its URL."""
    # As a module, not by its script: the environment was built under another name.
    command = [
        *(str(_environment() / "bin/python"), "-m", "gunicorn", "localstripe.server:app"),
        *("--worker-class", "aiohttp.GunicornWebWorker", "--workers", "1", "--bind", "127.0.0.1:0"),
        *("--graceful-timeout", "1", "--no-control-socket"),
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            seen = ""
            for line in process.stderr:
                seen += line
                if match := _LISTENING.search(line):
                    break
            else:
                raise RuntimeError(f"localstripe did not start:\n{seen}")
            yield match[1]
        finally:
            process.terminate()
            process.communicate(timeout=HANG_S)
