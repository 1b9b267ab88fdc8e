"""Starting the tier as a process, its health, and its settings."""

import asyncio
import os
import subprocess
from pathlib import Path

import httpx
import pytest

from experience_api.settings import ExperienceSettings
from sandbox.processes.process import RunningProcess, start_process
from shared.settings import SettingsError, load_settings
from tests.experience_api.conftest import SUBMISSION, Experience
from tests.experience_api.tier_process import PROGRAM, environment
from tests.issuer_process import bearer


async def test_the_process_serves_and_says_that_the_process_api_is_missing(
    issuer: RunningProcess, tmp_path: Path
) -> None:
    tier = start_process(
        "experience", PROGRAM, env=environment(issuer), log_path=tmp_path / "experience.log", ready="json line"
    )
    with tier:
        async with httpx.AsyncClient(base_url=tier.url) as client:
            live = await client.get("/health/live")
            async with asyncio.timeout(60):
                while "yet" in (ready := await client.get("/health/ready")).json()["degraded"].get("process", "yet"):  # noqa: ASYNC110 it is asked over HTTP
                    await asyncio.sleep(0.05)
            headers = await bearer(issuer, "salesforce-lightning", "quoteway-experience")
            submitted = await client.post(
                "/v1/orders", json=SUBMISSION, headers={**headers, "Idempotency-Key": "key-1"}
            )
        tier.stop()

    assert live.status_code == 200
    assert ready.status_code == 503
    assert ready.json()["degraded"] == {"process": "process API does not answer (ConnectError)"}
    assert ready.json()["missing"] == {
        "revocations": "the list of revoked tokens is not loaded yet; nobody is let in",
    }
    # It has to be told by the process API which tokens count no longer.
    assert (submitted.status_code, submitted.headers["Retry-After"]) == (503, "2")
    assert submitted.json()["reasonCode"] == "revocations_unknown"
    assert submitted.headers["content-type"] == "application/json"
    assert tier.exit_code == 0


def test_wrong_settings_end_the_start_with_one_sentence_each() -> None:
    bare = {name: value for name, value in os.environ.items() if not name.startswith("QUOTEWAY_")}

    ended = subprocess.run(
        PROGRAM,
        env={
            **bare,
            "QUOTEWAY_EXPERIENCE_PORT": "many",
            "QUOTEWAY_LIGHTNING_ORIGINS": "https://*.lightning.force.com",
            "QUOTEWAY_RATE_LIMITS": "client=often",
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 2
    assert "9 setting(s) to mend" in ended.stderr
    assert "QUOTEWAY_PROCESS_URL is missing: the process API's address" in ended.stderr
    assert "QUOTEWAY_EXPERIENCE_PORT is wrong" in ended.stderr
    assert "QUOTEWAY_LIGHTNING_ORIGINS is wrong: 'https://*.lightning.force.com' has a wildcard" in ended.stderr
    assert "QUOTEWAY_RATE_LIMITS is wrong: 'often' is not a limit such as 100/minute" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("content", [None, "", " \n", b"\xff\xfe"])
def test_a_secret_file_without_a_secret_is_a_fault_of_its_setting(tmp_path: Path, content: str | bytes | None) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    with pytest.raises(SettingsError, match="QUOTEWAY_EXPERIENCE_CLIENT_SECRET_FILE is wrong"):
        load_settings(
            ExperienceSettings,
            {
                "QUOTEWAY_ISSUER_METADATA_URL": "http://issuer.test",
                "QUOTEWAY_PROCESS_URL": "http://process.test",
                "QUOTEWAY_EXPERIENCE_CLIENT_SECRET_FILE": str(path),
            },
        )


async def test_ready_when_the_process_api_is(experience: Experience) -> None:
    experience.process.will_answer({"status": "ready", "missing": {}})

    answer = await experience.client.get("/health/ready")

    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "missing": {}, "degraded": {}})
    [request] = experience.process.requests
    assert request.url.path == "/health/ready"
    assert "authorization" not in request.headers


async def test_ready_and_says_so_while_the_process_api_is_not(experience: Experience) -> None:
    experience.process.will_answer({"status": "not ready", "missing": {"database": "is away"}}, 503)

    answer = await experience.client.get("/health/ready")

    # Out of its load balancer, nobody would be told what is away, and what is remembered would not be served.
    assert answer.status_code == 200
    # Health is public: what the tiers behind this one lack is for their operators alone.
    assert answer.json()["degraded"] == {"process": "the process API is not ready"}
