"""Every business process there is. A further one is a folder of its own, and its line here."""

from typing import Any

from process_api.engine.flow_kind import FlowKind
from process_api.orders.submission import ORDER_SUBMISSION

KINDS: dict[str, FlowKind[Any]] = {kind.name: kind for kind in (ORDER_SUBMISSION,)}
