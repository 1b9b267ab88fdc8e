"""One run of schemathesis against a running tier: every phase, every check, two principals who must not meet.

The experience tier is asked by two Salesforce users of different territories, the others by two tenants. What one of
them made or was shown, the other must not see (check `object_level_authorization`).
"""

import json
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import httpx

from sandbox.issuer.user_token import user_token
from sandbox.landscape.landscape import Landscape
from tests.fuzz.tally import PHASES, VARIABLE, Tally

_ROOT = Path(__file__).resolve().parents[2]
TIERS = ("experience", "process", "system")
_USERS = {"ada": "005QW0000000001AAA", "bo": "005QW0000000002AAA"}
_TENANTS = ("nordwind", "suedwind")
_CLIENT = "quality-assurance"
# A token lives ten minutes; a run ends before its tokens do.
RUN_MAX_S = 480
_CONFIG = """
generation.database = "none"
request-timeout = 30.0
hooks = "tests.fuzz.hooks"
[auth]
wfc = {{ path = {auth}, peers = {peers} }}
# A body or an id that fits the contract may still name nothing that is there, or what a vendor or a record's state
# refuses: 404, 409 and 422 are answers to valid data.
[checks.positive_data_acceptance]
expected-statuses = ["2xx", 401, 403, 404, 409, 422]
[[operations]]
include-path = "/v1/webhooks/stripe/{{connection}}"
# Nobody can make up a signature.
checks.positive_data_acceptance.expected-statuses = ["2xx", 400, 404]
"""


@dataclass(frozen=True)
class Verdict:
    """How a run ended, what it printed, and what it tested. `held`: nothing that was tested failed."""

    tier: str
    held: bool
    printed: str
    tally: Tally


def fuzz(
    landscape: Landscape, tier: str, folder: Path, *, seed: int, seconds: int, examples: int, show: bool = False
) -> Verdict:
    """Run it for at most about `seconds`. `show`: let a person follow it on the terminal."""
    document = _ROOT / "openapi" / f"{tier}-v1.json"
    config = _configured(landscape, tier, folder)
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "--no-color", "run", str(document)),
        *("--url", landscape.url(tier), "--phases", ",".join(PHASES), "--checks", "all"),
        *("--seed", str(seed), "--max-examples", str(examples), "--max-time", str(min(seconds, RUN_MAX_S))),
        *("--continue-on-failure", "--report", "junit", "--report-junit-path", str(folder / f"{tier}.xml")),
    ]
    tally = folder / f"{tier}-requests.jsonl"
    environment = {**os.environ, "PYTHONPATH": str(_ROOT), VARIABLE: str(tally)}
    try:
        status, printed = _run(command, folder, environment, timeout_s=seconds + 600, show=show)
    finally:
        config.with_name(f"{tier}-auth.json").unlink()  # the report is kept, and tokens are not for keeping
    (folder / f"{tier}.txt").write_text(printed)
    return Verdict(tier, status == 0, printed, Tally.read(tally, json.loads(document.read_bytes())))


def _run(
    command: list[str], folder: Path, environment: dict[str, str], *, timeout_s: float, show: bool
) -> tuple[int, str]:
    """Run it to its end, and return its status and what it printed. `show`: while it is printed, too."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=folder, env=environment
    ) as process:
        hang = threading.Timer(timeout_s, process.kill)
        hang.start()
        assert process.stdout is not None
        printed = ""
        for line in process.stdout:
            printed += line
            if show:
                sys.stdout.write(line)
                sys.stdout.flush()
        hang.cancel()
        return process.wait(), printed


def _configured(landscape: Landscape, tier: str, folder: Path) -> Path:
    tokens = _user_tokens(landscape) if tier == "experience" else _tenant_tokens(landscape, f"quoteway-{tier}")
    auth = {
        "auth": [
            {"name": name, "fixedHeaders": [{"name": "Authorization", "value": f"Bearer {token}"}]}
            for name, token in tokens.items()
        ]
    }
    auth_path, config_path = folder / f"{tier}-auth.json", folder / f"{tier}.toml"
    auth_path.touch(mode=0o600)
    auth_path.write_text(json.dumps(auth))
    config_path.write_text(_CONFIG.format(auth=json.dumps(str(auth_path)), peers=json.dumps(list(tokens))))
    return config_path


def _user_tokens(landscape: Landscape) -> dict[str, str]:
    issuer, state = landscape.url("issuer"), landscape.run_dir / "issuer"
    return {name: user_token(issuer, state, user_id) for name, user_id in _USERS.items()}


def _tenant_tokens(landscape: Landscape, audience: str) -> dict[str, str]:
    found = {}
    for tenant in _TENANTS:
        answer = httpx.post(
            f"{landscape.url('issuer')}/token",
            data={"grant_type": "client_credentials", "audience": audience, "tenant": tenant},
            auth=(_CLIENT, landscape.secret(_CLIENT)),
            timeout=10,
        ).raise_for_status()
        found[tenant] = str(answer.json()["access_token"])
    return found
