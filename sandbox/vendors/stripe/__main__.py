"""`python -m sandbox.vendors.stripe`: the Stripe sandbox as a process."""

from __future__ import annotations

import argparse
import os
import secrets
from dataclasses import MISSING, fields
from pathlib import Path

from starlette.types import ASGIApp

from sandbox.processes.serving import add_address, serve
from sandbox.vendors.stripe.app import create_app
from sandbox.vendors.stripe.settings import StripeSandboxSettings

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
    "webhook_drop_every": "never deliver every n-th event (0: none)",
    "require_email": "refuse to send invoices to a customer without an e-mail address",
    "one_currency": "refuse a second currency for a customer who has something running in a first one",
    "one_item_per_price": "refuse the same price on two items of a subscription",
    "external_id_key": "metadata key that the journal shows as external_id",
}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox.vendors.stripe", description=__doc__)
    add_address(parser)
    parser.add_argument("--seed", type=Path, metavar="DIR", help="folder with products.toml")
    parser.add_argument(
        "--secret-key-file",
        type=Path,
        help=f"file with the secret key, made with a fresh one when missing; without it ${KEY_VARIABLE} is read",
    )
    defaults = {each.name: each.default for each in fields(StripeSandboxSettings) if each.default is not MISSING}
    for name, meaning in _OPTIONS.items():
        default = defaults[name]
        option = f"--{name.replace('_', '-')}"
        if isinstance(default, bool):
            parser.add_argument(option, action=argparse.BooleanOptionalAction, default=default, help=meaning)
        else:
            parser.add_argument(option, type=type(default), default=default, help=f"{meaning} (default: {default})")
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


def main() -> None:
    """Serve until SIGTERM or SIGINT; 2 when the settings are wrong."""
    arguments = _arguments()

    def make_app(_url: str) -> ASGIApp:
        chosen = {name: getattr(arguments, name) for name in _OPTIONS}
        key = _secret_key(arguments.secret_key_file)
        return create_app(StripeSandboxSettings(secret_key=key, seed_dir=arguments.seed, **chosen))

    serve("the Stripe sandbox", arguments.host, arguments.port, make_app)


if __name__ == "__main__":
    main()
