"""Where a process's time goes while it is under load: sampled by py-spy, told by function."""

import re
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

from tests.benchmarks.contenders import LOAD_CORE
from tests.benchmarks.load import Target, burst
from tests.benchmarks.peer_programs import ENVIRONMENT

_SECONDS = 6
_SAMPLES_A_SECOND = 400
_TOLD = 18
_LINE_NUMBER = re.compile(r":\d+\)")


def profile(target: Target, pid: int) -> str:
    """What a process does while `target` is asked for, as text; or why that cannot be seen."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "stacks"
        sampler = subprocess.Popen(
            [
                *(str(ENVIRONMENT / "bin" / "py-spy"), "record", "--pid", str(pid), "--format", "raw"),
                *("--duration", str(_SECONDS), "--rate", str(_SAMPLES_A_SECOND), "--output", str(file)),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        burst(target, _SECONDS + 2, core=LOAD_CORE)
        _, said = sampler.communicate(timeout=60)
        if sampler.returncode != 0 or not file.exists():
            return f"{target.name}: no profile ({said.strip()[-200:] or sampler.returncode})\n"
        return told(target.name, file.read_text())


def told(name: str, stacks: str) -> str:
    """Sampled stacks (`outer;inner count` a line) as two tables: time in a function itself, and with all it calls."""
    own: Counter[str] = Counter()
    within: Counter[str] = Counter()
    for line in stacks.splitlines():
        stack, _, count = line.rpartition(" ")
        # A thread outside Python: reqwest's.
        frames = [_LINE_NUMBER.sub(")", frame) for frame in stack.split(";")] if stack else ["(native threads)"]
        own[frames[-1]] += int(count)
        for frame in set(frames):
            within[frame] += int(count)
    total = own.total() or 1
    lines = [f"{name}: {total} samples", "", "  in the function itself"]
    lines += [f"  {count / total:6.1%}  {frame}" for frame, count in own.most_common(_TOLD)]
    lines += ["", "  with all that it calls"]
    lines += [f"  {count / total:6.1%}  {frame}" for frame, count in within.most_common(3 * _TOLD)]
    return "\n".join(lines) + "\n"
