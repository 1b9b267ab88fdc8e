"""An audit log that keeps its entries where a test can look, for tests without PostgreSQL."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from shared.problem import Unavailable


class KeptAuditLog:
    """Implements shared.audit.writer.Appendable. `away`: it cannot be written just now."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []
        self.commits = 0
        self.away = False

    async def append(self, entries: Mapping[str, Sequence[str]]) -> None:
        """Keep the entries, with their tenant."""
        if self.away:
            raise Unavailable("the audit log cannot be written", reason_code="audit_unavailable")
        self.commits += 1
        for tenant, texts in entries.items():
            self.entries += [{"tenant": tenant, **msgspec.json.decode(text)} for text in texts]

    async def close(self) -> None:
        """Nothing is open."""
