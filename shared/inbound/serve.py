"""How a tier's process listens: one line on standard output once it accepts connections, an orderly end on SIGTERM."""

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
# How many new objects the collector of reference cycles waits for. A request makes hundreds that are gone with it, and
# Python's own 700 has the collector at work for an eighth of the time (docs/decisions/0048).
_NEW_OBJECTS = 20_000


class _AnnouncingServer(uvicorn.Server):
    """Says so once connections are accepted, so that whoever started the process knows when to go on."""

    def __init__(self, config: uvicorn.Config, said: Mapping[str, str]) -> None:
        super().__init__(config)
        self._said = said

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        # What is here by now stays until the end: it need not be looked through again and again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(_NEW_OBJECTS)
        sys.stdout.write(json.dumps({"ready": True, **self._said}) + "\n")
        sys.stdout.flush()


def serve(app: ASGIApp, host: str, port: int, name: str, told: Mapping[str, str] | None = None) -> None:
    """Serve `app` until SIGTERM or SIGINT; requests at work then get 10 s to end.

    Port 0 takes a free one; the ready line `{"ready": true, "url": ...}` names it, and says what `told` has. `name`
    begins the sentence a person reads where the address cannot be had, after which the process ends with status 2; it
    ends with 3 where the application itself does not start (its log says why).
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named as TCP, or asyncio leaves Nagle's algorithm on, and every answer waits for about 40 ms.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            sys.stderr.write(
                f"{name} cannot start: {host} port {port} cannot be listened on ({error.strerror}). "
                "Stop the program that holds it, or set another host or port.\n"
            )
            sys.exit(2)
        shown = f"[{host}]" if ":" in host else host
        url = f"http://{shown}:{listener.getsockname()[1]}"
        # The tier logs each request itself, as JSON; uvicorn's own lines would only repeat that in another shape.
        config = uvicorn.Config(
            app,
            http=GuardedConnection,
            loop="uvloop",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            # Nobody is believed about a caller's address or scheme: what anyone may send decides nothing. Behind a
            # proxy that ends TLS, QUOTEWAY_PUBLIC_URL says how callers get here (shared/identity/resource_metadata.py).
            proxy_headers=False,
            timeout_graceful_shutdown=_GRACE_S,
        )
        # uvicorn ends in order and then raises the signal again, for whoever handled it before: for a process whose
        # whole work was to serve, having been asked to end is success.
        for asked_to_end in (signal.SIGTERM, signal.SIGINT):
            signal.signal(asked_to_end, lambda *_: sys.exit(0))
        _AnnouncingServer(config, {"url": url, **(told or {})}).run(sockets=[listener])
