"""Type-checks the Apex of the Salesforce package with apex-ls, where Node and a JDK are present.

    python -m openapi.apex

apex-ls knows Salesforce's own classes and objects and reads the package's: an unknown method, a value of another type,
a field that the package does not bring are errors. Whether the package deploys and its Apex tests pass, only an org can
tell.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from openapi.documents import FOLDER
from openapi.node_tools import Unavailable, node_packages

PACKAGE = FOLDER.parent / "experience_api" / "lightning"
JDK_MIN = 21
_CHECK = "io.github.apexdevtools.apexls.CheckForIssues"
_TIMEOUT_S = 300


def find_java() -> str:
    """The Java that is used: JAVA_HOME's, else the one in the path. Raises Unavailable where it is missing or old."""
    home = os.environ.get("JAVA_HOME")
    java = shutil.which(str(Path(home) / "bin" / "java") if home else "java")
    if java is None:
        raise Unavailable("no Java is installed here.")
    told = subprocess.run([java, "-version"], capture_output=True, text=True, check=False, timeout=_TIMEOUT_S)  # noqa: S603 a path that was found
    version = re.search(r'version "(\d+)', told.stderr + told.stdout)
    if version is None or int(version[1]) < JDK_MIN:
        found = f"Java {version[1]}" if version else "a Java that does not say its version"
        raise Unavailable(f"it needs a JDK of {JDK_MIN} or newer, and here is {found}. Set JAVA_HOME to another one.")
    return java


def apex_errors(package: Path = PACKAGE) -> str:
    """What is wrong with the Apex of a package, a line each; empty where nothing is. Raises Unavailable."""
    java = find_java()  # before anything is installed
    jars = node_packages("node/apex") / "@flxbl-io" / "apexlink" / "jars" / "*"
    done = subprocess.run(  # noqa: S603 our own words
        [java, "-cp", str(jars), _CHECK, "--workspace", str(package), "--nocache"],
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    if done.returncode == 0:
        return ""
    return (done.stdout + done.stderr).strip() or f"apex-ls ended with status {done.returncode}."


def main() -> int:
    """Check. 0 without errors, and where it cannot be done, which is said with its reason."""
    try:
        errors = apex_errors()
    except Unavailable as error:
        print(f"Apex: skipped, {error}")
        return 0
    print(errors or "Apex: no errors.")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
