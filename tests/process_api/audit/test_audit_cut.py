"""A log that was exported and cut: what is gone verifies alone, and what is left verifies as before."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import msgspec
import psycopg
import pytest

from tests.process_api.audit.audit_logs import Log

pytestmark = pytest.mark.servers
Done = subprocess.CompletedProcess[str]
CUTTING = [
    "SELECT quoteway_audit.cut('nordwind', 6, '{}', '', '')",
    "SELECT quoteway_audit.delete_before_cut('nordwind', 1)",
]
COPIED_CUT = """
INSERT INTO quoteway_audit.cuts SELECT tenant, 6, edge, chain_hash, checkpoint FROM quoteway_audit.cuts
"""
EXPORT = "nordwind-000000000001-000000000005.jsonl"


async def fill(log: Log, *sizes: int) -> None:
    """Append so many entries each time, and sign after each but the last."""
    for place, size in enumerate(sizes):
        if place:
            assert log.sign().returncode == 0
        await log.append("nordwind", *(f'{{"n":{place},"ä":{number}}}' for number in range(size)))
    await log.writes.close()


def export(log: Log, keep_days: int = 0, *more: str) -> Done:
    return log.run(
        *("export", "--database", log.url, "--checkpoints", str(log.folder / "checkpoints"), "--keep-days"),
        *(
            str(keep_days),
            "--to",
            str(log.folder / "exports"),
            "--public-key",
            str(log.folder / "audit.key.pub"),
            *more,
        ),
    )


def verify_export(log: Log, name: str = "") -> Done:
    exports = str(log.folder / "exports" / name)
    return log.run("verify-export", "--public-key", str(log.folder / "audit.key.pub"), exports)


def cut(log: Log, name: str = "") -> Done:
    exports = str(log.folder / "exports" / name)
    return log.run("cut", "--database", log.url, "--public-key", str(log.folder / "audit.key.pub"), exports)


def verify(log: Log, *more: str) -> Done:
    checkpoints, key = str(log.folder / "checkpoints"), str(log.folder / "audit.key.pub")
    return log.run("verify", "--database", log.url, "--checkpoints", checkpoints, "--public-key", key, *more)


def sequences(log: Log) -> list[int]:
    with psycopg.connect(log.url) as owner:
        found = owner.execute("SELECT sequence FROM quoteway_audit.entries WHERE tenant = 'nordwind' ORDER BY sequence")
        return [sequence for (sequence,) in found]


async def test_a_cut_log_verifies_from_the_cut_on_and_goes_on_growing(log: Log) -> None:
    await fill(log, 3, 2, 2)
    exports = str(log.folder / "exports")

    assert export(log).returncode == 0
    assert verify_export(log, EXPORT).returncode == 0
    done = cut(log)

    assert done.returncode == 0, done.stderr
    assert sequences(log) == [6, 7]
    verified = verify(log, "--exports", exports)
    assert verified.returncode == 0, verified.stderr
    assert "verified from entry 6 on; entries 1 to 5 were exported and cut" in verified.stderr
    # Again: it grows, is signed by a signer with and without a memory, exported behind the cut, and cut again.
    assert log.sign("-").stdout.count('"size":7') == 1
    await fill(log, 1, 1)
    assert export(log).returncode == 0
    assert cut(log).returncode == 0
    assert sequences(log) == [9]
    again = verify(log, "--exports", exports)
    assert again.returncode == 0, again.stderr
    assert verify_export(log).returncode == 0
    assert verify_export(log, "nordwind-000000000006-000000000008.jsonl").returncode == 0


async def test_an_export_ends_at_a_checkpoint_and_leaves_what_is_young(log: Log) -> None:
    await fill(log, 3, 2, 2)
    log.tamper("UPDATE quoteway_audit.entries SET recorded_at = recorded_at - interval '9 days' WHERE sequence <= 4")

    young = export(log, 10, "--tenant", "nordwind")
    changed = export(log, 8, "--tenant", "nordwind")

    assert (young.returncode, "no checkpoint stands between entries 1 and 0" in young.stderr) == (2, True)
    assert (changed.returncode, "what the checkpoint of 3 was signed over" in changed.stderr) == (1, True)
    assert list((log.folder / "exports").iterdir()) == []


async def test_without_a_checkpoint_nothing_is_exported_or_cut(log: Log) -> None:
    await fill(log, 3)
    (log.folder / "checkpoints").mkdir()

    exported, done = export(log, 0, "--tenant", "nordwind"), cut(log)

    assert exported.returncode == 2
    assert "no checkpoint stands between entries 1 and 3: nothing is exported" in exported.stderr
    assert (done.returncode, sequences(log)) == (2, [1, 2, 3])


async def test_a_forged_checkpoint_is_passed_over(log: Log) -> None:
    await fill(log, 3, 2, 0)
    [forged] = (log.folder / "checkpoints" / "nordwind").rglob("000000000005.checkpoint")
    forged.write_text(forged.read_text().replace("\n5\n", "\n4\n"))

    assert export(log).returncode == 0
    assert [path.name for path in (log.folder / "exports").iterdir()] == ["nordwind-000000000001-000000000003.jsonl"]


def _line(number: int, change: Callable[[dict[str, object]], object]) -> Callable[[list[bytes]], list[bytes]]:
    def changed(lines: list[bytes]) -> list[bytes]:
        decoded = msgspec.json.decode(lines[number])
        change(decoded)
        return [*lines[:number], msgspec.json.encode(decoded), *lines[number + 1 :]]

    return changed


@pytest.mark.parametrize(
    "tamper",
    [
        _line(2, lambda line: line.update(entry="{}")),
        _line(2, lambda line: line.update(recordedAt="2026-01-01T00:00:00.000000Z")),
        _line(2, lambda line: line.update(recordedAt=f"{line['recordedAt']}\n")),
        _line(2, lambda line: line.update(sequence=3)),
        _line(2, lambda line: line.update(more=1)),
        _line(0, lambda line: line.update(origin="quoteway-audit/bluefin")),
        _line(0, lambda line: line.update(origin="another/nordwind")),
        _line(0, lambda line: line.update(form="another")),
        _line(0, lambda line: line.update(checkpoint=str(line["checkpoint"]).replace("\n5\n", "\n4\n"))),
        _line(0, lambda line: line.update(after={"size": 1, "edge": ["AAAA"]})),
        lambda lines: lines[:-1],
        lambda lines: [*lines, lines[-1]],
        lambda lines: [*lines[:2], *lines[3:]],
        lambda lines: [lines[0], lines[2], lines[1], *lines[3:]],
        lambda lines: [*lines[:3], lines[3][:10]],
        lambda _: [],
        lambda _: [b"\xff"],
    ],
)
async def test_whatever_is_changed_in_an_export_is_found(
    log: Log, tamper: Callable[[list[bytes]], list[bytes]]
) -> None:
    await fill(log, 3, 2, 2)
    export(log)
    path = log.folder / "exports" / EXPORT
    path.write_bytes(b"\n".join(tamper(path.read_bytes().splitlines())) + b"\n")

    alone, folder, done = verify_export(log, EXPORT), verify_export(log), cut(log)

    assert (alone.returncode, folder.returncode, done.returncode) == (1, 1, 1), alone.stderr + done.stderr
    assert "FOUND" in alone.stderr
    assert "Traceback" not in alone.stderr + folder.stderr + done.stderr
    assert sequences(log) == list(range(1, 8))
    assert verify(log, "--exports", str(log.folder / "exports")).returncode == 1


async def test_an_export_is_cut_only_from_the_log_that_it_is_of(log: Log) -> None:
    await fill(log, 3, 2, 2)
    export(log)
    log.tamper("UPDATE quoteway_audit.entries SET chain_hash = leaf_hash WHERE sequence = 5")

    done = cut(log)

    assert (done.returncode, "FOUND nordwind: entry 5 of nordwind is not what was exported" in done.stderr) == (1, True)
    assert len(sequences(log)) == 7


async def test_a_cut_that_broke_off_is_verified_and_gone_on_with(log: Log) -> None:
    await fill(log, 3, 2, 2)
    export(log)
    first = (log.folder / "exports" / EXPORT).read_bytes()
    assert cut(log).returncode == 0
    # As if it had broken off before the last batches: some entries before the cut are there still.
    entries = [msgspec.json.decode(line) for line in first.splitlines()[1:]]
    with psycopg.connect(log.url) as owner:
        for entry in entries[3:]:
            owner.execute(
                "INSERT INTO quoteway_audit.entries VALUES ('nordwind', %s, %s, %s, '', '')",
                (entry["sequence"], entry["recordedAt"], entry["entry"]),
            )

    assert verify(log).returncode == 0
    assert cut(log).returncode == 0
    assert sequences(log) == [6, 7]


@pytest.mark.parametrize(
    ("statements", "found"),
    [
        (["DELETE FROM quoteway_audit.entries WHERE sequence = 6"], "entry 6: missing"),
        (["UPDATE quoteway_audit.entries SET entry = '{}' WHERE sequence = 7"], "entry 7: was changed"),
        (["DELETE FROM quoteway_audit.cuts"], "entries 1 to 5: missing"),
        (["UPDATE quoteway_audit.cuts SET size = 6"], "entries 1 to 6: cut from the log, and no checkpoint stands"),
        (["UPDATE quoteway_audit.cuts SET edge = '{}'"], "entries 1 to 5: cut from the log, and no checkpoint stands"),
        (["UPDATE quoteway_audit.cuts SET chain_hash = '\\x00'"], "entry 6: was changed, moved or put in"),
        (
            ["UPDATE quoteway_audit.cuts SET checkpoint = ''"],
            "entries 1 to 5: cut from the log, and no checkpoint stands",
        ),
        (
            [
                COPIED_CUT,
                "DELETE FROM quoteway_audit.entries WHERE sequence = 6",
            ],
            "entries 1 to 6: cut from the log, and no checkpoint stands",
        ),
    ],
)
async def test_whatever_is_changed_in_a_cut_log_is_found(log: Log, statements: list[str], found: str) -> None:
    await fill(log, 3, 2, 2)
    export(log)
    cut(log)
    with psycopg.connect(log.url, autocommit=True) as owner:
        owner.execute("ALTER TABLE quoteway_audit.cuts DISABLE TRIGGER ALL")
    log.tamper(*statements)

    verified = verify(log)

    assert verified.returncode == 1, verified.stderr
    assert f"FOUND nordwind: {found}" in verified.stderr, verified.stderr


async def test_a_cut_whose_export_is_gone_is_found(log: Log) -> None:
    await fill(log, 3, 2, 2)
    export(log)
    cut(log)
    (log.folder / "exports" / EXPORT).unlink()

    verified = verify(log, "--exports", str(log.folder / "exports"))

    assert verified.returncode == 1
    assert "entries 1 to 5: cut from the log, and no export of them is there" in verified.stderr


async def test_who_cuts_may_do_nothing_else_and_nobody_deletes_behind_the_cut(log: Log) -> None:
    await fill(log, 3, 2, 2)
    export(log)
    cut(log)
    refused: dict[str | None, list[str]] = {
        "quoteway_audit_cutter": [
            "DELETE FROM quoteway_audit.entries",
            "SELECT FROM quoteway_audit.entries",
            "INSERT INTO quoteway_audit.cuts VALUES ('nordwind', 6, '{}', '', '')",
            "SELECT quoteway_audit.append('nordwind', ARRAY['{}'])",
        ],
        **dict.fromkeys(("quoteway_audit_writer", "quoteway_audit_reader", "quoteway_app"), CUTTING),
        None: [
            "DELETE FROM quoteway_audit.entries",
            "UPDATE quoteway_audit.entries SET entry = ''",
            "UPDATE quoteway_audit.cuts SET size = 7",
            "DELETE FROM quoteway_audit.cuts",
            "TRUNCATE quoteway_audit.cuts",
        ],
    }
    with psycopg.connect(log.url, autocommit=True) as owner:
        for role, statements in refused.items():
            for statement in statements:
                with owner.transaction(force_rollback=True):
                    if role:
                        owner.execute(f"SET LOCAL ROLE {role}".encode())
                    with pytest.raises(psycopg.errors.InsufficientPrivilege):
                        owner.execute(statement.encode())


async def test_the_commands_say_what_they_lack(log: Log, tmp_path: Path) -> None:
    await log.writes.close()
    key = ("--public-key", str(log.folder / "audit.key.pub"))
    nowhere = "postgresql://nobody@127.0.0.1:1/nothing"
    (tmp_path / "exports").mkdir(exist_ok=True)
    (tmp_path / "exports" / EXPORT).write_text("")
    for arguments, said in (
        (["verify-export", *key, str(tmp_path)], "holds no export"),
        (["verify-export", "--public-key", "nowhere.pub", "."], "nowhere.pub cannot be used"),
        (["cut", *key, "."], "Say where the log is"),
        (["cut", *key, "--database", nowhere, str(tmp_path / "exports")], "The audit log does not take it"),
        (["verify", "--database", log.url, "--exports", "."], "--exports needs"),
        (["export", *key, "--database", log.url, "--checkpoints", ".", "--to", ".", "--keep-days", "-1"], "no number"),
    ):
        done = log.run(*arguments)
        assert (done.returncode, said in done.stderr, "Traceback" in done.stderr) == (2, True, False), done.stderr
