"""What is not a rate: how long a tier takes to start, how much memory it needs, and whether that grows."""

import statistics
import time
from dataclasses import dataclass
from pathlib import Path

from sandbox.processes.progress import Progress
from tests.benchmarks import policy_cost
from tests.benchmarks.contenders import LOAD_CORE, Field
from tests.benchmarks.load import Target, burst

_STARTS = 3
_BURST_S = 10.0


@dataclass(frozen=True)
class Figure:
    """A figure that has to stay below a bound."""

    name: str
    value: float
    at_most: float
    unit: str

    @property
    def missed(self) -> bool:
        """Whether it is over the bound."""
        return self.value > self.at_most

    @property
    def shown(self) -> str:
        """The figure with its unit."""
        return f"{self.value:,.2f} {self.unit}"


def measure(field: Field, cached: Target, requests: int, progress: Progress) -> list[Figure]:
    """All of them. `requests`: how many to send before memory is looked at again; 0 for not at all."""
    figures = []
    for tier in ("experience", "process", "system"):
        with progress.step(f"Starting the {tier} API {_STARTS} times"):
            started = [_start(field, tier) for _ in range(_STARTS)]
        figures.append(Figure(f"{tier} API: start", statistics.median(each[0] for each in started), 1.5, "s"))
        figures.append(Figure(f"{tier} API: memory", statistics.median(each[1] for each in started), 120, "MB"))
    with progress.step("Counting the policies' CPU on a cache miss"):
        figures.append(Figure("the policies on a cache miss, CPU", policy_cost.measured(field), 120, "µs"))
    if requests:
        with progress.step(f"Sending {requests:,} requests"):
            figures.append(
                Figure(f"memory after {requests:,} requests", _growth(field, cached, requests), 1.1, "times")
            )
    return figures


def _start(field: Field, tier: str) -> tuple[float, float]:
    began = time.monotonic()
    process = field.start_tier(tier, f"{tier}-cold", field.landscape.settings(tier))
    took_s, used_mb = time.monotonic() - began, resident_mb(process.pid)
    process.stop()
    return took_s, used_mb


def _growth(field: Field, cached: Target, requests: int) -> float:
    """How many times the memory of after a tenth of the requests it is after all of them."""
    pid, sent, early = field.pid_of(cached), 0, 0.0
    while sent < requests:
        sent += burst(cached, _BURST_S, core=LOAD_CORE).requests
        if not early and sent >= requests / 10:
            early = resident_mb(pid)
    return resident_mb(pid) / early


def resident_mb(pid: int) -> float:
    """The memory that a process holds, in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0
