"""The settings that each tier of a landscape is started with."""

import os
import re
from pathlib import Path

from sandbox.landscape.surroundings import Surroundings
from sandbox.vendors.tryton.data import DATA_FOLDER
from shared.identity.transaction_token import JWKS_PATH

# The time zone of every legal entity of a landscape, in place of its own.
TIMEZONE_VARIABLE = "QUOTEWAY_SANDBOX_TIMEZONE"
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
        **({} if landscape.production_limits else {"QUOTEWAY_RATE_LIMITS": _RATE_LIMITS}),
        **landscape.tier_settings,
        **own,
    }


def _system(landscape: Surroundings) -> dict[str, str]:
    return {
        "QUOTEWAY_REVOCATIONS_URL": landscape.tier_url("process"),
        "QUOTEWAY_AUDIT_DATABASE_URL": landscape.logins.url_of("system"),
        "QUOTEWAY_SYSTEM_CONNECTIONS": str(landscape.run_dir / "connections.toml"),
    }


def _process(landscape: Surroundings) -> dict[str, str]:
    return {
        "QUOTEWAY_DATABASE_URL": landscape.logins.url_of("process"),
        "QUOTEWAY_SYSTEM_URL": landscape.reached_at("system") if "system" in landscape.processes else "",
        "QUOTEWAY_PROCESS_CLIENT_SECRET_FILE": str(landscape.run_dir / "process-api.secret"),
        "QUOTEWAY_LEGAL_ENTITIES_FILE": str(_legal_entities(landscape)),
        "QUOTEWAY_TRANSACTION_TOKEN_JWKS_URL": f"{landscape.tier_url('experience')}{JWKS_PATH}",
    }


def _legal_entities(landscape: Surroundings) -> Path:
    """The rules of the legal entities: as they are, or all in the one time zone that the environment names.

    Tests name UTC: what begins at once is charged at once there, at whatever time of day they run.
    """
    path, zone = DATA_FOLDER / "legal_entities.toml", os.environ.get(TIMEZONE_VARIABLE)
    if not zone:
        return path
    own = landscape.run_dir / path.name
    own.write_text(re.sub(r'(?m)^timezone = ".*"$', f'timezone = "{zone}"', path.read_text(encoding="utf-8")), "utf-8")
    return own


def _experience(landscape: Surroundings) -> dict[str, str]:
    return {
        "QUOTEWAY_AUDIT_DATABASE_URL": landscape.logins.url_of("experience"),
        "QUOTEWAY_PROCESS_URL": landscape.reached_at("process") if "process" in landscape.processes else "",
        "QUOTEWAY_EXPERIENCE_CLIENT_SECRET_FILE": str(landscape.run_dir / "experience-api.secret"),
        "QUOTEWAY_EXPERIENCE_SIGNING_KEYS_FILE": str(landscape.signing_keys),
    }
