"""Editing parked flows of every kind: what may be corrected is the kind's own (`FlowKind.corrections`)."""

from dataclasses import dataclass
from typing import Any

from process_api.engine.decisions import FlowDecisions
from shared.identity.principal import Principal
from shared.problem import Conflict


@dataclass(frozen=True)
class FlowEdits:
    """Carries out edits. `resources` is what the kinds' corrections work with."""

    decisions: FlowDecisions
    resources: Any

    async def edit_and_retry(self, principal: Principal, flow_id: str, edit: Any) -> None:
        """Correct a parked flow and have it go on.

        Raises NotFound; Conflict where the flow is not parked, is being undone, or nothing of its kind can be
        corrected; and what the corrections of its kind raise.
        """
        async with self.decisions.store.transaction(principal.tenant) as connection:
            flow = await self.decisions.lock_parked(connection, principal.tenant, flow_id)
        kind = self.decisions.kinds.get(flow.kind)
        if kind is None or kind.corrections is None:
            raise Conflict(f"Nothing of flow {flow_id} can be corrected. Try it again or discard it.")
        if flow.undoing_to is not None:
            raise Conflict(f"Flow {flow_id} is being undone: it can be tried again, but not edited.")
        await kind.corrections(self.resources, self.decisions).correct(principal, flow, edit)
