"""The system API's stand-in behind a real socket, so that worker processes can be killed in front of it."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import uvicorn

from sandbox.processes.ports import bind_free_port
from tests.process_api.system_stand_in import SystemStandIn


@dataclass
class SystemServer:
    """The stand-in over HTTP. `hold` names operations that do their work and keep the answer back until `release`."""

    system: SystemStandIn = field(default_factory=SystemStandIn)
    url: str = ""
    hold: set[str] = field(default_factory=set)
    held: int = 0
    pause_s: float = 0.0
    """How long each answer takes."""
    release: threading.Event = field(default_factory=threading.Event)

    async def app(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """The ASGI application."""
        if scope["type"] != "http":
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        path = scope["path"] + ("?" + scope["query_string"].decode() if scope["query_string"] else "")
        if path == "/health/ready":
            answer = httpx.Response(200)
        else:
            answer = self.system.answer(httpx.Request(scope["method"], "http://system" + path, content=body))
            asked = self.system.calls[-1:]  # before the pause: a test may begin anew meanwhile
            await asyncio.sleep(self.pause_s)
            if self.hold.intersection(asked):
                self.held += 1
                while not self.release.is_set():  # noqa: ASYNC110 set by the test's own thread
                    await asyncio.sleep(0.02)
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": answer.content})


@contextmanager
def running_system() -> Iterator[SystemServer]:
    """Serve a fresh stand-in on a free port of the loopback interface, from a thread of its own."""
    server = SystemServer()
    with socket.socket() as listener:
        bind_free_port(listener)
        server.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        serving = uvicorn.Server(
            uvicorn.Config(
                server.app,
                interface="asgi3",
                lifespan="off",
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=1,
            )
        )
        thread = threading.Thread(target=serving.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield server
        finally:
            server.release.set()
            serving.should_exit = True
            thread.join()
