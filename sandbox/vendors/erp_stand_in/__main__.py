"""`python -m sandbox.vendors.erp_stand_in`: the ERP's stand-in as a process."""

import argparse
from pathlib import Path

from starlette.types import ASGIApp

from sandbox.processes.serving import add_address, serve
from sandbox.vendors.erp_stand_in.app import create_app
from sandbox.vendors.tryton.data import DATA_FOLDER, load_seed_data
from sandbox.vendors.tryton.server import DATABASE


def main() -> None:
    """Serve until SIGTERM or SIGINT; 2 when the settings are wrong."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.vendors.erp_stand_in", description=__doc__)
    add_address(parser)
    parser.add_argument("--seed", type=Path, default=DATA_FOLDER, metavar="DIR", help="folder with the shared data")
    parser.add_argument("--key-file", type=Path, required=True, help="file with the key that it accepts")
    arguments = parser.parse_args()

    def make_app(_url: str) -> ASGIApp:
        return create_app(DATABASE, arguments.key_file.read_text().strip(), load_seed_data(arguments.seed))

    serve("the ERP's stand-in", arguments.host, arguments.port, make_app)


if __name__ == "__main__":
    main()
