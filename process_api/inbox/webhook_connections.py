"""The connections that accept webhooks, as the system tier lists them: others are refused at no cost.

Webhooks come without a token. A call for an invented tenant would otherwise cause a token for that tenant, a log and a
folder of checkpoints.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from shared.canonical import Connections
from shared.problem import NotFound, QuotewayError, Unavailable

_log = logging.getLogger(__name__)
EVERY_LEGAL_ENTITY = "*"
# The interval of reading: a changed connection is known after this time at the latest.
REFRESH_S = 30.0
# The retry interval until the first list: without one, no webhooks are accepted.
UNKNOWN_S = 1.0


@dataclass
class WebhookConnections:
    """The list, read in the background with a token of no tenant. While the system tier is down, the last list
    counts.
    """

    read: Callable[[], Awaitable[Connections]]
    _known: frozenset[tuple[str, str]] | None = field(default=None, init=False)
    _reading: asyncio.Task[None] | None = field(default=None, init=False)

    async def start(self) -> None:
        """Start reading."""
        self._reading = asyncio.create_task(self._keep_reading(), name="webhook connections")

    async def stop(self) -> None:
        """Stop reading."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    def require(self, tenant: str, legal_entity: str) -> None:
        """Raise NotFound if no such connection accepts webhooks, Unavailable before the first list."""
        if self._known is None:
            raise Unavailable(
                "Which connections take webhooks is not known yet.", reason_code="connections_unknown", retry_after_s=2
            )
        if not self._known & {(tenant, legal_entity), (tenant, EVERY_LEGAL_ENTITY)}:
            raise NotFound(f"No account that sends webhooks is connected as {tenant}.{legal_entity}.")

    async def refresh(self) -> None:
        """Read the list now. Raises what the reading raises."""
        found = await self.read()
        self._known = frozenset((each.tenant, each.legal_entity) for each in found.connections if each.takes_webhooks)

    async def _keep_reading(self) -> None:
        while True:
            try:
                await self.refresh()
            except QuotewayError as error:
                _log.warning("which connections take webhooks could not be read: %s", error.detail)
            except Exception:  # noqa: BLE001 a defect must not end the reading for the life of this process
                _log.exception("which connections take webhooks could not be read")
            await asyncio.sleep(UNKNOWN_S if self._known is None else REFRESH_S)
