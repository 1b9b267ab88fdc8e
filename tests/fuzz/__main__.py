"""`make fuzz`: schemathesis against the three running tiers and their real back ends, for as long as you like.

SEED repeats a run's chances (a new one is chosen and printed otherwise), MINUTES says for how long (10). At its end it
says how many requests each operation got in each phase. An operation or a phase that got none is no success. What each
run printed, its JUnit report and the logs of our processes are kept in build/fuzz.
"""

import argparse
import os
import random
import shutil
import sys
import tempfile
from datetime import UTC, datetime
from functools import reduce
from operator import add
from pathlib import Path

from rich.console import Console

from sandbox.landscape.landscape import Landscape
from sandbox.processes.process import ProcessError
from sandbox.processes.progress import Progress
from tests.fuzz.campaign import RUN_MAX_S, TIERS, Verdict, fuzz

_RUN_MIN_S = 30


def main() -> int:
    """Fuzz; 1 on any failure and where something was not tested, 2 where the landscape does not start."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--tier", action="append", choices=TIERS, help="only this tier; may be repeated")
    parser.add_argument("--seed", type=int, default=int(os.environ.get("SEED") or 0), help="also as SEED")
    parser.add_argument("--minutes", type=float, default=float(os.environ.get("MINUTES") or 10), help="also as MINUTES")
    parser.add_argument("--examples", type=int, default=100, help="of each operation in each phase (100)")
    arguments = parser.parse_args()
    seed = arguments.seed or random.SystemRandom().randrange(1, 1_000_000)
    console = Console(highlight=False)
    console.print(f"SEED={seed} MINUTES={arguments.minutes:g}: the same again with `make fuzz SEED={seed}`")
    tiers = arguments.tier or list(TIERS)
    rounds = _rounds(arguments.minutes * 60, len(tiers))
    verdicts: list[Verdict] = []
    report = _report_folder(seed)
    with tempfile.TemporaryDirectory(prefix="quoteway-fuzz-") as name:
        Path(name).chmod(0o711)
        landscape = Landscape(Path(name) / "landscape", progress=Progress(), unthrottled=True)
        try:
            with landscape:
                for number, seconds in enumerate(rounds):
                    for tier in tiers:
                        folder = report / f"{number + 1}-{tier}"
                        folder.mkdir(parents=True)
                        console.rule(f"{tier} API, round {number + 1} of {len(rounds)}, seed {seed + number}")
                        verdicts.append(
                            fuzz(
                                landscape,
                                tier,
                                folder,
                                seed=seed + number,
                                seconds=seconds,
                                examples=arguments.examples,
                                show=True,
                            )
                        )
        except ProcessError as error:
            console.print(str(error))
            return 2
        finally:
            shutil.copytree(landscape.run_dir / "logs", report / "logs", dirs_exist_ok=True)
    status, said = judge(verdicts)
    (report / "summary.txt").write_text(f"{said}\n")
    console.print(said, markup=False, soft_wrap=True)
    console.print(f"The report is kept in {report}", soft_wrap=True)
    return status


def judge(verdicts: list[Verdict]) -> tuple[int, str]:
    """Return the exit status of a run, and what it tested in which phase, what it did not test, and what failed.

    1 where anything failed, and where an operation or a phase of a tier got no request.
    """
    parts: list[str] = []
    gaps = 0
    for tier in dict.fromkeys(verdict.tier for verdict in verdicts):
        tally = reduce(add, (verdict.tally for verdict in verdicts if verdict.tier == tier))
        gaps += len(tally.gaps)
        parts += [f"{tier} API, requests by operation and phase", tally.table(), *tally.gaps, ""]
    failed = [f"{verdict.tier} (run {number})" for number, verdict in enumerate(verdicts, 1) if not verdict.held]
    parts.append(f"FAILURES: {', '.join(failed)}." if failed else "Nothing that was tested failed.")
    if gaps:
        parts.append("NOT EVERYTHING WAS TESTED (see above). Give it more time: MINUTES=20.")
    return (1 if failed or gaps else 0), "\n".join(parts)


def _report_folder(seed: int) -> Path:
    """Return a new folder for what is kept of this run."""
    started = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    folder = Path(__file__).resolve().parents[2] / "build" / "fuzz" / f"{started}-seed-{seed}"
    folder.mkdir(parents=True)
    return folder


def _rounds(seconds: float, tiers: int) -> list[int]:
    """How many seconds each tier gets in each round: a run has to end before its tokens do."""
    each = max(_RUN_MIN_S, seconds / tiers)
    count = max(1, round(each / RUN_MAX_S))
    return [int(min(RUN_MAX_S, each / count))] * count


if __name__ == "__main__":
    sys.exit(main())
