"""What each tier of a landscape is told: the settings that it is started with."""

from sandbox.landscape.surroundings import Surroundings
from sandbox.vendors.tryton.data import DATA_FOLDER
from shared.identity.transaction_token import JWKS_PATH

# Limits are at work, but out of the way of those who load the sandbox on purpose.
_RATE_LIMITS = ",".join(
    f"{bucket}=1000000/minute" for bucket in ("tenant", "client", "user", "read", "write", "expensive")
)


def tier_environment(landscape: Surroundings, tier: str) -> dict[str, str]:
    """The settings of a tier, as environment variables; the landscape's own `tier_settings` go before the defaults."""
    own = {"experience": _experience, "process": _process, "system": _system}[tier](landscape)
    metadata = f"{landscape.url('issuer')}/.well-known/openid-configuration"
    return {
        "QUOTEWAY_ISSUER_METADATA_URL": metadata,
        "QUOTEWAY_REDIS_URL": landscape.redis.url,
        "QUOTEWAY_RATE_LIMITS": _RATE_LIMITS,
        **landscape.tier_settings,
        **own,
    }


def _system(landscape: Surroundings) -> dict[str, str]:
    return {
        "QUOTEWAY_REVOCATIONS_URL": landscape.tier_url("process"),
        "QUOTEWAY_AUDIT_DATABASE_URL": landscape.postgres.url(landscape.database),
        "QUOTEWAY_SYSTEM_CONNECTIONS": str(landscape.run_dir / "connections.toml"),
    }


def _process(landscape: Surroundings) -> dict[str, str]:
    return {
        "QUOTEWAY_DATABASE_URL": landscape.postgres.url(landscape.database),
        "QUOTEWAY_SYSTEM_URL": landscape.reached_at("system") if "system" in landscape.processes else "",
        "QUOTEWAY_PROCESS_CLIENT_SECRET_FILE": str(landscape.run_dir / "process-api.secret"),
        "QUOTEWAY_LEGAL_ENTITIES_FILE": str(DATA_FOLDER / "legal_entities.toml"),
        "QUOTEWAY_TRANSACTION_TOKEN_JWKS_URL": f"{landscape.tier_url('experience')}{JWKS_PATH}",
    }


def _experience(landscape: Surroundings) -> dict[str, str]:
    return {
        "QUOTEWAY_AUDIT_DATABASE_URL": landscape.postgres.url(landscape.database),
        "QUOTEWAY_PROCESS_URL": landscape.reached_at("process") if "process" in landscape.processes else "",
        "QUOTEWAY_EXPERIENCE_CLIENT_SECRET_FILE": str(landscape.run_dir / "experience-api.secret"),
        "QUOTEWAY_EXPERIENCE_SIGNING_KEYS_FILE": str(landscape.signing_keys),
    }
