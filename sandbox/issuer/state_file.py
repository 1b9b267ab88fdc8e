"""Secrets on disk: JSON files that only their owner may read."""

import json
import os
from pathlib import Path
from typing import Any


def read_state(path: Path) -> dict[str, Any] | None:
    """Return the file's content, or None if there is no file. Raises ValueError if it is not a JSON object."""
    if not path.exists():
        return None
    advice = f"{path} is damaged: delete it and start again to generate it anew"
    try:
        content = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ValueError(advice) from error
    if not isinstance(content, dict):
        raise ValueError(advice)  # noqa: TRY004 - the content of a file is a value, not an argument's type
    return content


def write_state(path: Path, content: dict[str, Any]) -> None:
    """Replace the file atomically, mode 0600."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(content, file, indent=2)
    fresh.replace(path)
