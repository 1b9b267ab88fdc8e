"""What became of an order, as its timeline tells it."""

import json
from typing import Any


def story(order: dict[str, Any]) -> str:
    """The whole order, since pytest cuts what is long."""
    return json.dumps(order, indent=1)
