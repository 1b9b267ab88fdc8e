"""The sandbox's issuer as a process, and tokens from it."""

import json
import sys
from pathlib import Path

import httpx

from sandbox.issuer.user_token import user_token
from sandbox.processes.process import RunningProcess, start_process
from shared.identity.signing_keys import rotate_keys
from tests.patience import HANG_S, TOKEN_LIFE_S


def state_folder(issuer: RunningProcess) -> Path:
    """Where that issuer keeps its secrets."""
    return issuer.log_path.parent / "state"


def start_issuer(folder: Path) -> RunningProcess:
    """Start an issuer with fresh secrets below `folder`."""
    command = [sys.executable, "-m", "sandbox.issuer", "--state", str(folder / "state"), "--ttl-s", str(TOKEN_LIFE_S)]
    return start_process("issuer", command, log_path=folder / "issuer.log", ready="json line", timeout_s=HANG_S)


def client_secret_file(issuer: RunningProcess, client_id: str) -> Path:
    """A file with that client's secret, as the tiers read it."""
    clients = json.loads((state_folder(issuer) / "clients.json").read_text())
    path = state_folder(issuer) / f"{client_id}.secret"
    path.write_text(clients[client_id]["client_secret"])
    return path


def signing_keys_file(issuer: RunningProcess) -> Path:
    """A file with keys for the experience API's transaction tokens, as it reads it."""
    path = state_folder(issuer) / "signing-keys.json"
    if not path.exists():
        rotate_keys(path)
    return path


async def bearer(issuer: RunningProcess, client_id: str, audience: str, **parameters: str) -> dict[str, str]:
    """The Authorization header with a fresh token of that client."""
    secret = client_secret_file(issuer, client_id).read_text()
    async with httpx.AsyncClient(timeout=HANG_S) as client:
        answer = await client.post(
            f"{issuer.url}/token",
            data={"grant_type": "client_credentials", "audience": audience, **parameters},
            auth=(client_id, secret),
        )
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def user_bearer(issuer: RunningProcess, user_id: str) -> dict[str, str]:
    """The Authorization header with a fresh token for the experience API in the name of a Salesforce user."""
    return {"Authorization": f"Bearer {user_token(issuer.url, state_folder(issuer), user_id)}"}
