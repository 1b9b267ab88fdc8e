"""Exports: log entries in a file that can be verified with nothing but the public key.

The first line names the log and where in it the entries are; then comes a line of JSON for each entry:

    {"form": "quoteway-audit-export/1", "origin": "quoteway-audit/nordwind",
     "after": {"size": 2, "edge": ["<base64>"]}, "checkpoint": "<the signed note over everything up to the last line>"}
    {"sequence": 3, "recordedAt": "2026-11-24T12:00:00.000000Z", "entry": "{...}"}

`edge` holds the roots of the complete subtrees over the `size` entries before the file, largest first: one for each 1
in the size's binary form, and none in a log's first file. The leaf of an entry is SHA-256 over a zero byte, the tenant,
the sequence, `recordedAt` and `entry`, with line feeds between them; the tree over the leaves is RFC 6962's. The file
is right if its tree's root is the one that the checkpoint (C2SP tlog-checkpoint) was signed over: a wrong edge, or a
changed, missing or further entry, gives another root.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import Meta

from shared.audit.chain import Row, next_link
from shared.audit.checkpoint import Checkpoint, origin_of, read_checkpoint
from shared.audit.cut import Cut
from shared.audit.entry import leaf_input, moment_text
from shared.audit.merkle import leaf_hash
from shared.audit.note import NoteError

FORM = "quoteway-audit-export/1"


class ExportError(ValueError):
    """The export is not what was signed, or what is to be exported is not. Says where."""


class After(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is before the file's first entry."""

    size: int
    edge: tuple[bytes, ...]


class Header(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first line."""

    form: str
    origin: str
    after: After
    checkpoint: str


class Line(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """An entry, as the database keeps it."""

    sequence: int
    # Without line feeds: they stand between the parts that are hashed.
    recorded_at: Annotated[str, Meta(pattern=r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\Z")]
    entry: str


@dataclass(frozen=True)
class Exported:
    """A verified file: the entries of `tenant` from the one after `after` to the last of `cut`."""

    tenant: str
    after: After
    cut: Cut


def write_export(
    folder: Path, tenant: str, before: Cut, rows: Iterable[Row], note: str, checkpoint: Checkpoint
) -> Path:
    """Write the entries from `before` up to the checkpoint to a file, and return it. Nothing is left of a failed
    export.

    Raises ExportError if the entries are not those that the checkpoint was signed over.
    """
    path = folder / f"{tenant}-{before.size + 1:012}-{checkpoint.size:012}.jsonl"
    draft = path.with_suffix(".draft")
    header = Header(
        form=FORM, origin=checkpoint.origin, after=After(size=before.size, edge=before.edge), checkpoint=note
    )
    tree = before.tree()
    try:
        with draft.open("wb") as file:
            file.write(msgspec.json.encode(header) + b"\n")
            for row in rows:
                if row.sequence > checkpoint.size:
                    break
                if row.sequence != tree.size + 1:
                    raise ExportError(f"{tenant}: entries {tree.size + 1} to {row.sequence - 1} are missing")
                line = Line(sequence=row.sequence, recorded_at=moment_text(row.recorded_at), entry=row.text)
                file.write(msgspec.json.encode(line) + b"\n")
                tree.append(leaf_hash(leaf_input(tenant, row.sequence, row.recorded_at, row.text)))
            if (tree.size, tree.root()) != (checkpoint.size, checkpoint.root):
                raise ExportError(
                    f"{tenant}: the entries are not what the checkpoint of {checkpoint.size} was signed over"
                )
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return path


def read_export(path: Path, prefix: str, key: Ed25519PublicKey, chain_hash: bytes = b"") -> Exported:
    """Verify a file and return what it holds. Raises ExportError if it is not what was signed.

    The chain is followed from `chain_hash`, so that the file can be compared with a database.
    """
    try:
        with path.open("rb") as file:
            return _read(path, file, prefix, key, chain_hash)
    except (OSError, NoteError, msgspec.DecodeError) as error:
        raise ExportError(f"{path} cannot be trusted: {error}") from error


def _read(path: Path, lines: Iterator[bytes], prefix: str, key: Ed25519PublicKey, chain_hash: bytes) -> Exported:
    header = msgspec.json.decode(next(lines, b""), type=Header)
    tenant = header.origin.removeprefix(f"{prefix}/")
    if header.form != FORM or header.origin != origin_of(prefix, tenant):
        raise ExportError(f"{path} is no export of {prefix}")
    checkpoint = read_checkpoint(header.checkpoint, header.origin, key)
    tree = Cut(size=header.after.size, edge=header.after.edge).tree()
    for number, text in enumerate(lines, start=2):
        line = msgspec.json.decode(text, type=Line)
        if line.sequence != tree.size + 1:
            raise ExportError(f"{path}, line {number}: entry {line.sequence} follows on entry {tree.size}")
        leaf = leaf_hash(f"{tenant}\n{line.sequence}\n{line.recorded_at}\n{line.entry}".encode())
        tree.append(leaf)
        chain_hash = next_link(chain_hash, leaf)
    if tree.size != checkpoint.size or tree.size == header.after.size:
        raise ExportError(f"{path} ends with entry {tree.size}, and its checkpoint stands at {checkpoint.size}")
    if tree.root() != checkpoint.root:
        raise ExportError(f"{path} is not what its checkpoint was signed over: an entry was changed")
    return Exported(tenant, header.after, Cut(tree.size, tuple(tree.edge), chain_hash, header.checkpoint))


def export_files(path: Path) -> list[Path]:
    """Return the exports in a folder, each log's in order. For a path to one file, return that file."""
    return sorted(path.glob("*.jsonl")) if path.is_dir() else [path]


def covered(path: Path, prefix: str, key: Ed25519PublicKey) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Verify a folder of exports. Returns the last exported entry of each log, and what is wrong with which log."""
    ends: dict[str, Exported] = {}
    faults: list[tuple[str, str]] = []
    for file in export_files(path):
        try:
            exported = read_export(file, prefix, key)
        except ExportError as error:
            faults.append((file.name.rsplit("-", 2)[0], str(error)))
            continue
        last = ends.get(exported.tenant)
        size, edge = (last.cut.size, last.cut.edge) if last is not None else (0, ())
        if (exported.after.size, exported.after.edge) != (size, edge):
            faults.append(
                (exported.tenant, f"{file} begins behind entry {exported.after.size}, the one before ends at {size}")
            )
            continue
        ends[exported.tenant] = exported
    return {tenant: exported.cut.size for tenant, exported in ends.items()}, faults
