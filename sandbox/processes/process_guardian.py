"""Ends a program's children when the program itself is gone, however it ended, so that the sandbox leaves nothing
behind.

Run as a program of its own (`python process_guardian.py`), with its standard input held open by the program it serves.
Each line there is a JSON object: `{"watch": {"pid", "started", "signal", "grace_s"}}`, `{"forget": pid}` or `{"scrap":
folder}`. The end of the input means that the program has ended, by return, by exception or by SIGKILL: every watched
child gets its own stop signal, and SIGKILL after its grace period; then the folders are removed.

This uses a pipe, not Linux's parent-death signal, because that signal follows the *thread* that started the child, does
not exist on macOS, and cannot be orderly. This file only imports the standard library: it starts with every demo.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TypedDict

_POLL_S = 0.05


class Watched(TypedDict):
    """One child: its process id (also its process group), its start time, and how to stop it."""

    pid: int
    started: str
    signal: int
    grace_s: float


def process_start(pid: int) -> str:
    """Return when the process started, in the system's own notation; empty if there is none, or only a zombie.

    A process id alone may have been reused by now; together with this it identifies the process.
    """
    if Path("/proc/self/stat").exists():
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return ""
        return "" if fields[0] in "ZX" else fields[19]
    listing = subprocess.run(
        ["/bin/ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.strip()
    return "" if listing.startswith("Z") else listing.partition(" ")[2].strip()


def _alive(child: Watched) -> bool:
    return child["started"] != "" and process_start(child["pid"]) == child["started"]


def end_all(children: list[Watched]) -> None:
    """Signal every child, wait for each one's grace period, then kill the rest together with its process group."""
    began = time.monotonic()
    children = list(filter(_alive, children))
    for child in children:
        with contextlib.suppress(OSError):
            os.kill(child["pid"], child["signal"])
    left = list(filter(_alive, children))
    while left:
        waited_s = time.monotonic() - began
        for child in left:
            if waited_s > child["grace_s"]:
                with contextlib.suppress(OSError):
                    os.killpg(child["pid"], signal.SIGKILL)
        time.sleep(_POLL_S)
        left = list(filter(_alive, left))
    for child in children:
        with contextlib.suppress(OSError):
            os.killpg(child["pid"], signal.SIGKILL)  # its own children that it left behind


def main() -> None:
    """Follow the instructions on standard input until it ends."""
    children: dict[int, Watched] = {}
    folders: list[str] = []
    for line in sys.stdin:
        try:
            instruction = json.loads(line)
        except ValueError:
            continue  # the program died while it wrote this line
        if "watch" in instruction:
            children[instruction["watch"]["pid"]] = instruction["watch"]
        elif "scrap" in instruction:
            folders.append(instruction["scrap"])
        else:
            children.pop(instruction["forget"], None)
    end_all(list(children.values()))
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
