"""`python -m sandbox.issuer`: run the issuer until SIGTERM or SIGINT."""

import argparse
from pathlib import Path

from starlette.types import ASGIApp

from sandbox.issuer.app import create_app
from sandbox.issuer.settings import IssuerSettings
from sandbox.processes.serving import add_address, serve


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox.issuer", description="The sandbox's OAuth issuer.")
    add_address(parser)
    parser.add_argument("--state", type=Path, required=True, help="folder of the generated secrets and keys")
    parser.add_argument("--clients", type=Path, default=Path("sandbox/data/clients.toml"))
    parser.add_argument("--ttl-s", type=int, default=600, help="life of an access token in seconds")
    parser.add_argument("--issuer-url", help="when clients reach it under another address than http://HOST:PORT")
    return parser.parse_args()


def main() -> None:
    arguments = _arguments()

    def make_app(url: str) -> ASGIApp:
        settings = IssuerSettings(
            issuer_url=(arguments.issuer_url or url).rstrip("/"),
            state_dir=arguments.state,
            clients_file=arguments.clients,
            ttl_s=arguments.ttl_s,
        )
        return create_app(settings)

    serve("the issuer", arguments.host, arguments.port, make_app)


if __name__ == "__main__":
    main()
