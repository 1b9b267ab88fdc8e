"""`python -m sandbox.vendors.salesforce`: run the org until SIGTERM or SIGINT."""

import argparse
from pathlib import Path

from starlette.types import ASGIApp

from sandbox.processes.serving import add_address, serve
from sandbox.vendors.salesforce.app import create_app
from sandbox.vendors.salesforce.profiles import PROFILES
from sandbox.vendors.salesforce.settings import SalesforceSandboxSettings


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.vendors.salesforce", description="The sandbox's Salesforce org."
    )
    add_address(parser)
    parser.add_argument("--seed", type=Path, default=Path("sandbox/data"), help="folder of the data files")
    parser.add_argument("--credentials", type=Path, required=True, help="JSON file, generated when it is missing")
    parser.add_argument("--daily-requests-max", type=int, default=100_000, help="the day's API quota")
    parser.add_argument("--requests-per-second-max", type=int, default=500)
    parser.add_argument("--session-life-s", type=int, default=7200, help="life of an access token in seconds")
    parser.add_argument("--instance-url", help="when clients reach it under another address than http://HOST:PORT")
    parser.add_argument(
        "--profile", action="append", default=[], choices=list(PROFILES), help="what is peculiar to the org; repeat it"
    )
    return parser.parse_args()


def main() -> None:
    arguments = _arguments()

    def make_app(url: str) -> ASGIApp:
        settings = SalesforceSandboxSettings(
            instance_url=(arguments.instance_url or url).rstrip("/"),
            seed_dir=arguments.seed,
            credentials_file=arguments.credentials,
            daily_requests_max=arguments.daily_requests_max,
            requests_per_second_max=arguments.requests_per_second_max,
            session_life_s=arguments.session_life_s,
            profiles=tuple(arguments.profile),
        )
        return create_app(settings)

    serve("the Salesforce sandbox", arguments.host, arguments.port, make_app)


if __name__ == "__main__":
    main()
