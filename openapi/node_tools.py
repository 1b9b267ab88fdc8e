"""Tools that are Node packages: installed below `build` from their lock, where Node and a registry are to be had."""

import shutil
import subprocess
from pathlib import Path

from openapi.documents import FOLDER

INSTALLED = FOLDER.parent / "build" / "node"
_INSTALL_TIMEOUT_S = 300
# Not `npm ci`: it needs every platform's build of oasdiff in the lock, and npm only writes its own.
_INSTALL = ["npm", "install", "--ignore-scripts", "--no-save", "--no-audit", "--no-fund"]


class Unavailable(Exception):
    """A tool is not available; the message is the reason."""


def node_tool(name: str) -> Path:
    """The executable of a contract tool, installed if need be. Raises Unavailable with the reason."""
    executable = node_packages("node") / ".bin" / name
    if not executable.exists():
        raise Unavailable(f"the package that is to bring {name} has no build for this machine.")
    return executable


def node_packages(lock: str) -> Path:
    """The folder with the packages of the lock in that folder here, installed if need be. Raises Unavailable."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise Unavailable("Node is not installed here.")
    installed = INSTALLED.parent / lock.replace("/", "-")
    locked, done = (FOLDER / lock / "package-lock.json").read_bytes(), installed / "installed.json"
    if not done.exists() or done.read_bytes() != locked or not (installed / "node_modules").exists():
        _install(FOLDER / lock, installed)
        done.write_bytes(locked)  # last: a broken installation is done again
    return installed / "node_modules"


def _install(lock: Path, installed: Path) -> None:
    print(f"Installing the tools of {lock.relative_to(FOLDER.parent)} into {installed} …", flush=True)
    installed.mkdir(parents=True, exist_ok=True)
    shutil.copy(lock / "package.json", installed / "package.json")
    shutil.copy(lock / "package-lock.json", installed / "package-lock.json")
    try:
        done = subprocess.run(  # noqa: S603 our own words
            _INSTALL,
            cwd=installed,
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
