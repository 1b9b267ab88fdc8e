"""Runs a tier's server: a ready line on standard output, an orderly stop on SIGTERM."""

import gc
import json
import signal
import socket
import sys
from collections.abc import Mapping

import uvicorn
from litestar.types import ASGIApp

from shared.inbound.connection_guard import GuardedConnection

_GRACE_S = 10
# After how many new objects the garbage collector runs. A request makes hundreds of short-lived ones, and with Python's
# default of 700 the collector takes an eighth of the time (docs/decisions/0048).
_NEW_OBJECTS = 20_000


class _AnnouncingServer(uvicorn.Server):
    """A server that prints the ready line once it accepts connections."""

    def __init__(self, config: uvicorn.Config, said: Mapping[str, str]) -> None:
        super().__init__(config)
        self._said = said

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        # Objects that exist by now stay until the end: exclude them from garbage collection.
        gc.collect()
        gc.freeze()
        gc.set_threshold(_NEW_OBJECTS)
        sys.stdout.write(json.dumps({"ready": True, **self._said}) + "\n")
        sys.stdout.flush()


def serve(app: ASGIApp, host: str, port: int, name: str, told: Mapping[str, str] | None = None) -> None:
    """Serve `app` until SIGTERM or SIGINT; running requests then get 10 s to end.

    Port 0 takes a free one; the ready line `{"ready": true, "url": ...}` has its number, and the members of `told`.
    `name` starts the sentence on standard error if the address is taken, after which the process exits with status 2;
    status 3 means that the application itself did not start (see its log).
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Marked as TCP, or asyncio leaves Nagle's algorithm on, and every answer waits for about 40 ms.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            sys.stderr.write(
                f"{name} cannot start: {host} port {port} is not available ({error.strerror}). "
                "Stop the program that holds it, or set another host or port.\n"
            )
            sys.exit(2)
        shown = f"[{host}]" if ":" in host else host
        url = f"http://{shown}:{listener.getsockname()[1]}"
        # The tier logs each request itself, as JSON; uvicorn's access log would repeat that in another form.
        config = uvicorn.Config(
            app,
            http=GuardedConnection,
            loop="uvloop",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            # Forwarded headers are ignored: anyone can send them. Behind a proxy that ends TLS, QUOTEWAY_PUBLIC_URL is
            # the address for callers (shared/identity/resource_metadata.py).
            proxy_headers=False,
            timeout_graceful_shutdown=_GRACE_S,
        )
        # uvicorn shuts down and then raises the signal again for an earlier handler. For this process, being asked to
        # stop is success.
        for asked_to_end in (signal.SIGTERM, signal.SIGINT):
            signal.signal(asked_to_end, lambda *_: sys.exit(0))
        _AnnouncingServer(config, {"url": url, **(told or {})}).run(sockets=[listener])
