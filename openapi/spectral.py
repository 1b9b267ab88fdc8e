"""Runs Spectral on the documents: `spectral:oas`, `spectral:asyncapi` and the OWASP ruleset, if Node is installed.

    python -m openapi.spectral

The rules that are switched off are in openapi/spectral.yaml, each with its reason.
"""

import shutil
import subprocess
import sys

from openapi.documents import FOLDER
from openapi.node_tools import INSTALLED, Unavailable, node_tool

_TIMEOUT_S = 540


def spectral_errors() -> int:
    """Lint every document. Returns the exit status: 0 if there is no error. Raises Unavailable."""
    spectral = node_tool("spectral")
    profiles = sorted(FOLDER.glob("*.salesforce.json"))
    others = sorted(set(FOLDER.glob("*.json")) - set(profiles))
    status = 0
    for ruleset, documents in (("spectral.yaml", others), ("spectral.salesforce.yaml", profiles)):
        # A ruleset finds the packages that it extends relative to its own place.
        shutil.copyfile(FOLDER / ruleset, INSTALLED / ruleset)
        print(f"Spectral: {len(documents)} documents under {ruleset} …", flush=True)
        done = subprocess.run(  # noqa: S603 its arguments are files of ours
            [spectral, "lint", "--ruleset", INSTALLED / ruleset, "--fail-severity", "error", "--quiet", *documents],
            timeout=_TIMEOUT_S,
            check=False,
        )
        status = status or done.returncode
    return status


def main() -> int:
    """Lint. Returns 0 without errors, and if Spectral is not available, with the reason printed."""
    try:
        status = spectral_errors()
    except Unavailable as error:
        print(f"Spectral: skipped, {error}")
        return 0
    print(
        "Spectral: no errors."
        if status == 0
        else "Spectral found errors: mend them, or switch the rule off with a reason."
    )
    return status


if __name__ == "__main__":
    sys.exit(main())
