"""The CPU that the inbound policies of the experience tier cost a request that no cache answers, in microseconds.

The tier is built as it is in production, with its own list of policies; only what comes behind the last policy is
replaced by something that answers a kilobyte at once, and what that costs by itself is taken off.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from typing import Any

import uvloop
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.processes.process import ProcessError
from tests.benchmarks.contenders import MEASURED_CORE, Field

_AT_ONCE = 64
_REQUESTS = 20_000
_BODY = json.dumps({"padding": "x" * 1000}).encode()
_HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(_BODY)).encode())]


def measured(field: Field) -> float:
    """Measure in a process of its own, on the measured core. Raises ProcessError where that fails."""
    settings = field.landscape.settings("experience")
    environment = {"PATH": os.environ["PATH"], "HOME": str(field.folder), **settings, "BENCH_TOKEN": field.token}
    ran = subprocess.run(
        ["taskset", "-c", str(MEASURED_CORE), sys.executable, "-m", "tests.benchmarks.policy_cost"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    if ran.returncode != 0:
        raise ProcessError(f"The policies' cost could not be measured: {ran.stderr.strip()[-1500:]}")
    return float(ran.stdout)


async def answer_at_once(_: Scope, __: Receive, send: Send) -> None:
    """What stands in place of the framework."""
    await send({"type": "http.response.start", "status": 200, "headers": list(_HEADERS)})
    await send({"type": "http.response.body", "body": _BODY, "more_body": False})


async def _receive() -> Any:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _send(_: Message) -> None:
    return


def _scope(number: int, token: str, app: Any) -> Any:
    path = f"/v1/orders/ord_{number:032x}"
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [
            (b"host", b"127.0.0.1"),
            (b"accept", b"*/*"),
            (b"accept-encoding", b"gzip"),
            (b"user-agent", b"Salesforce-Apex"),
            (b"authorization", b"Bearer " + token.encode()),
        ],
        "client": ("127.0.0.1", 40_000),
        "server": ("127.0.0.1", 8001),
        "state": {},
        "app": app,
        "litestar_app": app,
    }


async def _cpu_us(app: ASGIApp, litestar: Any, token: str) -> float:
    """CPU of this process for one request, on the average of many, so many at once."""
    numbers = iter(range(_REQUESTS))

    async def ask() -> None:
        for number in numbers:
            await app(_scope(number, token, litestar), _receive, _send)

    await app(_scope(0, token, litestar), _receive, _send)
    began = time.process_time()
    await asyncio.gather(*(ask() for _ in range(_AT_ONCE)))
    return (time.process_time() - began) / _REQUESTS * 1e6


async def _main() -> None:
    from experience_api.app import create_app
    from experience_api.settings import ExperienceSettings
    from shared.inbound import service
    from shared.operations.chain import in_order
    from shared.settings import load_settings

    real = in_order
    setattr(service, "in_order", lambda policies, _: real(policies, answer_at_once))  # noqa: B010 not one of its exports
    app = create_app(load_settings(ExperienceSettings, os.environ))
    async with app.lifespan():
        token = os.environ["BENCH_TOKEN"]
        alone = await _cpu_us(answer_at_once, app, token)
        with_policies = await _cpu_us(app.asgi_handler, app, token)
    sys.stdout.write(f"{with_policies - alone:.2f}\n")


if __name__ == "__main__":
    uvloop.run(_main())
