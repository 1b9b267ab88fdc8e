"""An audit entry, and the bytes of it that are hashed."""

from datetime import UTC, datetime

import msgspec

# The log for requests without a valid token: they belong to no tenant.
NOBODY = "_"


class Entry(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True, gc=False):
    """One thing that someone did, or tried to.

    It names records and users by id, never by name, and the request's body by its hash only. `count` is how often the
    same happened within a window; `at` and `correlation_id` are those of the first time.
    """

    at: float
    """When the process saw it, in seconds since 1970; written as RFC 3339."""
    tier: str
    operation: str
    audit_class: str
    outcome: str
    """succeeded, refused (nothing was done) or failed."""
    status: int
    correlation_id: str
    tenant: str = NOBODY
    subject: str = ""
    client_id: str = ""
    on_behalf_of: str = ""
    """The acting user's id, where the caller acts for one."""
    record: str = ""
    reason: str = ""
    payload_hash: str = ""
    """SHA-256 of the request's body, as `sha256:` and hexadecimal digits."""
    count: int = 1


def entry_text(entry: Entry) -> str:
    """Return the entry as it is stored: one line of JSON. The tenant is stored beside it."""
    written = {**msgspec.to_builtins(entry), "at": _rfc3339(entry.at)}
    written.pop("tenant", None)
    return msgspec.json.encode(written).decode()


def leaf_input(tenant: str, sequence: int, recorded_at: datetime, text: str) -> bytes:
    """Return the bytes of an entry that are hashed: everything in its row.

    The database makes the same bytes when it appends.
    """
    return f"{tenant}\n{sequence}\n{moment_text(recorded_at)}\n{text}".encode()


def moment_text(recorded_at: datetime) -> str:
    """Return the time as it is hashed."""
    return recorded_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _rfc3339(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
