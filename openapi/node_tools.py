"""Installs tools that are Node packages into `build/node` from the lock, if Node and a registry are available."""

import shutil
import subprocess
from pathlib import Path

from openapi.documents import FOLDER

LOCK = FOLDER / "node"
INSTALLED = FOLDER.parent / "build" / "node"
_DONE = INSTALLED / "installed.json"
_INSTALL_TIMEOUT_S = 300
# Not `npm ci`: it needs every platform's build of oasdiff in the lock, and npm only writes its own.
_INSTALL = ["npm", "install", "--ignore-scripts", "--no-save", "--no-audit", "--no-fund"]


class Unavailable(Exception):
    """A tool is not available; the message is the reason."""


def node_tool(name: str) -> Path:
    """Return the executable of a tool, installed if need be. Raises Unavailable with the reason."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise Unavailable("Node is not installed here.")
    executable = INSTALLED / "node_modules" / ".bin" / name
    locked = (LOCK / "package-lock.json").read_bytes()
    if not executable.exists() or not _DONE.exists() or _DONE.read_bytes() != locked:
        _install()
        _DONE.write_bytes(locked)  # last, so that a broken installation is repeated
    if not executable.exists():
        raise Unavailable(f"the package that is to bring {name} has no build for this machine.")
    return executable


def _install() -> None:
    print(f"Installing the contract tools into {INSTALLED} …", flush=True)
    INSTALLED.mkdir(parents=True, exist_ok=True)
    shutil.copy(LOCK / "package.json", INSTALLED / "package.json")
    shutil.copy(LOCK / "package-lock.json", INSTALLED / "package-lock.json")
    try:
        done = subprocess.run(  # noqa: S603 our own words
            _INSTALL,
            cwd=INSTALLED,
            capture_output=True,
            text=True,
            timeout=_INSTALL_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"npm did not answer within {_INSTALL_TIMEOUT_S} s.") from error
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise Unavailable(f"npm could not install it: {' '.join(last)}")
