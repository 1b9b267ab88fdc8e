"""Check what the vendors lack for Quoteway: `python -m system_api.check_connections [connections.toml] [--json]`.

Without a path, the file of QUOTEWAY_SYSTEM_CONNECTIONS is checked. Nothing is written anywhere. The exit code is 0 if
nothing has to be mended (there may be warnings and notes), 1 if something is lacking, 2 if the file cannot be used.
"""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TextIO

from shared.outbound.http_client import Transport
from system_api.connections import Connection, ConnectionsError, load_connections
from system_api.registry import Registry, build_registry
from system_api.vendor.findings import Finding, Level

PATH_VARIABLE = "QUOTEWAY_SYSTEM_CONNECTIONS"
_MARKS = {Level.lacks: "LACKS", Level.warns: "warns", Level.notes: "notes"}


def main(arguments: list[str] | None = None, environment: Mapping[str, str] | None = None) -> int:
    """Check, print, and return the exit code."""
    environment = os.environ if environment is None else environment
    parser = argparse.ArgumentParser(prog="python -m system_api.check_connections", description=__doc__)
    parser.add_argument("file", nargs="?", default=environment.get(PATH_VARIABLE, ""), help="the connections file")
    parser.add_argument("--json", action="store_true", help="print JSON instead of sentences")
    chosen = parser.parse_args(arguments)
    if not chosen.file:
        parser.error(f"name the connections file, or set {PATH_VARIABLE}")
    try:
        connections = load_connections(Path(chosen.file), environment)
        registry = build_registry(connections)
    except ConnectionsError as error:
        _tell_faults(error.faults, as_json=chosen.json)
        return 2
    checked = asyncio.run(_check_all(registry, connections, sys.stderr))
    _tell(checked, as_json=chosen.json)
    return 1 if _lacking(checked.values()) else 0


async def check(
    connections: list[Connection], transports: Mapping[str, Transport] | None = None
) -> dict[str, list[Finding]]:
    """Return the findings by connection. `transports` replaces the network of single connections."""
    return await _check_all(build_registry(connections, transports), connections, None)


async def _check_all(
    registry: Registry, connections: list[Connection], progress: TextIO | None
) -> dict[str, list[Finding]]:
    try:
        checked = {}
        for number, connection in enumerate(connections, start=1):
            if progress is not None:
                progress.write(f"[{number}/{len(connections)}] {connection.name} ({connection.adapter}) …\n")
                progress.flush()
            checked[connection.name] = await registry.check(connection)
        return checked
    finally:
        await registry.close()


def _tell(checked: Mapping[str, list[Finding]], *, as_json: bool) -> None:
    lacking = _lacking(checked.values())
    if as_json:
        _print_json({"fine": not lacking, "connections": [_as_json(name, found) for name, found in checked.items()]})
        return
    for name, found in checked.items():
        sys.stdout.write(f"{name}: {'fine' if not found else ''}\n".replace(": \n", ":\n"))
        for each in found:
            sys.stdout.write(f"  {_MARKS[each.level]}  {each.what}\n")
    said = f"{lacking} thing{'s' if lacking > 1 else ''} to mend." if lacking else "Nothing to mend."
    sys.stdout.write(said + "\n")


def _tell_faults(faults: list[str], *, as_json: bool) -> None:
    if as_json:
        _print_json({"fine": False, "faults": faults})
        return
    sys.stdout.write(f"The connections file cannot be used, {len(faults)} fault(s) to mend:\n")
    for fault in faults:
        sys.stdout.write(f"  - {fault}\n")


def _as_json(name: str, found: list[Finding]) -> dict[str, Any]:
    return {"name": name, "findings": [{"level": each.level.value, "what": each.what} for each in found]}


def _print_json(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def _lacking(findings: Iterable[list[Finding]]) -> int:
    return sum(each.level is Level.lacks for found in findings for each in found)


def _end(status: int) -> None:
    """Exit with this status once all output is written, skipping the interpreter's shutdown.

    Threads of the network library may still be closing a connection. If they find the interpreter gone, the process
    aborts (seen on a busy machine: status -6 after a complete report).
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    _end(main())
