"""One burst of load by wrk, from a core of its own, and what it counted."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from sandbox.processes.process import ProcessError

CONNECTIONS = 64
_RATE = re.compile(r"Requests/sec:\s+([\d.]+)")
_COUNT = re.compile(r"(\d+) requests in")
_REFUSED = re.compile(r"Non-2xx or 3xx responses: (\d+)")
# Every request another address: `%d` in the path becomes a number that never repeats.
_COUNTING = """
local number = {start}
request = function()
  number = number + 1
  local path = string.gsub("{path}", "%%d", tostring(number))
  return wrk.format("GET", path)
end
"""


@dataclass(frozen=True)
class Target:
    """What is asked for: an address below `url`, with these headers. `%d` in the path makes each request another."""

    name: str
    url: str
    path: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Burst:
    """What one burst brought. `refused` are answers other than 2xx and 3xx: a burst with any measures nothing."""

    requests_per_s: float
    requests: int
    refused: int


def require_tools() -> None:
    """Raise ProcessError, saying what to do, where a tool or the second core is missing."""
    if len(os.sched_getaffinity(0)) < 2:
        raise ProcessError("Two cores are needed: one serves, another makes the load.")
    missing = [name for name in ("wrk", "haproxy", "nginx") if find(name) is None]
    if missing:
        raise ProcessError(f"{', '.join(missing)} missing: the load and the peers need it (Debian: apt-get install …).")


def find(name: str) -> str | None:
    """Where a program is; servers lie where a person's PATH may not look."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


def try_out(target: Target) -> None:
    """Ask once. Raises ProcessError, with the answer, where it is no success: a refusal is quick, and no measure."""
    answer = httpx.get(target.url + target.path.replace("%d", "0"), headers=dict(target.headers), timeout=30)
    if answer.status_code != 200:
        raise ProcessError(f"{target.name} answered {answer.status_code}: {answer.text[:300]}")


def burst(target: Target, seconds: float, *, core: int) -> Burst:
    """Load for some seconds. Raises ProcessError where wrk fails or most answers are refusals."""
    command = [str(find("wrk")), "-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s", "--timeout", "30s"]
    for name, value in target.headers.items():
        command += ["-H", f"{name}: {value}"]
    with tempfile.TemporaryDirectory() as folder:
        if "%d" in target.path:
            script = Path(folder) / "counting.lua"
            start = int.from_bytes(os.urandom(3), "big") * 1_000_000
            script.write_text(_COUNTING.format(start=start, path=target.path))
            command += ["-s", str(script)]
        ran = subprocess.run(
            [*command, target.url + target.path.replace("%d", "0")],
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds + 60,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )
    rate, count = _RATE.search(ran.stdout), _COUNT.search(ran.stdout)
    if ran.returncode != 0 or rate is None or count is None:
        raise ProcessError(f"wrk failed against {target.name}: {ran.stderr.strip() or ran.stdout.strip()}")
    if count[1] == "0":
        raise ProcessError(f"{target.name} answered nothing within {seconds:g} s: give --seconds more.")
    refused = _REFUSED.search(ran.stdout)
    return Burst(float(rate[1]), int(count[1]), int(refused[1]) if refused else 0)
