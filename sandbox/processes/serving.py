"""Serves a simulator: the socket is bound first, so that the application is created with its address."""

import argparse
import json
import signal
import socket
import sys
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

from sandbox.processes.ports import bind_free_port

_GRACE_S = 1


class _AnnouncingServer(uvicorn.Server):
    """A server that prints the ready line once it accepts connections."""

    def __init__(self, config: uvicorn.Config, url: str) -> None:
        super().__init__(config)
        self._url = url

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            print(json.dumps({"ready": True, "url": self._url}), flush=True)


def add_address(parser: argparse.ArgumentParser) -> None:
    """Add the options for host and port."""
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 (the default) takes a free port")


def serve(name: str, host: str, port: int, make_app: Callable[[str], ASGIApp]) -> None:
    """Serve the app that `make_app` creates for its own address (no trailing slash) until SIGTERM or SIGINT.

    Port 0 takes a free one; the ready line `{"ready": true, "url": ...}` has its number. If the address is taken, or
    `make_app` raises OSError, ValueError or KeyError over its settings, the process exits with status 2 and a sentence
    that starts with `name`.
    """
    try:
        with _listener(host, port) as listener:
            bound_host, bound_port = listener.getsockname()[:2]
            shown = f"[{bound_host}]" if ":" in bound_host else bound_host
            url = f"http://{shown}:{bound_port}"
            _run(make_app(url), url, listener)
    except (OSError, ValueError, KeyError) as error:
        print(f"{name} cannot start: {error}", file=sys.stderr)
        sys.exit(2)


def _run(app: ASGIApp, url: str, listener: socket.socket) -> None:
    config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=_GRACE_S)
    # uvicorn shuts down and then raises the signal again: for a process that only served, that is success.
    for asked_to_end in (signal.SIGTERM, signal.SIGINT):
        signal.signal(asked_to_end, lambda *_: sys.exit(0))
    _AnnouncingServer(config, url).run(sockets=[listener])


def _listener(host: str, port: int) -> socket.socket:
    # Marked as TCP on purpose: asyncio turns Nagle's algorithm off only for sockets whose protocol it can see; with it
    # every answer waits 40 ms for the client's delayed acknowledgement.
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    family, type_, protocol, _, address = found[0]
    listener = socket.socket(family, type_, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if port:
            listener.bind(address)
        else:
            bind_free_port(listener, str(address[0]))
    except OSError:
        listener.close()
        raise
    return listener
