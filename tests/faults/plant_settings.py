"""The settings of a plant in the fault tests, whose workers are processes of their own."""

from pathlib import Path

from process_api.settings import ProcessSettings
from sandbox.engines.postgres import PostgresEngine, RedisEngine
from sandbox.processes.process import RunningProcess
from tests.issuer_process import client_secret_file
from tests.process_api.conftest import LEGAL_ENTITIES


def plant_settings(
    postgres: PostgresEngine, redis_engine: RedisEngine, issuer: RunningProcess, folder: Path
) -> ProcessSettings:
    """Return settings with little patience; database and system API are the plant's to say."""
    rules = folder / "legal_entities.toml"
    rules.write_text(LEGAL_ENTITIES)
    return ProcessSettings(
        issuer_metadata_url=f"{issuer.url}/.well-known/openid-configuration",
        database_url=postgres.url("postgres"),
        redis_url=redis_engine.url,
        system_url="http://system.test",
        process_client_secret_file=str(client_secret_file(issuer, "process-api")),
        legal_entities_file=str(rules),
        connection_concurrency=50,
        loop_lag_max_s=3600.0,
        step_backoff_s=0.05,
        step_backoff_max_s=0.2,
        settle_s=0.05,
        log_level="WARNING",
    )
