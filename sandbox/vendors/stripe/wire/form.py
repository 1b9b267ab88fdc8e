"""The form encoding of Stripe's v1 API: `items[0][price]=price_1&expand[]=customer` as a tree.

Lists arrive as mappings with numeric keys (`a[0]`) or as repeated `a[]`; the tree keeps both as a mapping with numeric
keys, and the parameter's declared type decides what it is.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TypeAlias
from urllib.parse import parse_qsl

from sandbox.vendors.stripe.wire.errors import invalid

Tree: TypeAlias = "dict[str, Tree | str]"

_KEY = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_FIELDS_MAX = 1_000
_DEPTH_MAX = 8


def decode(encoded: bytes) -> Tree:
    """Return the tree of a form body or a query string.

    Raises StripeError (400) for bytes that are not UTF-8, for too many fields, and for names that contradict each
    other.
    """
    try:
        pairs = parse_qsl(encoded.decode("utf-8"), keep_blank_values=True, max_num_fields=_FIELDS_MAX, errors="strict")
    except UnicodeDecodeError as error:
        raise invalid("Invalid request: the parameters are not valid UTF-8.") from error
    except ValueError as error:
        raise invalid(f"Invalid request: more than {_FIELDS_MAX} parameters.") from error
    tree: Tree = {}
    for name, value in pairs:
        _place(tree, name, value)
    return tree


def _place(tree: Tree, name: str, value: str) -> None:
    match = _KEY.fullmatch(name)
    if match is None:
        raise invalid(f"Received unknown parameter: {name}", code="parameter_unknown", param=name)
    path = [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])]
    if len(path) > _DEPTH_MAX:
        raise invalid(f"Invalid parameter: {name} is nested too deeply.", param=name)
    node = tree
    for index, key in enumerate(path):
        here = key or str(len(node))
        if index == len(path) - 1:
            if isinstance(node.get(here), dict):
                raise invalid(f"Invalid parameter: {name} is given both as a value and as a hash.", param=name)
            node[here] = value
            return
        below = node.setdefault(here, {})
        if isinstance(below, str):
            raise invalid(f"Invalid parameter: {name} is given both as a value and as a hash.", param=name)
        node = below


def fingerprint(tree: Tree) -> str:
    """Return a digest that is the same for the same parameters in any order."""
    return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()
