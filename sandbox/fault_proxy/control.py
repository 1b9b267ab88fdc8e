"""Tells a running fault proxy what shall go wrong, and asks what did."""

from dataclasses import dataclass

import httpx
import msgspec

from sandbox.fault_proxy.rules import Rule, Statistics

PATH = "/_faults"


@dataclass(frozen=True)
class FaultControl:
    """A proxy's control address."""

    url: str

    def put(self, *rules: Rule) -> None:
        """Put these rules in force instead of those before. Raises ValueError, in the proxy's words, for wrong ones."""
        answer = httpx.put(f"{self.url}{PATH}", content=msgspec.json.encode(rules), timeout=10)
        if answer.status_code != 200:
            raise ValueError(answer.text)

    def clear(self) -> None:
        """Let everything pass."""
        httpx.delete(f"{self.url}{PATH}", timeout=10).raise_for_status()

    def land(self) -> None:
        """Let what is to arrive late arrive now; returns once the vendor has answered it."""
        httpx.post(f"{self.url}{PATH}", timeout=150).raise_for_status()  # the proxy gives the vendor two minutes

    def statistics(self) -> Statistics:
        """What the proxy has done so far."""
        answer = httpx.get(f"{self.url}{PATH}", timeout=10).raise_for_status()
        return msgspec.json.decode(answer.content, type=Statistics)
