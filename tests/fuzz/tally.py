"""What a run really asked: how many requests of each operation, in each phase. Counted where the requests are sent."""

import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

PHASES = ("examples", "coverage", "fuzzing", "stateful")
# Where the hooks, in schemathesis' process, write down each request.
VARIABLE = "QUOTEWAY_FUZZ_TALLY"


def count(operation: str, phase: str) -> None:
    """Write down that a request of that operation was answered, in that phase."""
    path = os.environ.get(VARIABLE)
    if path:
        with Path(path).open("a") as file:
            file.write(json.dumps([operation, phase]) + "\n")


@dataclass(frozen=True)
class Tally:
    """The requests of a run. `offered` are the operations of the contract, `phases` those that were to be run."""

    offered: tuple[str, ...]
    requests: Mapping[tuple[str, str], int]
    phases: tuple[str, ...] = field(default=PHASES)

    @classmethod
    def read(cls, path: Path, document: Mapping[str, Any]) -> Self:
        """Return what was written down of a document's operations."""
        lines = path.read_text().splitlines() if path.exists() else []
        offered = [f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods]
        return cls(tuple(sorted(offered)), Counter(tuple(json.loads(line)) for line in lines))

    def __add__(self, other: "Tally") -> "Tally":
        """Return the sum of two runs of one tier."""
        return Tally(self.offered, Counter(self.requests) + Counter(other.requests), self.phases)

    def of(self, operation: str) -> list[int]:
        """Return an operation's requests in each phase."""
        return [self.requests.get((operation, phase), 0) for phase in self.phases]

    @property
    def untested(self) -> list[str]:
        """The operations that were never asked."""
        return [operation for operation in self.offered if not sum(self.of(operation))]

    @property
    def idle_phases(self) -> list[str]:
        """The phases that asked nothing."""
        return [
            phase
            for phase in self.phases
            if not any(self.requests.get((operation, phase)) for operation in self.offered)
        ]

    @property
    def gaps(self) -> list[str]:
        """What was not tested, in sentences; nothing where every phase ran and every operation was asked."""
        tested = len(self.offered) - len(self.untested)
        return [
            *(f"The phase {phase} asked nothing." for phase in self.idle_phases),
            *([f"Only {tested} of {len(self.offered)} operations were tested:"] if self.untested else []),
            *(f"  not tested: {operation}" for operation in self.untested),
        ]

    def table(self) -> str:
        """Return a line for each operation, with its requests in each phase."""
        width = max(map(len, self.offered))
        head = f"{'requests':<{width}}  {'  '.join(f'{phase:>8}' for phase in self.phases)}"
        lines = [
            f"{operation:<{width}}  {'  '.join(f'{number:>8}' for number in self.of(operation))}"
            f"{'' if sum(self.of(operation)) else '  NOT TESTED'}"
            for operation in self.offered
        ]
        return "\n".join([head, *lines])
