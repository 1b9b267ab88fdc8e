"""The folder for what is slow to build and safe to lose."""

import os
from pathlib import Path


def cache_dir() -> Path:
    """Return the user's cache folder for Quoteway; created (readable by its owner only) if missing.

    `QUOTEWAY_CACHE_DIR` overrides it; otherwise it is `quoteway` under `XDG_CACHE_HOME` or `~/.cache`.
    """
    chosen = os.environ.get("QUOTEWAY_CACHE_DIR")
    if chosen:
        path = Path(chosen).expanduser()
    else:
        path = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "quoteway"
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path.resolve()
