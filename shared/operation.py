"""What every operation must say of itself: who owns it, which scopes it needs, how it is limited and audited.

The contract, the API catalogue and the guards are all made from these, so an operation without them cannot be served.
"""

from dataclasses import dataclass
from typing import Any, Literal

RateClass = Literal["read", "write", "expensive"]
AuditClass = Literal["none", "access", "financial"]
_KEY = "quoteway_operation"


@dataclass(frozen=True)
class OperationPolicy:
    """The policy of one operation. `scopes` are all needed."""

    owner: str
    capability: str
    scopes: tuple[str, ...]
    rate: RateClass
    audit: AuditClass


def operation(
    *, owner: str, capability: str, scopes: list[str], rate: RateClass = "read", audit: AuditClass = "access"
) -> dict[str, Any]:
    """The `opt` of a route handler that carries its policy."""
    return {_KEY: OperationPolicy(owner, capability, tuple(scopes), rate, audit)}


def public() -> dict[str, Any]:
    """The `opt` of a handler that answers without a token: health and the contract document, nothing else."""
    return {_KEY: None}


def policy_of(opt: dict[str, Any]) -> OperationPolicy | None:
    """The policy in a handler's `opt`; None for a public one. Raises KeyError where a handler declares neither."""
    policy: OperationPolicy | None = opt[_KEY]
    return policy
