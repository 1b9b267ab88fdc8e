"""Exports the older part of a log to a file, and deletes exported entries from the database.

An export ends at a signed checkpoint, and only exported entries are deleted. So deleted entries can be verified as
before, and the rest of the log continues from the checkpoint's tree. The three commands need three different rights: to
read the log, to read a file, and to cut.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from shared.audit.checkpoint import Checkpoint, origin_of, read_checkpoint
from shared.audit.cut import UNCUT, Cut
from shared.audit.export import Exported, ExportError, covered, export_files, read_export, write_export
from shared.audit.log import CUTTER_ROLE, SCHEMA
from shared.audit.note import NoteError
from shared.audit.reader import AuditReader

CUTTING = ("export", "verify-export", "cut")
KEPT_DAYS = 400
_AT_ONCE = 1000
_PAUSE_S = 0.1
# As long as a tier waits for its entry: a batch that blocks others for longer is given up and tried later.
_STATEMENT_MS = 3000


class RefusedError(Exception):
    """The command did nothing; the message says why."""


def read_public_key(path: Path) -> Ed25519PublicKey:
    """Return the key that checkpoints are verified with. Raises ValueError if the file has none."""
    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be used: {error}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError(f"{path} is no Ed25519 key.")  # noqa: TRY004 of the file, not of an argument
    return key


def add_cutting(commands: Any, origin: str) -> None:
    """Add the commands to the parser of `python -m shared.audit`."""
    kept = os.environ.get("QUOTEWAY_AUDIT_KEPT_DAYS", str(KEPT_DAYS))
    exporting = commands.add_parser("export", help="write old entries to a file that verifies alone")
    exporting.add_argument(
        "--checkpoints", type=Path, required=True, help="the folder that checkpoints are exported to"
    )
    exporting.add_argument("--to", type=Path, required=True, help="the folder that the files go to")
    exporting.add_argument("--tenant", help="of this log only; of every log where it is not given")
    exporting.add_argument(
        "--keep-days",
        type=int,
        default=kept,
        help=f"leave what is younger; QUOTEWAY_AUDIT_KEPT_DAYS or {KEPT_DAYS} where it is not given",
    )
    reading = commands.add_parser("verify-export", help="find every change of exported files")
    cutting = commands.add_parser("cut", help="delete from the database what was exported")
    for command in (reading, cutting):
        command.add_argument("exports", type=Path, help="an exported file, or a folder of them")
    for command in (exporting, cutting):
        command.add_argument(
            "--database",
            default=os.environ.get("QUOTEWAY_AUDIT_DATABASE_URL"),
            help="the database's address; QUOTEWAY_AUDIT_DATABASE_URL where it is not given",
        )
    for command in (exporting, reading, cutting):
        command.add_argument("--public-key", type=Path, required=True, help="the public half of the signing key (PEM)")
        command.add_argument("--origin", default=origin, help=f"how the names of the logs begin ({origin})")


def cut_or_say_why_not(arguments: argparse.Namespace) -> int:
    """Run one of the commands. Returns the exit status: 1 if something was changed, 2 if nothing was done."""
    if arguments.command != "verify-export" and not arguments.database:
        return _say("Say where the log is: --database, or QUOTEWAY_AUDIT_DATABASE_URL.", 2)
    done = {"export": _export, "verify-export": _verify_exports, "cut": _cut}[arguments.command]
    try:
        return done(arguments, read_public_key(arguments.public_key))
    except ExportError as error:
        return _say(f"FOUND {error}", 1)
    except psycopg.Error as error:
        return _say(f"The audit log does not take it: {str(error).strip().splitlines()[0]}", 2)
    except (RefusedError, ValueError, OSError) as error:
        return _say(str(error), 2)


def _export(arguments: argparse.Namespace, key: Ed25519PublicKey) -> int:
    if arguments.keep_days < 0:
        raise RefusedError("--keep-days is no number of days.")
    arguments.to.mkdir(parents=True, exist_ok=True)
    with AuditReader(arguments.database) as reader:
        tenants, cuts = [arguments.tenant] if arguments.tenant else reader.tenants(), reader.cuts()
        for tenant in tenants:
            before, last = cuts.get(tenant, UNCUT), reader.last_older_than(tenant, arguments.keep_days)
            found = _checkpoint(arguments.checkpoints, arguments.origin, tenant, before.size, last, key)
            if found is None:
                why = (
                    f"{tenant}: no checkpoint stands between entries {before.size + 1} and {last}: nothing is exported."
                )
                if arguments.tenant:
                    raise RefusedError(why)
                _say(why)
                continue
            note, checkpoint = found
            path = write_export(arguments.to, tenant, before, reader.rows(tenant, before.size), note, checkpoint)
            _say(f"{tenant}: entries {before.size + 1} to {checkpoint.size} are in {path}.")
    return 0


def _checkpoint(
    folder: Path, prefix: str, tenant: str, after: int, last: int, key: Ed25519PublicKey
) -> tuple[str, Checkpoint] | None:
    """Return the newest checkpoint over more than `after` and at most `last` entries.

    One that cannot be verified is skipped.
    """
    for path in _newest_first((folder / tenant).rglob("*.checkpoint"), last):
        try:
            note = path.read_text(encoding="utf-8")
            checkpoint = read_checkpoint(note, origin_of(prefix, tenant), key)
        except (NoteError, UnicodeDecodeError) as error:
            _say(f"{path} is passed over: {error}.")
            continue
        if after < checkpoint.size <= last:
            return note, checkpoint
    return None


def _newest_first(paths: Iterator[Path], last: int) -> list[Path]:
    """Return the files named after a size of at most `last`, the largest first."""
    named = [path for path in paths if path.stem.isdecimal() and int(path.stem) <= last]
    return sorted(named, key=lambda path: int(path.stem), reverse=True)


def _verify_exports(arguments: argparse.Namespace, key: Ed25519PublicKey) -> int:
    path: Path = arguments.exports
    if not path.is_dir():
        exported = read_export(path, arguments.origin, key)
        return _say(f"{exported.tenant}: entries {exported.after.size + 1} to {exported.cut.size}: unchanged.", 0)
    ends, faults = covered(path, arguments.origin, key)
    for tenant, fault in faults:
        _say(f"FOUND {tenant}: {fault}")
    if not ends and not faults:
        raise RefusedError(f"{path} holds no export.")
    for tenant, size in sorted(ends.items()):
        _say(f"{tenant}: entries 1 to {size}: unchanged.")
    return 1 if faults else 0


def _cut(arguments: argparse.Namespace, key: Ed25519PublicKey) -> int:
    files = export_files(arguments.exports)
    if not files:
        raise RefusedError(f"{arguments.exports} holds no export.")
    with psycopg.connect(
        arguments.database,
        autocommit=True,
        connect_timeout=5,
        options=f"-c role={CUTTER_ROLE} -c statement_timeout={_STATEMENT_MS}",
        application_name="audit cutter",
    ) as connection:
        for path in files:
            exported = read_export(path, arguments.origin, key)
            now = _cut_now(connection, exported.tenant)
            if exported.cut.size > now.size:
                if (exported.after.size, exported.after.edge) != (now.size, now.edge):
                    begins = f"{path} begins behind entry {exported.after.size}"
                    raise RefusedError(f"{begins}, and the log of {exported.tenant} behind entry {now.size}.")
                # Read again for the chain, which continues from what is known of the entries before.
                _record(connection, read_export(path, arguments.origin, key, now.chain_hash))
            deleted = _delete(connection, exported.tenant)
            _say(f"{exported.tenant}: {deleted} entries up to {exported.cut.size} are deleted.")
    return 0


def _cut_now(connection: psycopg.Connection, tenant: str) -> Cut:
    query = f"SELECT size, edge, chain_hash, checkpoint FROM {SCHEMA}.cuts WHERE tenant = %s ORDER BY size DESC LIMIT 1"  # noqa: S608 a constant
    row = connection.execute(query, (tenant,)).fetchone()
    if row is None:
        return UNCUT
    size, edge, chain_hash, checkpoint = row
    return Cut(size, tuple(bytes(each) for each in edge), bytes(chain_hash), checkpoint)


def _record(connection: psycopg.Connection, exported: Exported) -> None:
    """Record where the log starts from now on. The database refuses unless its own chain agrees."""
    cut = exported.cut
    try:
        connection.execute(
            f"SELECT {SCHEMA}.cut(%s, %s, %b::bytea[], %b, %s)",
            (exported.tenant, cut.size, list(cut.edge), cut.chain_hash, cut.checkpoint),
        )
    except psycopg.errors.CheckViolation as error:
        raise ExportError(f"{exported.tenant}: {error.diag.message_primary}") from error


def _delete(connection: psycopg.Connection, tenant: str) -> int:
    """Delete the entries before the cut, in batches with a transaction each. It may be interrupted and started
    again.
    """
    deleted = 0
    while True:
        row = connection.execute(f"SELECT {SCHEMA}.delete_before_cut(%s, %s)", (tenant, _AT_ONCE)).fetchone()
        batch = int(row[0]) if row else 0
        deleted += batch
        if not batch:
            return deleted
        time.sleep(_PAUSE_S)


def _say(sentence: str, status: int = 0) -> int:
    sys.stderr.write(sentence + "\n")
    return status
