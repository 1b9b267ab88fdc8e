"""The list of all business processes. Another one is a folder of its own, and a line here."""

from typing import Any

from process_api.engine.flow_kind import FlowKind
from process_api.orders.submission import ORDER_SUBMISSION

KINDS: dict[str, FlowKind[Any]] = {kind.name: kind for kind in (ORDER_SUBMISSION,)}
