"""Keys, checkpoints and verification of the audit log.

    python -m shared.audit keygen FILE     make the signing key (FILE) and its public half (FILE.pub)
    python -m shared.audit sign [--once]   export a checkpoint of every log that has grown, again and again
    python -m shared.audit verify          find every edit, deletion, reordering and truncation
    python -m shared.audit export          export old entries, up to a signed checkpoint, to a self-contained file
    python -m shared.audit verify-export   verify such files with the public key
    python -m shared.audit cut             delete exported entries from the database

`sign` takes its settings from the environment (QUOTEWAY_AUDIT_...). It runs beside the tiers as a process of its own,
so that no process can both write entries and sign them. `verify`, `export`, `verify-export` and `cut` exit with status
1 if they found a change, and with 2 if they could not do their work.
"""

import argparse
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Annotated

import msgspec
import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from msgspec import Meta

from shared.audit.chain import Finding
from shared.audit.cutting import CUTTING, add_cutting, cut_or_say_why_not, read_public_key
from shared.audit.reader import AuditReader
from shared.audit.signer import Signer, TamperedError
from shared.audit.verification import Progress, verify
from shared.settings import LogLevel, load_settings_or_exit
from shared.telemetry.process_telemetry import log_to_stderr

ORIGIN = "quoteway-audit"


class AuditSigningSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of the signer."""

    audit_database_url: Annotated[
        str, Meta(pattern="^postgresql://", description="PostgreSQL with the audit log, as a login that may read it")
    ]
    audit_signing_key_file: Annotated[
        str, Meta(min_length=1, description="the Ed25519 key (PEM) that `python -m shared.audit keygen` made")
    ]
    audit_checkpoint_folder: Annotated[
        str, Meta(description="where checkpoints are exported to, outside the database's reach; `-` is standard output")
    ] = "-"
    audit_checkpoint_s: Annotated[float, Meta(ge=1, le=86400, description="seconds between two checkpoints")] = 60.0
    audit_origin: Annotated[
        str,
        Meta(pattern="^[^\\s+]+$", description="how the names of this installation's logs begin; the tenant follows"),
    ] = ORIGIN
    log_level: LogLevel = "INFO"


def make_key(path: Path) -> None:
    """Write a new key pair. Raises FileExistsError rather than overwrite a key that may have signed something."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.touch(mode=0o600, exist_ok=False)
    path.write_bytes(private)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    path.with_name(path.name + ".pub").write_bytes(public)


def sign(settings: AuditSigningSettings, *, once: bool) -> int:
    """Export checkpoints until SIGTERM or SIGINT, or once. Returns the exit status."""
    ending = False

    def end(_signal: int, _frame: FrameType | None) -> None:
        nonlocal ending
        ending = True

    for asked_to_end in (signal.SIGTERM, signal.SIGINT):
        signal.signal(asked_to_end, end)
    log_to_stderr(settings.log_level)
    try:
        key = load_pem_private_key(Path(settings.audit_signing_key_file).read_bytes(), None)
    except (OSError, ValueError) as error:
        return _refuse(f"QUOTEWAY_AUDIT_SIGNING_KEY_FILE cannot be used: {error}")
    if not isinstance(key, Ed25519PrivateKey):
        return _refuse("QUOTEWAY_AUDIT_SIGNING_KEY_FILE is no Ed25519 key.")
    streamed = settings.audit_checkpoint_folder == "-"
    reader = AuditReader(settings.audit_database_url)
    signer = Signer(reader, key, settings.audit_origin, None if streamed else Path(settings.audit_checkpoint_folder))
    if not streamed and not once:
        sys.stdout.write('{"ready": true}\n')
        sys.stdout.flush()
    failed = False
    while not ending:
        failed = not _sign_once(reader, signer)
        if once:
            break
        until = time.monotonic() + settings.audit_checkpoint_s
        while not ending and time.monotonic() < until:
            time.sleep(0.1)
    return 1 if failed else 0


def _sign_once(reader: AuditReader, signer: Signer) -> bool:
    """Return whether every log was signed. Every fault is reported in every round, so that nobody misses it."""
    try:
        with reader:
            signer.sign_all()
    except psycopg.Error as error:
        sys.stderr.write(f"No checkpoint: the database does not answer ({str(error).strip().splitlines()[0]}).\n")
    except OSError as error:
        sys.stderr.write(f"No checkpoint: it cannot be written ({error}).\n")
    except TamperedError as error:
        sys.stderr.write(f"NOT SIGNED, THE AUDIT LOG WAS CHANGED: {error}. Run `python -m shared.audit verify`.\n")
    else:
        return True
    return False


def verify_or_say_why_not(arguments: argparse.Namespace) -> int:
    """Verify the log, with progress on standard error. Returns the exit status."""
    if bool(arguments.checkpoints) != bool(arguments.public_key):
        return _refuse("--checkpoints and --public-key belong together.")
    if arguments.exports and not arguments.public_key:
        return _refuse("--exports needs --checkpoints and --public-key.")
    findings: list[Finding] = []
    progress = Progress(sys.stderr)
    try:
        key = read_public_key(arguments.public_key) if arguments.public_key else None
        with AuditReader(arguments.database) as reader:
            for finding in verify(reader, arguments.checkpoints, key, arguments.origin, progress, arguments.exports):
                findings.append(finding)
                progress.say(f"FOUND {finding}")
    except psycopg.Error as error:
        return _refuse(f"The audit log cannot be read: {str(error).strip().splitlines()[0]}")
    except ValueError as error:
        return _refuse(str(error))
    if findings:
        progress.say(f"The audit log was changed: {len(findings)} finding(s).")
        return 1
    behind = "" if key else " Without checkpoints, a chain that was recomputed as a whole cannot be told."
    looked_at = f"{progress.entries} entries of {progress.logs} log(s), {progress.checkpoints} checkpoint(s)"
    progress.say(f"{looked_at}: unchanged.{behind}")
    return 0


def main() -> int:
    """Run a command. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m shared.audit", description="The audit log.")
    commands = parser.add_subparsers(dest="command", required=True)
    keygen = commands.add_parser("keygen", help="make the signing key and its public half")
    keygen.add_argument("file", type=Path)
    signing = commands.add_parser("sign", help="export checkpoints (settings from the environment)")
    signing.add_argument("--once", action="store_true", help="one round instead of one a minute")
    verifying = commands.add_parser("verify", help="find every change")
    verifying.add_argument(
        "--database",
        default=os.environ.get("QUOTEWAY_AUDIT_DATABASE_URL"),
        help="the database's address; QUOTEWAY_AUDIT_DATABASE_URL where it is not given",
    )
    verifying.add_argument("--checkpoints", type=Path, help="an exported checkpoint, or a folder of them")
    verifying.add_argument("--public-key", type=Path, help="the public half of the signing key (PEM)")
    verifying.add_argument("--origin", default=ORIGIN, help=f"how the names of the logs begin ({ORIGIN})")
    verifying.add_argument("--exports", type=Path, help="a folder of exports: that of a log what was cut is there")
    add_cutting(commands, ORIGIN)
    arguments = parser.parse_args()
    if arguments.command == "keygen":
        try:
            make_key(arguments.file)
        except OSError as error:
            return _refuse(f"The key cannot be written: {error}")
        sys.stderr.write(f"{arguments.file} signs; give {arguments.file}.pub to whoever verifies.\n")
        return 0
    if arguments.command in CUTTING:
        return cut_or_say_why_not(arguments)
    if arguments.command == "sign":
        return sign(load_settings_or_exit(AuditSigningSettings, os.environ, "The audit signer"), once=arguments.once)
    if not arguments.database:
        return _refuse("Say where the log is: --database, or QUOTEWAY_AUDIT_DATABASE_URL.")
    return verify_or_say_why_not(arguments)


def _refuse(reason: str) -> int:
    sys.stderr.write(reason + "\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
