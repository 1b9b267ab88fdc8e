"""The tier as a process."""

import os
import sys

from sandbox.processes.ports import free_port
from sandbox.processes.process import RunningProcess
from tests.issuer_process import client_secret_file, signing_keys_file

PROGRAM = [sys.executable, "-m", "experience_api"]


def environment(issuer: RunningProcess, **changes: str) -> dict[str, str]:
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("QUOTEWAY_")},
        "QUOTEWAY_ISSUER_METADATA_URL": f"{issuer.url}/.well-known/oauth-authorization-server",
        "QUOTEWAY_PROCESS_URL": f"http://127.0.0.1:{free_port()}",
        "QUOTEWAY_EXPERIENCE_CLIENT_SECRET_FILE": str(client_secret_file(issuer, "experience-api")),
        "QUOTEWAY_EXPERIENCE_SIGNING_KEYS_FILE": str(signing_keys_file(issuer)),
        "QUOTEWAY_EXPERIENCE_PORT": "0",
        "QUOTEWAY_REDIS_URL": f"redis://127.0.0.1:{free_port()}",
        "QUOTEWAY_AUDIT_DATABASE_URL": f"postgresql://nobody@127.0.0.1:{free_port()}/nothing",
        **changes,
    }
