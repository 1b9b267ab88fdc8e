"""Which requests become entries, their content, and when the answer is sent."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import pytest

from shared.audit.policy import audit
from shared.audit.writer import AuditWriter, Window
from shared.identity.auth import Principal
from shared.identity.principal import ActingUser, OwnToken
from shared.operations.chain import Operation
from shared.operations.operation import AuditClass, OperationPolicy
from shared.problem import Forbidden, OutcomeUnknown, Unauthenticated, Unavailable
from tests.kept_audit_log import KeptAuditLog

CALLER = Principal(subject="s", client_id="app", tenant="nordwind", scopes=frozenset())
USER = ActingUser("005QW0000000001AAA", "nordwind", "t", "app", OwnToken("ada", 0.0))


@dataclass
class Audited:
    """The policy around an operation that a test describes."""

    kept: KeptAuditLog
    writer: AuditWriter

    async def request(
        self,
        audit_class: AuditClass,
        *,
        status: int = 200,
        body: bytes = b"",
        refusal: Exception | None = None,
        user: ActingUser | None = None,
        headers: list[tuple[bytes, bytes]] | None = None,
        fails_after: Exception | None = None,
    ) -> tuple[list[Any], int]:
        """Return what was sent, and how many entries had been written when the answer began to be sent."""
        sent: list[Any] = []
        written = -1
        policy = OperationPolicy("o", "c", (), "write", audit_class)
        handler: Any = None
        scope: Any = {
            "type": "http",
            "state": {
                "operation": Operation("cancelOrder", "POST", "/v1/orders/{orderId}", policy, handler),
                "path_params": {"orderId": "ord_1"},
                "correlation_id": "corr-1234",
            },
        }

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if isinstance(refusal, Unauthenticated):
                raise refusal
            scope["user"], scope["state"]["acting_user"] = CALLER, user
            if refusal is not None:
                raise refusal
            while (await receive()).get("more_body"):
                pass
            await send({"type": "http.response.start", "status": status, "headers": headers or []})
            await send({"type": "http.response.body", "body": b"done"})
            if fails_after is not None:
                raise fails_after

        parts = [body[:5], body[5:]]

        async def receive() -> Any:
            part = parts.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(parts)}

        async def send(message: Any) -> None:
            nonlocal written
            if message["type"] == "http.response.start":
                written = len(self.kept.entries)
            sent.append(message)

        await audit(self.writer, "system")(app)(scope, receive, send)
        return sent, written


@pytest.fixture
async def audited() -> AsyncIterator[Audited]:
    kept = KeptAuditLog()
    writer = AuditWriter(kept, Window(60, 10), Window(60, 10), poll_s=0.01)
    await writer.start()
    yield Audited(kept, writer)
    kept.away = False
    await writer.stop()


async def entries(audited: Audited) -> list[dict[str, Any]]:
    await audited.writer.stop()
    return audited.kept.entries


async def test_a_financial_entry_is_written_before_the_answer_is_sent(audited: Audited) -> None:
    sent, written = await audited.request("financial", body=b'{"reason": "why"}', user=USER)

    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert written == 1
    [found] = audited.kept.entries
    assert found.pop("at").endswith("Z")
    assert found == {
        "tier": "system",
        "operation": "cancelOrder",
        "auditClass": "financial",
        "outcome": "succeeded",
        "status": 200,
        "correlationId": "corr-1234",
        "tenant": "nordwind",
        "subject": "s",
        "clientId": "app",
        "onBehalfOf": USER.user_id,
        "record": "ord_1",
        "payloadHash": "sha256:" + sha256(b'{"reason": "why"}').hexdigest(),
    }


async def test_an_access_is_answered_at_once_and_written_later(audited: Audited) -> None:
    _, written = await audited.request("access")
    assert written == 0

    [found] = await entries(audited)
    assert (found["auditClass"], found["record"], found["subject"]) == ("access", "ord_1", "s")


async def test_an_inner_tiers_reads_under_one_correlation_id_are_one_entry_and_refusals_stay(audited: Audited) -> None:
    audited.writer.sums_reads = True
    for _ in range(3):
        await audited.request("access")
    await audited.request("access", status=404)
    await audited.request("access", status=409)
    await audited.request("financial")

    found = sorted(await entries(audited), key=lambda entry: (entry["operation"], entry["status"]))
    assert [(each["operation"], each["status"], each.get("count", 1)) for each in found] == [
        ("cancelOrder", 200, 1),
        ("cancelOrder", 409, 1),
        ("reads", 200, 4),
    ]


async def test_an_unaudited_operation_leaves_nothing(audited: Audited) -> None:
    await audited.request("none")

    assert await entries(audited) == []


async def test_entry_names_the_created_record(audited: Audited) -> None:
    await audited.request("financial", status=202, headers=[(b"location", b"/v1/orders/ord_new")])

    assert audited.kept.entries[0]["record"] == "ord_new"


@pytest.mark.parametrize("audit_class", ["access", "financial"])
async def test_refusals_are_written_and_many_alike_are_one_entry(audited: Audited, audit_class: AuditClass) -> None:
    for _ in range(50):
        with pytest.raises(Unauthenticated):
            await audited.request(audit_class, refusal=Unauthenticated("no token"))
        with pytest.raises(Forbidden):
            await audited.request(audit_class, refusal=Forbidden("no scope", scopes=["x"]))

    found = sorted(await entries(audited), key=lambda each: int(each["status"]))
    assert [(each["tenant"], each["status"], each["reason"], each["outcome"], each["count"]) for each in found] == [
        ("_", 401, "unauthenticated", "refused", 50),
        ("nordwind", 403, "forbidden", "refused", 50),
    ]


@pytest.mark.parametrize("audit_class", ["access", "financial"])
async def test_a_defect_of_ours_leaves_an_entry_too(audited: Audited, audit_class: AuditClass) -> None:
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            await audited.request(audit_class, refusal=ZeroDivisionError("a defect"), user=USER)
    assert len(audited.kept.entries) == (2 if audit_class == "financial" else 0)

    found = await entries(audited)
    assert [(each["status"], each["outcome"], each["reason"]) for each in found] == [(500, "failed", "unexpected")] * 2
    assert {(each["record"], each["subject"], each["onBehalfOf"]) for each in found} == {("ord_1", "s", USER.user_id)}


async def test_defect_while_the_log_is_down_is_written_later(audited: Audited) -> None:
    audited.kept.away = True
    with pytest.raises(ZeroDivisionError):
        await audited.request("financial", refusal=ZeroDivisionError("a defect"))

    audited.kept.away = False
    [found] = await entries(audited)
    assert (found["outcome"], found["status"]) == ("failed", 500)


async def test_without_the_log_financial_operations_are_refused_and_reads_served(audited: Audited) -> None:
    audited.kept.away = True
    with pytest.raises(OutcomeUnknown):  # the log was believed to work: this may have been done
        await audited.request("financial")
    with pytest.raises(Unavailable) as refused:  # known to be down now: not even started
        await audited.request("financial")
    assert refused.value.reason_code == "audit_unavailable"

    sent, _ = await audited.request("access")
    assert sent[0]["status"] == 200

    audited.kept.away = False
    assert {(each["auditClass"], each["outcome"]) for each in await entries(audited)} >= {("access", "succeeded")}


async def test_defect_after_an_unwritten_success_stays_an_unknown_outcome(audited: Audited) -> None:
    audited.kept.away = True
    with pytest.raises(OutcomeUnknown):
        await audited.request("financial", fails_after=ZeroDivisionError("a defect"))


async def test_entry_of_a_disconnected_caller_is_written_later(
    audited: Audited, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, gone = asyncio.Event(), asyncio.Event()

    async def append(_entries: Any) -> None:
        asked.set()
        await gone.wait()
        raise Unavailable("the audit log cannot be written")

    with monkeypatch.context() as patched:
        patched.setattr(audited.kept, "append", append)
        caller = asyncio.create_task(audited.request("financial"))
        await asked.wait()
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        gone.set()
        await asyncio.sleep(0)

    [found] = await entries(audited)
    assert (found["operation"], found["outcome"]) == ("cancelOrder", "succeeded")


async def test_a_refusal_by_the_operation_itself_may_be_written_later(audited: Audited) -> None:
    audited.kept.away = True
    sent, _ = await audited.request("financial", status=422)
    assert sent[0]["status"] == 422

    audited.kept.away = False
    [found] = await entries(audited)
    assert (found["outcome"], found["status"]) == ("refused", 422)


async def test_entry_that_could_not_be_written_at_once_is_written_later(audited: Audited) -> None:
    audited.kept.away = True
    with pytest.raises(OutcomeUnknown):
        await audited.request("financial", status=201)

    audited.kept.away = False
    [found] = await entries(audited)
    assert (found["outcome"], found["status"], found["record"]) == ("succeeded", 201, "ord_1")
