"""`python -m sandbox.vendors.tryton build | serve`: build the ERP's database, or run an ERP on a fresh copy of it."""

import argparse
import json
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from sandbox.engines.postgres import ExternalPostgres, run_database
from sandbox.processes.process import ProcessError, remove_when_done
from sandbox.processes.progress import Progress
from sandbox.vendors.tryton.database import golden_cluster, start_postgres_with_erp
from sandbox.vendors.tryton.server import DATABASE, TrytonServer


def main() -> int:
    """Run the command line. Returns 1 after a failure that a person must know of."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.vendors.tryton", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build", help="install Tryton and build its database, unless both are there already")
    serve = commands.add_parser("serve", help="run an ERP on a fresh copy of the database until Ctrl-C")
    serve.add_argument("--port", type=int, default=0, help="the port to listen on (default: a free one)")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    # A shell ignores Ctrl-C's signal for background programs; anyone who sends it to this one means it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        if arguments.command == "build":
            _build()
        else:
            _serve(arguments.port)
    except ProcessError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


def _build() -> None:
    folder = golden_cluster(Progress(sys.stderr))
    print(f"The ERP's database is ready: {folder}")


def _serve(port: int) -> None:
    progress = Progress(sys.stderr)
    run_dir = Path(tempfile.mkdtemp(prefix="quoteway-erp-"))
    remove_when_done(run_dir)
    database = run_database(DATABASE)
    postgres, credentials = start_postgres_with_erp(run_dir / "postgres", progress, durable=False, database=database)
    with ExitStack() as stack:
        stack.enter_context(postgres)
        if isinstance(postgres, ExternalPostgres):
            stack.callback(postgres.drop_database, database)
        server = TrytonServer(
            postgres, database, run_dir=run_dir, port=port, credentials=credentials, progress=progress
        )
        with progress.step("Starting Tryton"):
            server.start()
        with server:
            ready = {"ready": True, "url": server.url, "database": server.database, "run_dir": str(run_dir)}
            print(json.dumps(ready), flush=True)
            while server.is_running:
                time.sleep(1.0)
            raise ProcessError(f"Tryton ended by itself. The last lines of its log:\n{server.log_tail()}")


if __name__ == "__main__":
    sys.exit(main())
