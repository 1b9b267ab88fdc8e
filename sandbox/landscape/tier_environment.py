"""The settings that each tier of a landscape is started with."""

from typing import TYPE_CHECKING

from sandbox.vendors.tryton.data import DATA_FOLDER
from shared.identity.transaction_token import JWKS_PATH

if TYPE_CHECKING:
    from sandbox.landscape.landscape import Landscape

# Limits are on, but so high that load tests of the sandbox do not meet them.
_RATE_LIMITS = ",".join(
    f"{bucket}=1000000/minute" for bucket in ("tenant", "client", "user", "read", "write", "expensive")
)


def tier_environment(landscape: "Landscape", tier: str) -> dict[str, str]:
    """Return a tier's settings as environment variables; the landscape's `tier_settings` override the defaults."""
    own = {"experience": _experience, "process": _process, "system": _system}[tier](landscape)
    metadata = f"{landscape.url('issuer')}/.well-known/openid-configuration"
    return {
        "QUOTEWAY_ISSUER_METADATA_URL": metadata,
        "QUOTEWAY_REDIS_URL": landscape.redis.url,
        "QUOTEWAY_RATE_LIMITS": _RATE_LIMITS,
        **landscape.tier_settings,
        **own,
    }


def _system(landscape: "Landscape") -> dict[str, str]:
    return {
        "QUOTEWAY_REVOCATIONS_URL": landscape.tier_url("process"),
        "QUOTEWAY_AUDIT_DATABASE_URL": landscape.postgres.url(landscape.database),
        "QUOTEWAY_SYSTEM_CONNECTIONS": str(landscape.run_dir / "connections.toml"),
    }


def _process(landscape: "Landscape") -> dict[str, str]:
    return {
        "QUOTEWAY_DATABASE_URL": landscape.postgres.url(landscape.database),
        "QUOTEWAY_SYSTEM_URL": landscape.reached_at("system") if "system" in landscape.processes else "",
        "QUOTEWAY_PROCESS_CLIENT_SECRET_FILE": str(landscape.run_dir / "process-api.secret"),
        "QUOTEWAY_LEGAL_ENTITIES_FILE": str(DATA_FOLDER / "legal_entities.toml"),
        "QUOTEWAY_TRANSACTION_TOKEN_JWKS_URL": f"{landscape.tier_url('experience')}{JWKS_PATH}",
    }


def _experience(landscape: "Landscape") -> dict[str, str]:
    return {
        "QUOTEWAY_AUDIT_DATABASE_URL": landscape.postgres.url(landscape.database),
        "QUOTEWAY_PROCESS_URL": landscape.reached_at("process") if "process" in landscape.processes else "",
        "QUOTEWAY_EXPERIENCE_CLIENT_SECRET_FILE": str(landscape.run_dir / "experience-api.secret"),
        "QUOTEWAY_EXPERIENCE_SIGNING_KEYS_FILE": str(landscape.signing_keys),
    }
