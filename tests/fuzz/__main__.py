"""`make fuzz`: schemathesis against the three running tiers and their real back ends, for as long as you like.

SEED repeats a run's chances (a new one is chosen and printed otherwise), MINUTES says for how long (10).
"""

import argparse
import os
import random
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from sandbox.landscape.landscape import Landscape
from sandbox.processes.process import ProcessError
from sandbox.processes.progress import Progress
from tests.fuzz.campaign import RUN_MAX_S, TIERS, fuzz

_RUN_MIN_S = 30


def main() -> int:
    """Fuzz; 1 on any failure, 2 where the landscape does not start."""
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
    failed: list[str] = []
    with tempfile.TemporaryDirectory(prefix="quoteway-fuzz-") as name:
        Path(name).chmod(0o711)
        try:
            with Landscape(Path(name) / "landscape", progress=Progress(), unthrottled=True) as landscape:
                for number, seconds in enumerate(rounds):
                    for tier in tiers:
                        folder = Path(name) / f"{number}-{tier}"
                        folder.mkdir()
                        console.rule(f"{tier} API, round {number + 1} of {len(rounds)}, seed {seed + number}")
                        verdict = fuzz(
                            landscape,
                            tier,
                            folder,
                            seed=seed + number,
                            seconds=seconds,
                            examples=arguments.examples,
                            show=True,
                        )
                        failed += [] if verdict.held else [f"{tier} (seed {seed + number})"]
        except ProcessError as error:
            console.print(str(error))
            return 2
    console.print(f"Failures: {', '.join(failed)}" if failed else "No failure.")
    return 1 if failed else 0


def _rounds(seconds: float, tiers: int) -> list[int]:
    """How many seconds each tier gets in each round: a run has to end before its tokens do."""
    each = max(_RUN_MIN_S, seconds / tiers)
    count = max(1, round(each / RUN_MAX_S))
    return [int(min(RUN_MAX_S, each / count))] * count


if __name__ == "__main__":
    sys.exit(main())
