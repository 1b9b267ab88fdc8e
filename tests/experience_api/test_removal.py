"""Version 1 can be removed: its folder and what the list of versions says of it, and the rest serves as before."""

import shutil
from pathlib import Path

import httpx

from sandbox.processes.process import RunningProcess, start_process
from tests.experience_api.tier_process import PROGRAM, environment

ROOT = Path(__file__).parents[2]


def without_version_1(folder: Path) -> None:
    """A copy of the tier and of what it shares with others, less version 1."""
    for package in ("experience_api", "shared"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__", "lightning"))
    shutil.rmtree(folder / "experience_api" / "v1")
    listed = folder / "experience_api" / "versions.py"
    lines = listed.read_text().splitlines(keepends=True)
    kept = [line for line in lines if "V1" not in line]
    assert len(lines) - len(kept) == 2
    listed.write_text("".join(kept))


async def test_without_its_folder_and_its_lines_version_1_is_gone_and_version_2_serves(
    issuer: RunningProcess, tmp_path: Path
) -> None:
    without_version_1(tmp_path)
    tier = start_process(
        "experience without v1",
        PROGRAM,
        env=environment(issuer),
        log_path=tmp_path / "experience.log",
        ready="json line",
        cwd=tmp_path,
    )
    with tier:
        async with httpx.AsyncClient(base_url=tier.url, timeout=60) as client:
            old = await client.get("/v1/accounts/001QW0000000001YAA/overview")
            new = await client.get("/v2/accounts/001QW0000000001YAA/overview")

    assert (old.status_code, new.status_code) == (404, 401)
