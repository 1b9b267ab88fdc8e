"""Where a running demo is found by the commands beside it (`sandbox.token`, `sandbox.outage`)."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Self

from sandbox.landscape.landscape import Landscape

VENDORS = ("erp", "salesforce", "stripe")
NO_DEMO = "No demo runs here ({folder}): start one with `make demo` in another terminal, and wait for its addresses."
_SERVED = ("experience", "process", "system", "issuer", "salesforce", "stripe")


class NoDemoError(Exception):
    """No demo runs. The message says where it was looked for, and how one is started."""


def build_folder() -> Path:
    """Return the folder of demo.json and the run's files: `QUOTEWAY_DEMO_BUILD`, or `build` in the repository."""
    return Path(os.environ.get("QUOTEWAY_DEMO_BUILD") or Path(__file__).resolve().parents[1] / "build")


@dataclass(frozen=True)
class RunningDemo:
    """The addresses of a running demo: `urls` of its tiers, issuer and vendors, `proxies` of the vendors' proxies."""

    run_dir: Path
    urls: dict[str, str]
    proxies: dict[str, str]

    def url(self, name: str) -> str:
        """Return the address of a tier, the issuer or a vendor."""
        return self.urls[name]

    @property
    def issuer_state(self) -> Path:
        """The folder with the clients' secrets."""
        return self.run_dir / "issuer"

    @classmethod
    def find(cls) -> Self:
        """Return the demo that runs. Raises NoDemoError where none does."""
        told = _announcement(build_folder() / "demo")
        try:
            with told.open() as file:
                if not _is_held(file):
                    raise NoDemoError(NO_DEMO.format(folder=build_folder()))
                found = json.load(file)
        except OSError as error:
            raise NoDemoError(NO_DEMO.format(folder=build_folder())) from error
        return cls(Path(found["run_dir"]), found["urls"], found["proxies"])


@contextmanager
def announced(landscape: Landscape) -> Iterator[None]:
    """Let the commands beside the demo find it while the block runs.

    The file is locked for so long: one that a killed demo leaves behind is locked by nobody.
    """
    path = _announcement(landscape.run_dir)
    demo = RunningDemo(
        landscape.run_dir.resolve(),
        {name: landscape.url(name) for name in _SERVED} | {"tryton": landscape.erp_server.url},
        {name: landscape.reached_at(name) for name in VENDORS},
    )
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        json.dump({**asdict(demo), "run_dir": str(demo.run_dir)}, file)
        file.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _announcement(run_dir: Path) -> Path:
    return run_dir / "running.json"


def _is_held(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False
