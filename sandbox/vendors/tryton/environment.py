"""Tryton's own virtual environment, built once per lock file and kept in the user's cache."""

import hashlib
import os
import platform
import subprocess
import sys
import venv
from pathlib import Path

from sandbox.processes.build_lock import build_folder, build_lock, keep_newest
from sandbox.processes.cache_dir import cache_dir
from sandbox.processes.process import ProcessError
from sandbox.processes.progress import Progress

LOCK_FILE = Path(__file__).resolve().parents[3] / "requirements" / "tryton.txt"
_KEPT = 2
_OUTPUT_LINES_SHOWN = 15


def tryton_cache() -> Path:
    """Return the folder of the built environments and databases."""
    folder = cache_dir() / "tryton"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def lock_digest() -> str:
    """Return a digest of the locked packages, the version of Python and the platform."""
    facts = f"{platform.python_version()} {platform.system()} {platform.machine()}".encode()
    return hashlib.sha256(LOCK_FILE.read_bytes() + facts).hexdigest()[:16]


def tryton_python(progress: Progress) -> Path:
    """Return the Python of Tryton's environment; built first if it is missing.

    Programs are started from it as modules (`-m`): the environment is renamed when it is complete, and scripts would
    still contain the old folder.

    Raises:
        ProcessError: the packages could not be installed.
    """
    folder = tryton_cache() / f"environment-{lock_digest()}"
    with build_lock(
        tryton_cache() / "environment.lock",
        lambda: progress.note("Another process is installing Tryton: waiting for it …"),
    ):
        if not folder.exists():
            with build_folder(folder) as unfinished, progress.step("Installing Tryton into its own environment"):
                _install(unfinished)
            keep_newest(tryton_cache() / "environment-*", _KEPT)
    os.utime(folder)
    return folder / "bin" / "python"


def _install(folder: Path) -> None:
    venv.create(folder, with_pip=True, symlinks=True)
    command = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    # Only wheels with hashes from the lock: no downloaded code runs during the installation.
    command += ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--requirement", str(LOCK_FILE)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        output = "\n".join(done.stdout.splitlines()[-_OUTPUT_LINES_SHOWN:])
        raise ProcessError(
            f"Tryton could not be installed from {LOCK_FILE.name} for Python {sys.version.split()[0]}. "
            f"Check the network and the package index, then start again. pip said:\n{output}"
        )
