"""Controls a running fault proxy, and reads its statistics."""

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
        """Replace the rules. Raises ValueError, in the proxy's words, for invalid ones."""
        answer = httpx.put(f"{self.url}{PATH}", content=msgspec.json.encode(rules), timeout=10)
        if answer.status_code != 200:
            raise ValueError(answer.text)

    def clear(self) -> None:
        """Remove all rules."""
        httpx.delete(f"{self.url}{PATH}", timeout=10).raise_for_status()

    def land(self) -> None:
        """Deliver the delayed requests now; returns once the vendor has answered them."""
        httpx.post(f"{self.url}{PATH}", timeout=150).raise_for_status()  # the proxy gives the vendor two minutes

    def statistics(self) -> Statistics:
        """Return what the proxy has done so far."""
        answer = httpx.get(f"{self.url}{PATH}", timeout=10).raise_for_status()
        return msgspec.json.decode(answer.content, type=Statistics)
