"""`python -m sandbox.stripe`: the Stripe sandbox as a process."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import socket
import sys
from dataclasses import MISSING, fields
from pathlib import Path

import uvicorn

from sandbox.stripe.app import create_app
from sandbox.stripe.settings import StripeSandboxSettings

KEY_VARIABLE = "QUOTEWAY_SANDBOX_STRIPE_KEY"
_OPTIONS = {
    "rate_limit": "quota of the whole account",
    "endpoint_rate_limit": "quota of each endpoint",
    "search_rate_limit": "quota of all searches together",
    "subscription_invoice_limit": "new invoices of one subscription that requests may make",
    "search_lag_s": "how long the search index trails the writes",
    "latency_s": "how long a write is being worked on",
    "lock_wait_s": "how long a write waits for another one on the same object",
    "idempotency_kept_s": "how long an answer is kept under its key",
    "webhook_retry_first_s": "wait before the first retry of a webhook; it doubles each time",
    "webhook_retry_cap_s": "longest wait between two retries",
    "webhook_attempts_max": "attempts to deliver a webhook",
    "webhook_timeout_s": "how long a webhook receiver may take",
    "webhook_duplicate_every": "deliver every n-th event twice (0: none)",
    "external_id_key": "metadata key that the journal shows as external_id",
}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox.stripe", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free port (default)")
    parser.add_argument("--seed", type=Path, metavar="DIR", help="folder with products.toml")
    parser.add_argument(
        "--secret-key-file",
        type=Path,
        help=f"file with the secret key, made with a fresh one when missing; without it ${KEY_VARIABLE} is read",
    )
    defaults = {each.name: each.default for each in fields(StripeSandboxSettings) if each.default is not MISSING}
    for name, meaning in _OPTIONS.items():
        default = defaults[name]
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=type(default), default=default, help=f"{meaning} (default: {default})"
        )
    return parser.parse_args()


def _secret_key(file: Path | None) -> str:
    if file is None:
        key = os.environ.get(KEY_VARIABLE, "")
        if not key:
            raise ValueError(f"no secret key: pass --secret-key-file FILE or set {KEY_VARIABLE}")
        return key
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(f"sk_test_{secrets.token_hex(24)}\n", encoding="ascii")
    return file.read_text(encoding="ascii").strip()


class _AnnouncingServer(uvicorn.Server):
    """Says where it is, in one line of JSON, once it accepts connections."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and sockets:
            host, port = sockets[0].getsockname()[:2]
            print(json.dumps({"ready": True, "url": f"http://{host}:{port}"}), flush=True)


def _listener(host: str, port: int) -> socket.socket:
    # Named TCP on purpose: asyncio turns Nagle's algorithm off only for sockets whose protocol it can see, and with it
    # every answer waits 40 ms for the client's delayed acknowledgement.
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    family, type_, protocol, _, address = found[0]
    listener = socket.socket(family, type_, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(address)
    return listener


def _serve(settings: StripeSandboxSettings, host: str, port: int) -> None:
    app = create_app(settings)
    with _listener(host, port) as listener:
        config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=1)
        _AnnouncingServer(config).run(sockets=[listener])


def main() -> int:
    """Serve until SIGTERM or SIGINT; 2 when the settings are wrong."""
    arguments = _arguments()
    try:
        chosen = {name: getattr(arguments, name) for name in _OPTIONS}
        settings = StripeSandboxSettings(
            secret_key=_secret_key(arguments.secret_key_file), seed_dir=arguments.seed, **chosen
        )
        _serve(settings, arguments.host, arguments.port)
    except KeyboardInterrupt:
        return 130
    except (OSError, ValueError, KeyError) as error:
        print(f"stripe sandbox: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
