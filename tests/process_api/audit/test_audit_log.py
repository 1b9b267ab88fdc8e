"""The audit log in PostgreSQL: who may do what, and that the commands find what somebody with every right changed."""

import asyncio
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from shared.audit.log import AuditLog
from shared.problem import Unavailable
from tests.patience import HANG_S
from tests.process_api.audit.audit_logs import Log
from tests.process_api.conftest import Process

pytestmark = pytest.mark.servers


RECHAIN = """
DO $$
DECLARE row record; chained bytea := decode(repeat('00', 32), 'hex'); leaf bytea; place bigint := 0;
BEGIN
    FOR row IN SELECT * FROM quoteway_audit.entries WHERE tenant = 'nordwind' ORDER BY sequence LOOP
        place := place + 1;
        leaf := sha256('\\x00'::bytea || convert_to('nordwind' || E'\\n' || place || E'\\n' || to_char(
            row.recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || E'\\n' || row.entry, 'UTF8'));
        chained := sha256(chained || leaf);
        UPDATE quoteway_audit.entries SET sequence = place, leaf_hash = leaf, chain_hash = chained
        WHERE tenant = 'nordwind' AND sequence = row.sequence;
    END LOOP;
    UPDATE quoteway_audit.heads SET size = place, chain_hash = chained WHERE tenant = 'nordwind';
END $$
"""


async def test_an_untouched_log_is_signed_and_verified(log: Log) -> None:
    await log.append("nordwind", '{"a":1}', '{"ä":"\\n"}')
    await log.append("bluefin", "{}")
    assert log.sign().returncode == 0
    await log.append("nordwind", *(f'{{"n":{number}}}' for number in range(300)))
    assert log.sign().returncode == 0
    await log.append("nordwind", "{}")
    await log.writes.close()

    verified = log.verify()

    assert verified.returncode == 0, verified.stderr
    assert "304 entries of 2 log(s)" in verified.stderr
    assert log.sign("-").stdout.count('"checkpoint"') == 2


@pytest.mark.parametrize(
    ("statements", "where"),
    [
        (["UPDATE quoteway_audit.entries SET entry = '{}' WHERE sequence = 3"], "entry 3: was changed"),
        (["UPDATE quoteway_audit.entries SET recorded_at = now() WHERE sequence = 2"], "entry 2: was changed"),
        (["DELETE FROM quoteway_audit.entries WHERE sequence = 2"], "entry 2: missing"),
        (["DELETE FROM quoteway_audit.entries WHERE sequence > 3"], "entries 4 to 6: missing"),
        (["UPDATE quoteway_audit.entries SET sequence = 9 WHERE sequence = 1"], "entry 1: missing"),
        (["UPDATE quoteway_audit.heads SET size = 5"], "entry 6: put in"),
        (["TRUNCATE quoteway_audit.entries", "TRUNCATE quoteway_audit.heads"], "entries 1 to 4: only 0 entries"),
        (["DELETE FROM quoteway_audit.entries WHERE sequence = 2", RECHAIN], "entries 1 to 4: not what the checkpoint"),
        (
            ["UPDATE quoteway_audit.entries SET entry = '{}' WHERE sequence = 4", RECHAIN],
            "entries 1 to 4: not what the checkpoint",
        ),
    ],
)
async def test_whatever_is_changed_is_found_and_said_where(log: Log, statements: list[str], where: str) -> None:
    await log.append("nordwind", *(f'{{"n":{number}}}' for number in range(4)))
    assert log.sign().returncode == 0
    await log.append("nordwind", '{"n":4}', '{"n":5}')
    await log.writes.close()

    log.tamper(*statements)

    verified = log.verify()
    assert verified.returncode == 1
    assert f"FOUND nordwind: {where}" in verified.stderr, verified.stderr


async def test_the_signer_does_not_sign_what_does_not_go_on_from_what_it_signed(log: Log) -> None:
    await log.append("nordwind", *(f'{{"n":{number}}}' for number in range(4)))
    await log.append("bluefin", "{}")
    assert log.sign().returncode == 0
    await log.append("bluefin", "{}")
    log.tamper("DELETE FROM quoteway_audit.entries WHERE tenant = 'nordwind' AND sequence = 2", RECHAIN, "ANALYZE")

    shorter = log.sign()
    await log.append("nordwind", "{}", "{}")
    other = log.sign()
    await log.writes.close()

    assert (shorter.returncode, other.returncode) == (1, 1)
    assert "4 entries were signed, and only 3 are there" in shorter.stderr
    assert "entry 5 does not go on from what was signed before" in other.stderr
    assert (log.folder / "checkpoints" / "bluefin" / "latest.checkpoint").read_text().split("\n")[1] == "2"


OLD = "UPDATE quoteway_audit.entries SET recorded_at = now() - interval '1 hour' WHERE tenant = 'nordwind'"


@pytest.mark.parametrize("listed", [True, False], ids=["the list is there", "the list is gone too"])
async def test_a_log_whose_whole_folder_of_checkpoints_is_gone_is_found(log: Log, listed: bool) -> None:
    await log.append("nordwind", *(f'{{"n":{number}}}' for number in range(4)))
    await log.append("bluefin", "{}")
    assert log.sign().returncode == 0
    await log.writes.close()
    folder = log.folder / "checkpoints"
    shutil.rmtree(folder / "nordwind")
    # As whoever does that would: what was signed is written anew, and nothing in the database tells.
    log.tamper("DELETE FROM quoteway_audit.entries WHERE tenant = 'nordwind' AND sequence = 2", RECHAIN)
    if not listed:
        (folder / "logs.note").unlink()
        log.tamper(OLD, RECHAIN)

    verified = log.verify()
    signed = log.sign()

    assert verified.returncode == 1, verified.stderr
    assert "FOUND nordwind: entries 1 to 3: no checkpoint of this log is there" in verified.stderr
    assert (signed.returncode, "its folder of checkpoints is missing" in signed.stderr) == (listed, listed)


async def test_a_log_that_began_after_the_last_signing_is_told_of_and_is_no_finding(log: Log) -> None:
    await log.append("bluefin", "{}")
    assert log.sign().returncode == 0
    await log.append("nordwind", "{}")
    await log.writes.close()

    young = log.verify()
    log.tamper(OLD, RECHAIN)
    old = log.verify()

    assert (young.returncode, old.returncode) == (0, 1)
    assert "nordwind: a new log, which is not signed yet" in young.stderr


async def test_a_list_of_logs_that_was_changed_is_found(log: Log) -> None:
    await log.append("nordwind", "{}")
    await log.append("bluefin", "{}")
    assert log.sign().returncode == 0
    await log.writes.close()
    path = log.folder / "checkpoints" / "logs.note"
    path.write_text(path.read_text().replace("2\nbluefin\n", "1\n"))

    assert (log.verify().returncode, log.sign().returncode) == (1, 1)
    assert "logs.note cannot be trusted" in log.verify().stderr


async def test_a_forged_or_foreign_checkpoint_is_found(log: Log) -> None:
    await log.append("nordwind", "{}")
    log.sign()
    await log.writes.close()
    path = log.folder / "checkpoints" / "nordwind" / "latest.checkpoint"
    path.write_text(path.read_text().replace("\n1\n", "\n2\n"))

    verified = log.verify()

    assert verified.returncode == 1
    assert "latest.checkpoint cannot be trusted" in verified.stderr


async def test_nobody_changes_what_is_there_and_a_tiers_login_only_appends(log: Log) -> None:
    await log.append("nordwind", "{}")
    await log.writes.close()
    changes = [
        "UPDATE quoteway_audit.entries SET entry = ''",
        "DELETE FROM quoteway_audit.entries",
        "TRUNCATE quoteway_audit.entries",
        "UPDATE quoteway_audit.heads SET size = 0",
        "DELETE FROM quoteway_audit.heads",
        "TRUNCATE quoteway_audit.heads",
    ]
    reading = ["SELECT * FROM quoteway_audit.entries", "INSERT INTO quoteway_audit.heads VALUES ('x', 1, '')"]
    insert = ["INSERT INTO quoteway_audit.entries VALUES ('nordwind', 9, now(), '', '', '')"]
    login = f"tier_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(log.url, autocommit=True) as owner:
        owner.execute(f"CREATE ROLE {login} LOGIN PASSWORD 'x' IN ROLE quoteway_audit_writer")
        for role, refused in (
            (None, changes),  # the owner of the tables, a superuser here
            ("quoteway_app", [*changes, *reading, *insert]),
            (login, [*changes, *reading, *insert]),
            ("quoteway_audit_reader", [*changes, *insert, "SELECT quoteway_audit.append('nordwind', ARRAY['{}'])"]),
        ):
            for statement in refused:
                with owner.transaction(force_rollback=True):
                    if role:
                        owner.execute(f"SET LOCAL ROLE {role}")
                    with pytest.raises(psycopg.errors.InsufficientPrivilege):
                        owner.execute(statement.encode())
        # Not even in a session that passes over ordinary triggers.
        with owner.transaction(force_rollback=True):
            owner.execute("SET LOCAL session_replication_role = replica")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                owner.execute(changes[1].encode())
        tier = AuditLog(psycopg.conninfo.make_conninfo(log.url, user=login, password="x"))
        await tier.append({"nordwind": ["{}"], "_": ["{}"]})
        await tier.close()
        assert owner.execute("SELECT tenant, size FROM quoteway_audit.heads ORDER BY 1").fetchall() == [
            ("_", 1),
            ("nordwind", 2),
        ]
        owner.execute(f"DROP ROLE {login}")


async def test_processes_that_write_at_once_make_one_chain(log: Log) -> None:
    writers = [AuditLog(log.url) for _ in range(6)]

    async def write(number: int, writer: AuditLog) -> None:
        for each in range(20):
            await writer.append({"nordwind": [f'{{"w":{number},"n":{each}}}'] * 3, "bluefin": ["{}"]})

    await asyncio.gather(*(write(number, writer) for number, writer in enumerate(writers)))
    for writer in writers:
        await writer.close()

    verified = log.verify(checkpoints=False)
    assert verified.returncode == 0, verified.stderr
    assert "480 entries of 2 log(s)" in verified.stderr


async def test_a_lost_connection_is_made_again_and_an_absent_database_is_said(log: Log) -> None:
    await log.append("nordwind", "{}")
    with psycopg.connect(log.url, autocommit=True) as owner:
        owner.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'audit'")
    await log.append("nordwind", "{}")
    await log.writes.close()

    with pytest.raises(Unavailable):
        await AuditLog("postgresql://nobody@127.0.0.1:1/nothing").append({"nordwind": ["{}"]})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["verify"], "Say where the log is"),
        (["verify", "--database", "postgresql://nobody@127.0.0.1:1/nothing"], "cannot be read"),
        (["verify", "--database", "x", "--public-key", "nowhere.pub"], "belong together"),
        (
            ["verify", "--database", "x", "--checkpoints", ".", "--public-key", "nowhere.pub"],
            "nowhere.pub cannot be used",
        ),
    ],
)
def test_the_command_says_what_it_lacks(arguments: list[str], said: str, run_audit: Callable[..., Any]) -> None:
    done = run_audit(*arguments)

    assert done.returncode == 2
    assert said in done.stderr


@pytest.fixture
def run_audit() -> Callable[..., "subprocess.CompletedProcess[str]"]:
    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "shared.audit", *arguments]
        environment = {"PATH": os.environ["PATH"]}
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=HANG_S, check=False)

    return run


async def test_an_order_and_a_decision_about_it_are_in_the_log_of_the_process_tier(process: Process) -> None:
    answer = await process.submit()
    order = await process.ended(answer.json()["orderId"])
    refused = await process.client.post(
        f"/v1/flows/{order['flowId']}/retry",
        json={},
        headers={**process.operator_headers, "X-Correlation-Id": "decision-1"},
    )
    assert refused.status_code == 409

    with psycopg.connect(process.settings.database_url) as connection:
        query = (
            "SELECT entry::jsonb FROM quoteway_audit.entries"
            " WHERE entry::jsonb->>'record' IN (%s, %s) ORDER BY sequence"
        )
        found = [row[0] for row in connection.execute(query, (order["orderId"], order["flowId"]))]
    submitted, decided = (each for each in found if each["auditClass"] == "financial")
    assert (submitted["operation"], submitted["status"], submitted["outcome"]) == (
        "startOrderSubmission",
        202,
        "succeeded",
    )
    assert submitted["payloadHash"].startswith("sha256:")
    assert submitted["subject"]
    assert (decided["operation"], decided["outcome"], decided["reason"]) == ("retryFlow", "refused", "conflict")
    assert decided["correlationId"] == "decision-1"
