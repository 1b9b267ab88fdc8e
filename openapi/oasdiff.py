"""Runs oasdiff, the widest catalogue of breaking changes to OpenAPI documents, if Node is installed."""

import json
import subprocess
from pathlib import Path

from openapi.node_tools import Unavailable, node_tool

__all__ = ["Unavailable", "oasdiff_breaking", "oasdiff_changelog"]
_TIMEOUT_S = 120
# oasdiff's own levels: errors and warnings are changes that a client can notice.
_WARNING = 2


def oasdiff_breaking(before: Path, after: Path) -> list[str]:
    """Return what breaks between two documents.

    Raises Unavailable if oasdiff is missing, ValueError with its own message if it fails.
    """
    return [text for level, text in _changes("breaking", before, after) if level >= _WARNING]


def oasdiff_changelog(before: Path, after: Path) -> list[str]:
    """Return every change between two documents. Raises as `oasdiff_breaking`."""
    return [text for _, text in _changes("changelog", before, after)]


def _changes(command: str, before: Path, after: Path) -> list[tuple[int, str]]:
    done = subprocess.run(  # noqa: S603 its arguments are files of ours
        [node_tool("oasdiff"), command, "--format", "json", before, after],
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        raise ValueError(f"oasdiff could not compare {before.name}: {done.stderr.strip() or done.stdout.strip()}")
    return [
        (
            change["level"],
            f"{change['operation']} {change['path']}: {change['text']}" if change.get("path") else change["text"],
        )
        for change in json.loads(done.stdout or "[]") or []
    ]
