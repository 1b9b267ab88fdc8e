"""The tools that need Node: where they are, they find what they should; where not, they say so and fail nothing."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from openapi import apex, gate, oasdiff, spectral
from openapi.documents import FOLDER
from openapi.gate import Verdict
from openapi.node_tools import INSTALLED, Unavailable, node_tool
from openapi.oasdiff import oasdiff_breaking
from tests.contracts.changed_documents import CHANGES, Change, base

# What oasdiff finds too. It does not look at scopes, defaults or unknown words of a schema, and takes an added value
# or another pattern for less than a break: there the comparison in Python is the stricter one.
BOTH_FIND = {
    "operation removed", "path removed", "parameter removed", "parameter required", "required parameter added",
    "parameter's value removed", "parameter's bound tightened", "parameter's type changed", "body required",
    "sent property required", "sent value removed", "sent type changed", "sent maximum lowered", "status removed",
    "answer's media type removed", "answered property optional", "answered type changed",
}  # fmt: skip


def without_node(name: str) -> str | None:
    return None if name in {"node", "npm"} else shutil.which(name)


def test_without_node_the_reason_is_said_and_nothing_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("openapi.node_tools.shutil.which", without_node)
    verdict = Verdict(compared=["parts-v1.json"])

    gate.ask_oasdiff(verdict)

    assert spectral.main() == 0
    assert verdict.breaks == {}
    said = capsys.readouterr().out
    assert "oasdiff: skipped, Node is not installed here." in said
    assert "Spectral: skipped, Node is not installed here." in said


def test_a_document_that_oasdiff_cannot_compare_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> Any:
        raise ValueError("oasdiff could not compare parts-v1.json: broken")

    monkeypatch.setattr(gate, "oasdiff_breaking", fail)
    verdict = Verdict(compared=["parts-v1.json"])

    gate.ask_oasdiff(verdict)

    assert verdict.breaks == {"parts-v1.json": ["oasdiff: oasdiff could not compare parts-v1.json: broken"]}


@pytest.mark.parametrize("folder", ["node", "node/apex"])
def test_the_lock_names_no_registry_and_pins_everything(folder: str) -> None:
    locked = FOLDER / folder
    lock = json.loads((locked / "package-lock.json").read_bytes())
    wanted = json.loads((locked / "package.json").read_bytes())["devDependencies"]

    assert "resolved" not in (locked / "package-lock.json").read_text()
    assert "http" not in (locked / "package-lock.json").read_text()
    assert all(version[0].isdigit() for version in wanted.values())
    assert lock["packages"][""]["devDependencies"] == wanted


@pytest.fixture(scope="module")
def installed() -> None:
    """The tools, where a run of `make contracts-extra` has installed them: a test downloads nothing."""
    if not (INSTALLED / "node_modules" / ".bin" / "oasdiff").exists():
        pytest.skip("the contract tools are not installed: make contracts-extra")
    try:
        node_tool("oasdiff")
    except Unavailable as error:
        pytest.skip(str(error))


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("change", [each for each in CHANGES if each.name in BOTH_FIND], ids=lambda each: each.name)
def test_oasdiff_finds_what_the_gate_finds(tmp_path: Path, change: Change) -> None:
    changed = base()
    change.make(changed)

    assert oasdiff_breaking(write(tmp_path, "before", base()), write(tmp_path, "after", changed)) != []
    assert oasdiff_breaking(tmp_path / "before.json", tmp_path / "before.json") == []


@pytest.mark.usefixtures("installed")
def test_oasdiff_says_what_it_cannot_read(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("not an API")

    with pytest.raises(ValueError, match="oasdiff could not compare"):
        oasdiff.oasdiff_breaking(tmp_path / "broken.json", write(tmp_path, "after", base()))


# -- the Apex of the Salesforce package -------------------------------------------------------------------------------

BROKEN = {
    "frozenIds.add(placed.Quote__c);": "frozenIds.put(placed.Quote__c);",
    "quoteIds.add(placed.Quote__c);": "quoteIds.add(placed.Offer__c);",
    "Set<Id> frozenIds = new Set<Id>();": "Set<Id> frozenIds = 'none';",
}


@pytest.mark.parametrize(
    ("version", "reason"),
    [
        (None, "no Java is installed here."),
        ("17.0.15", "it needs a JDK of 21 or newer, and here is Java 17. Set JAVA_HOME to another one."),
    ],
)
def test_without_a_jdk_that_is_new_enough_the_reason_is_said_and_nothing_fails(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    version: str | None,
    reason: str,
) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    if version is not None:
        java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
        java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))

    assert apex.main() == 0
    assert f"Apex: skipped, {reason}" in capsys.readouterr().out


@pytest.fixture(scope="module")
def apex_checker() -> None:
    """apex-ls, where a run of `make salesforce` has installed it: a test downloads nothing."""
    if not (INSTALLED.parent / "node-apex" / "installed.json").exists():
        pytest.skip("the Apex tools are not installed: make salesforce")
    try:
        apex.find_java()
    except Unavailable as error:
        pytest.skip(str(error))


@pytest.mark.usefixtures("apex_checker")
def test_the_packages_apex_has_no_errors() -> None:
    assert apex.apex_errors() == ""


@pytest.mark.usefixtures("apex_checker")
@pytest.mark.parametrize("written", BROKEN)
def test_a_broken_class_is_found(tmp_path: Path, written: str) -> None:
    shutil.copytree(apex.PACKAGE, tmp_path / "lightning")
    broken = tmp_path / "lightning" / "force-app" / "main" / "default" / "classes" / "QuotewayFreeze.cls"
    assert written in broken.read_text()
    broken.write_text(broken.read_text().replace(written, BROKEN[written]))

    assert "QuotewayFreeze.cls" in apex.apex_errors(tmp_path / "lightning")


def write(folder: Path, name: str, document: dict[str, Any]) -> Path:
    path = folder / f"{name}.json"
    info = {"title": "Parts", "version": "1.0.0"}
    path.write_text(json.dumps({**document, "info": info}))
    return path
