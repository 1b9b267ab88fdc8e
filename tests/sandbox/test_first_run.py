"""The first thing a newcomer runs says one clear sentence when it cannot go on."""

import ast
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).parents[2] / "sandbox" / "first_run.py"


def run(source: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    program = folder / "sandbox" / "first_run.py"
    program.parent.mkdir()
    program.write_text(source)
    return subprocess.run([sys.executable, str(program)], capture_output=True, text=True, check=False)


def test_an_old_python_can_read_it() -> None:
    ast.parse(PROGRAM.read_text(), feature_version=(3, 4))


def test_an_old_python_is_one_sentence(tmp_path: Path) -> None:
    done = run(PROGRAM.read_text().replace("WANTED = (3, 11)", "WANTED = (9, 0)"), tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("Quoteway needs Python 3.11 or newer; this is ")
    assert len(done.stderr.splitlines()) == 1


def test_half_a_checkout_is_one_sentence(tmp_path: Path) -> None:
    done = run(PROGRAM.read_text(), tmp_path)
    assert done.returncode == 2
    assert done.stderr == "requirements/dev.txt is missing: run this in a whole checkout of the project.\n"
    assert not (tmp_path / ".venv").exists()
