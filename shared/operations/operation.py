"""What every operation must declare: its owner, scopes, rate class and audit class.

The contract, the API catalogue and the guards are made from these; an operation without them cannot be served.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from shared.operations.cache_policy import CachePolicy

RateClass = Literal["read", "write", "expensive"]
AuditClass = Literal["none", "access", "financial"]
_KEY = "quoteway_operation"
_PROBLEMS_KEY = "quoteway_problems"
_RAW_BODY_KEY = "quoteway_raw_body"
_PUBLIC_AUDIT_KEY = "quoteway_public_audit"
_PUBLIC_LIMITED_KEY = "quoteway_public_limited"


@dataclass(frozen=True)
class OperationPolicy:
    """The policy of one operation. All `scopes` are needed; in every limit it counts as `cost` requests.

    Only a read may have a `cache`; without one it is never cached.
    """

    owner: str
    capability: str
    scopes: tuple[str, ...]
    rate: RateClass
    audit: AuditClass
    cost: int = 1
    cache: CachePolicy | None = None


def operation(
    *,
    owner: str,
    capability: str,
    scopes: list[str],
    rate: RateClass = "read",
    audit: AuditClass = "access",
    cost: int = 1,
    cache: CachePolicy | None = None,
    problems: Sequence[int] | None = None,
) -> dict[str, Any]:
    """Return the `opt` of a route handler that carries its policy.

    `problems`: the statuses that only this operation's own work can answer, among 404, 409, 422 and 504; those of the
    inbound policies are documented anyway. If it is omitted, the contract lists everything that any operation of its
    method could answer.
    """
    return {_KEY: OperationPolicy(owner, capability, tuple(scopes), rate, audit, cost, cache), _PROBLEMS_KEY: problems}


def public(
    *, problems: Sequence[int] = (), raw_body: str = "", audit: AuditClass = "none", limited: bool = False
) -> dict[str, Any]:
    """Return the `opt` of a handler that answers without a token: health, the contract, and webhooks, which are signed.

    `problems`: every error status but 500; the policies for callers do not apply. `raw_body` describes a JSON object
    that the handler reads as bytes. If it is audited, the handler puts the principal that it found into
    `scope["user"]`. `limited`: by the caller's address, since it costs something.
    """
    return {
        _KEY: None,
        _PROBLEMS_KEY: problems,
        _RAW_BODY_KEY: raw_body,
        _PUBLIC_AUDIT_KEY: audit,
        _PUBLIC_LIMITED_KEY: limited,
    }


def is_limited_by_address(opt: dict[str, Any]) -> bool:
    """Return whether a public operation is limited by its callers' addresses."""
    return bool(opt.get(_PUBLIC_LIMITED_KEY, False))


def raw_body_of(opt: dict[str, Any]) -> str:
    """Return the description of a body that the handler reads itself; empty if it reads none."""
    described: str = opt.get(_RAW_BODY_KEY, "")
    return described


def policy_of(opt: dict[str, Any]) -> OperationPolicy | None:
    """Return the policy in a handler's `opt`; None for a public one.

    Raises KeyError if a handler declares neither.
    """
    policy: OperationPolicy | None = opt[_KEY]
    return policy


def audit_class_of(opt: dict[str, Any]) -> AuditClass:
    """Return how an operation is audited."""
    policy = policy_of(opt)
    audit: AuditClass = opt.get(_PUBLIC_AUDIT_KEY, "none") if policy is None else policy.audit
    return audit


def problems_of(opt: dict[str, Any]) -> Sequence[int] | None:
    """Return the statuses that an operation declares for its own work; None if it declares none."""
    problems: Sequence[int] | None = opt.get(_PROBLEMS_KEY)
    return problems
