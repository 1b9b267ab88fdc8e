"""`python -m sandbox.salesforce`: run the org until SIGTERM or SIGINT."""

import argparse
import json
import signal
import socket
import sys
from pathlib import Path

import uvicorn

from sandbox.salesforce.app import create_app
from sandbox.salesforce.settings import SalesforceSandboxSettings


class _AnnouncingServer(uvicorn.Server):
    """Prints one line once connections are accepted, so that whoever started the process knows when to go on."""

    def __init__(self, config: uvicorn.Config, url: str) -> None:
        super().__init__(config)
        self._url = url

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print(json.dumps({"ready": True, "url": self._url}), flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox.salesforce", description="The sandbox's Salesforce org.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 (the default) takes a free port")
    parser.add_argument("--seed", type=Path, default=Path("sandbox/data"), help="folder of the data files")
    parser.add_argument("--credentials", type=Path, required=True, help="JSON file, generated when it is missing")
    parser.add_argument("--daily-requests-max", type=int, default=100_000, help="the day's API quota")
    parser.add_argument("--requests-per-second-max", type=int, default=500)
    parser.add_argument("--session-life-s", type=int, default=7200, help="life of an access token in seconds")
    parser.add_argument("--instance-url", help="when clients reach it under another address than http://HOST:PORT")
    return parser.parse_args()


def main() -> None:
    arguments = _arguments()
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((arguments.host, arguments.port))
            url = f"http://{arguments.host}:{listener.getsockname()[1]}"
            settings = SalesforceSandboxSettings(
                instance_url=(arguments.instance_url or url).rstrip("/"),
                seed_dir=arguments.seed,
                credentials_file=arguments.credentials,
                daily_requests_max=arguments.daily_requests_max,
                requests_per_second_max=arguments.requests_per_second_max,
                session_life_s=arguments.session_life_s,
            )
            app = create_app(settings)
        except (OSError, ValueError) as error:
            sys.exit(f"the Salesforce sandbox cannot start: {error}")
        config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=1)
        # uvicorn ends in order and then raises the signal again: for a process that only served, that is success.
        for asked_to_end in (signal.SIGTERM, signal.SIGINT):
            signal.signal(asked_to_end, lambda *_: sys.exit(0))
        _AnnouncingServer(config, url).run(sockets=[listener])


if __name__ == "__main__":
    main()
