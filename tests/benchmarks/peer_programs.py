"""The peers, as processes on a core: haproxy, nginx, and the small Python programs in an environment of their own."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import httpx
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.jwk import RSAKey

from sandbox.processes.ports import LOOPBACK, free_port
from sandbox.processes.process import ProcessError, RunningProcess, start_process
from sandbox.processes.progress import Progress
from tests.benchmarks.load import find

KeyParameters = dict[str, str | list[str]]
ROOT = Path(__file__).resolve().parents[2]
PEERS = Path(__file__).parent / "peers"
ENVIRONMENT = ROOT / "build" / "bench" / "environment"
# What is deployed, without the tools that tests and the sandbox need: libraries import each other where they find them.
DEPLOYED = ROOT / "build" / "bench" / "deployed"


def build_environments(progress: Progress) -> None:
    """Make the peers' environment and the tiers', once. Raises ProcessError where one cannot be made."""
    for whose, folder, lock in (("peers'", ENVIRONMENT, "bench.txt"), ("tiers'", DEPLOYED, "runtime.txt")):
        locked = (ROOT / "requirements" / lock).read_text()
        stamp = folder / "built-from"
        if stamp.exists() and stamp.read_text() == locked:
            continue
        with progress.step(f"Building the {whose} environment"):
            _build(folder, ROOT / "requirements" / lock)
            stamp.write_text(locked)


def _build(folder: Path, lock: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(folder)],
        [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", "--require-hashes", "-r", str(lock)],
    ):
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode != 0:
            raise ProcessError(f"{folder} cannot be built: {ran.stderr.strip()[-500:]}")


def pin(pid: int, core: int) -> None:
    """Keep a process, and all its threads, on one core."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})


def start_python(name: str, module: str, settings: dict[str, str], run_dir: Path, core: int) -> RunningProcess:
    """One of the small programs, served by the same server that Quoteway's tiers have."""
    port = free_port()
    url = f"http://{LOOPBACK}:{port}"
    command = [
        *("taskset", "-c", str(core), str(ENVIRONMENT / "bin" / "python"), "-m", "uvicorn", f"{module}:app"),
        *("--app-dir", str(PEERS), "--host", LOOPBACK, "--port", str(port)),
        *("--http", "httptools", "--loop", "uvloop", "--no-access-log"),
    ]
    environment = {"PATH": os.environ["PATH"], "HOME": str(run_dir), **settings}
    return _started(name, command, environment, url, run_dir)


def start_haproxy(public_key: KeyParameters, issuer: str, audience: str, run_dir: Path, core: int) -> RunningProcess:
    """haproxy that checks the token's signature, issuer, audience and end, limits by subject, and answers."""
    url = f"http://{LOOPBACK}:{free_port()}"
    key = RSAKey.import_key(public_key).public_key
    (run_dir / "issuer.pem").write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    (run_dir / "kilobyte.json").write_text(json.dumps({"padding": "x" * 1000}))
    text = (PEERS / "haproxy.cfg").read_text()
    for name, value in {
        "BIND": url.removeprefix("http://"),
        "KEY": str(run_dir / "issuer.pem"),
        "BODY": str(run_dir / "kilobyte.json"),
        "ISSUER": issuer,
        "AUDIENCE": audience,
    }.items():
        text = text.replace(f"@{name}@", value)
    (run_dir / "haproxy.cfg").write_text(text)
    command = ["taskset", "-c", str(core), str(find("haproxy")), "-db", "-f", str(run_dir / "haproxy.cfg")]
    return _started("haproxy", command, {"PATH": os.environ["PATH"]}, url, run_dir)


def start_nginx(name: str, config: str, body: str, run_dir: Path, core: int, *, behind: str = "") -> RunningProcess:
    """nginx with one of the configurations: a fast upstream in front of `behind`, or a limiting peer."""
    url = f"http://{LOOPBACK}:{free_port()}"
    folder = Path(tempfile.mkdtemp(dir=run_dir, prefix=name))
    folder.chmod(0o755)
    (folder / "body.json").write_text(body)
    text = (PEERS / config).read_text()
    for place, value in {"BIND": url.removeprefix("http://"), "FOLDER": str(folder), "BEHIND": behind}.items():
        text = text.replace(f"@{place}@", value)
    (folder / "nginx.conf").write_text(text)
    command = ["taskset", "-c", str(core), str(find("nginx")), "-p", str(folder), "-c", str(folder / "nginx.conf")]
    return _started(name, command, {"PATH": os.environ["PATH"]}, url, run_dir)


def _started(name: str, command: list[str], environment: dict[str, str], url: str, run_dir: Path) -> RunningProcess:
    process = start_process(
        name, command, env=environment, log_path=run_dir / f"{name}.log", ready=_answers(url), timeout_s=30
    )
    process.ready["url"] = url
    return process


def _answers(url: str) -> Callable[[], bool]:
    def ready() -> bool:
        try:
            httpx.get(url, timeout=1)
        except httpx.HTTPError:
            return False
        return True

    return ready
