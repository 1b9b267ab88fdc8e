"""Builds the project's environment and hands over to it. Runs on a bare Python, with nothing installed.

    python3 sandbox/first_run.py -m sandbox.demo

`make` calls this; without make, a person can. It is written so that even a Python that is too old can parse it, and say
so in one sentence.
"""

from __future__ import print_function

import sys

# A script's own folder comes first where modules are looked for: this one has a `token.py`, and so has Python itself.
if not getattr(sys.flags, "safe_path", False):
    del sys.path[0]

import hashlib
import os
import shutil
import subprocess

WANTED = (3, 11)
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ENVIRONMENT = os.path.join(ROOT, ".venv")
LOCK = os.path.join(ROOT, "requirements", "dev.txt")
STAMP = os.path.join(ENVIRONMENT, "built-from")
PYTHON = os.path.join(ENVIRONMENT, "bin", "python")
LOG = os.path.join(ROOT, "build", "environment.log")


def fail(sentence):
    """End with one sentence that says what to do."""
    sys.stderr.write(sentence + "\n")
    sys.exit(2)


def fingerprint():
    """Return a hash of what the environment is built from: the lock and the Python."""
    with open(LOCK, "rb") as lock:
        return hashlib.sha256(lock.read() + sys.version.encode()).hexdigest()


def is_built():
    """Return whether the environment was built completely from this lock and this Python."""
    if not os.path.exists(STAMP) or not os.path.exists(PYTHON):
        return False
    with open(STAMP) as stamp:
        return stamp.read().strip() == fingerprint()


def build():
    """Build the environment from scratch, showing progress. An interrupted build starts again next time."""
    shutil.rmtree(ENVIRONMENT, ignore_errors=True)
    if not os.path.isdir(os.path.dirname(LOG)):
        os.makedirs(os.path.dirname(LOG))
    with open(LOCK) as lock:
        total = sum(1 for line in lock if "==" in line and not line.startswith(" "))
    print("Building the environment: %d packages, about a minute the first time." % total)
    sys.stdout.flush()
    with open(LOG, "w") as log:
        if subprocess.call([sys.executable, "-m", "venv", ENVIRONMENT], stdout=log, stderr=log) != 0:
            fail("The environment cannot be made: this Python lacks venv (Debian: install python3-venv). Log: " + LOG)
        command = [PYTHON, "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off"]
        command += ["--require-hashes", "-r", LOCK]
        pip = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, universal_newlines=True)
        show_progress(pip.stdout, log, total)
        if pip.wait() != 0:
            fail("The environment cannot be built: pip could not install the packages. The reason is in " + LOG)
    with open(STAMP, "w") as stamp:
        stamp.write(fingerprint())
    print("Environment ready.")


def show_progress(lines, log, total):
    """Show one counting line on a terminal; elsewhere a line per quarter."""
    found, shown = 0, 0
    for line in lines:
        log.write(line)
        if line.startswith("Collecting "):
            found += 1
        quarter = min(found, total) * 4 // total
        if sys.stdout.isatty():
            sys.stdout.write("\r  %d of %d packages found" % (min(found, total), total))
            sys.stdout.flush()
        elif quarter > shown:
            shown = quarter
            print("  %d of %d packages found" % (min(found, total), total))
            sys.stdout.flush()
        if line.startswith("Installing collected packages"):
            print(("\n" if sys.stdout.isatty() else "") + "  all found, installing")


def main():
    """Make sure that the environment exists, then become the requested program."""
    if sys.version_info < WANTED:
        have = ".".join(str(part) for part in sys.version_info[:3])
        fail("Quoteway needs Python 3.11 or newer; this is %s. Name a newer one: make demo PYTHON=python3.12" % have)
    if not os.path.exists(LOCK):
        fail("requirements/dev.txt is missing: run this in a whole checkout of the project.")
    if not is_built():
        build()
    sys.stdout.flush()  # buffered output would be lost with this program
    if len(sys.argv) > 1:
        os.chdir(ROOT)
        os.execv(PYTHON, [PYTHON] + sys.argv[1:])


main()
