"""A vendor's system in the sandbox, as a landscape sees it: it is started, connected, and read from outside.

A landscape knows its vendors by `Vendor` and by nothing else. What goes wrong on the way to one is told to the fault
proxy that a landscape puts before it, by the vendor's name (`Landscape.faults`).
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from sandbox.processes.process import RunningProcess

Setting = str | int | float | dict[str, str]
# Starts a module of ours as a process of the run, under a name, with arguments, and waits until it serves.
Launch = Callable[[str, Sequence[str]], RunningProcess]


@dataclass(frozen=True)
class Holding:
    """One thing that a vendor holds of an order or an account, under the name that Quoteway gave it.

    `lines` are those of a sale.
    """

    kind: Literal["sale", "subscription", "report", "customer"]
    external_id: str
    state: str = ""
    lines: int = 0


class Vendor(Protocol):
    """A vendor's system, as one tenant has it."""

    @property
    def name(self) -> str:
        """What its process, its fault proxy and its secrets are called."""

    @property
    def title(self) -> str:
        """What a person calls it."""

    @property
    def url(self) -> str:
        """Its address. Raises ProcessError when it was never started."""

    @property
    def is_running(self) -> bool:
        """Whether it is there."""

    def start(self) -> object:
        """Start it and wait until it answers. Raises ProcessError when it does not."""

    def stop(self) -> None:
        """End it."""

    def secrets(self) -> dict[str, str]:
        """Return what its connections refer to, by the names of the files."""

    def connections(self, reached_at: str, quota: dict[str, Setting]) -> list[str]:
        """Return its blocks of the connections file. `reached_at` is its address or that of its proxy."""

    def holdings(self) -> list[Holding]:
        """Return everything that it holds of orders, read past Quoteway and past every proxy."""


def connection_block(tenant: str, **settings: Setting) -> str:
    """A block of the connections file. JSON's strings, numbers and (as inline tables) maps are TOML's too."""
    lines = ["[[connection]]", f'tenant = "{tenant}"']
    for name, value in settings.items():
        if isinstance(value, dict):
            inner = ", ".join(f"{key} = {json.dumps(text)}" for key, text in value.items())
            lines.append(f"{name} = {{ {inner} }}")
        else:
            lines.append(f"{name} = {json.dumps(value)}")
    return "\n".join(lines) + "\n"
