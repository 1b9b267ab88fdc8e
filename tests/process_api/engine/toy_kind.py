"""A process of three steps about nothing: what the engine does with it, it does with any process.

    look     reads
    make     writes one record at the vendor, and can take it back
    charge   writes another one; once it is done there is no way back

Its business record is a row of a table of its own, in the engine's database; its vendor is this process.
"""

import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from process_api.database.store import Store
from process_api.engine.failures import Failure
from process_api.engine.flow_kind import Advice, FlowKind
from process_api.engine.flows import Authority
from process_api.engine.intake import NewFlow, start_flow
from process_api.engine.steps import Ending, Found, Step
from shared.problem import QuotewayError

TENANT, LEGAL_ENTITY = "nordwind", "NW-TOY"
# In a schema of its own: what lies in ours is held against the migrations.
TABLE = """
CREATE SCHEMA IF NOT EXISTS toys;
GRANT USAGE ON SCHEMA toys TO quoteway_app;
CREATE TABLE IF NOT EXISTS toys.toys (
    toy_id text PRIMARY KEY, phase text NOT NULL, looked integer, made text, charged text,
    timeline text[] NOT NULL DEFAULT '{}', ended text[] NOT NULL DEFAULT '{}'
);
GRANT SELECT, INSERT, UPDATE ON toys.toys TO quoteway_app
"""


@dataclass
class ToyVendor:
    """Keeps one record for each external id, and how many there were at most."""

    live: Counter[str] = field(default_factory=Counter)
    most: Counter[str] = field(default_factory=Counter)
    told: dict[str, str] = field(default_factory=dict)
    counted: Counter[str] = field(default_factory=Counter)

    def make(self, external_id: str) -> str:
        """Make the record, unless it is there, and return the vendor's id of it."""
        if not self.live[external_id]:
            self.live[external_id] += 1
            self.most[external_id] = max(self.most[external_id], self.live[external_id])
        return f"v-{external_id}"

    def remove(self, external_id: str) -> None:
        """Remove the record, if it is there."""
        self.live[external_id] = 0


@dataclass(frozen=True)
class Toy:
    """The context of the toy's steps."""

    flow_id: str
    correlation_id: str
    tenant: str
    subject: str
    phase: str
    account_id: str
    vendor: ToyVendor


async def load_toy(vendor: ToyVendor, connection: AsyncConnection, flow: Row[Any]) -> Toy:
    """Load the context."""
    query = text("SELECT phase FROM toys.toys WHERE toy_id = :toy")
    phase = (await connection.execute(query, {"toy": flow.subject})).scalar_one()
    return Toy(flow.flow_id, flow.correlation_id, flow.tenant, flow.subject, phase, flow.account_id, vendor)


@dataclass(frozen=True)
class ToyRecordPort:
    """The toy's row."""

    vendor: ToyVendor
    first_phase: str = "new"
    undoing_phase: str = "undoing"

    async def enter_phase(self, connection: AsyncConnection, subject: str, phase: str, step: str) -> None:
        """Move on."""
        await _change(connection, subject, f"{step} begins", phase=phase)

    async def note_found(self, connection: AsyncConnection, subject: str, step: str, found: Found) -> None:
        """Keep what a step found."""
        await _change(connection, subject, f"{step}: {found.message}", **found.changes)

    async def note_refused(self, connection: AsyncConnection, flow_id: str, error: QuotewayError) -> None:
        """Keep nothing of a refusal but its sentence, which the engine keeps."""

    async def note_delayed(self, connection: AsyncConnection, subject: str, step: str, failure: Failure) -> None:
        """Say that it takes longer."""
        await _change(connection, subject, f"{step} {failure.attempt} of {failure.attempts_max}: {failure.said}")

    async def end(self, connection: AsyncConnection, flow: Row[Any], ending: Ending, reason: str) -> Callable[[], None]:
        """Write the end."""
        await _change(connection, flow.subject, reason or "done", phase=ending.kind)
        await connection.execute(
            text("UPDATE toys.toys SET ended = ended || CAST(:kind AS text) WHERE toy_id = :toy"),
            {"toy": flow.subject, "kind": ending.kind},
        )
        return lambda: self.vendor.counted.update([ending.kind])

    async def go_on(self, connection: AsyncConnection, subject: str, phase: str, step: str, message: str) -> None:
        """Be under way again."""
        await _change(connection, subject, f"{step}: {message}", phase=phase)


async def _change(connection: AsyncConnection, toy_id: str, message: str, **columns: Any) -> None:
    changes = "".join(f", {column} = :{column}" for column in columns)
    await connection.execute(
        text(f"UPDATE toys.toys SET timeline = timeline || CAST(:message AS text){changes} WHERE toy_id = :toy"),
        {"toy": toy_id, "message": message, **columns},
    )


async def look(_context: Toy) -> Found:
    """Read."""
    return Found("looked", changes={"looked": 1})


async def make(context: Toy) -> Found:
    """Write the first record."""
    vendor_id = context.vendor.make(f"{context.subject}-made")
    return Found("made", result={"vendorId": vendor_id}, vendor_ids=[vendor_id], changes={"made": vendor_id})


async def find_made(context: Toy) -> Found | None:
    """Look for the first record."""
    return await make(context) if context.vendor.live[f"{context.subject}-made"] else None


async def unmake(context: Toy) -> Found:
    """Take the first record back."""
    context.vendor.remove(f"{context.subject}-made")
    return Found("unmade")


async def charge(context: Toy) -> Found:
    """Write the second record."""
    vendor_id = context.vendor.make(f"{context.subject}-charged")
    return Found("charged", vendor_ids=[vendor_id], changes={"charged": vendor_id})


async def find_charged(context: Toy) -> Found | None:
    """Look for the second record."""
    return await charge(context) if context.vendor.live[f"{context.subject}-charged"] else None


async def uncharge(context: Toy) -> Found:
    """Take the second record back."""
    context.vendor.remove(f"{context.subject}-charged")
    return Found("uncharged")


async def tell_end(context: Toy) -> Found:
    """Report an end other than success."""
    context.vendor.told[context.subject] = context.phase
    return Found("told")


async def sweep(_context: Toy) -> Found:
    """Remove what arrived late: nothing ever does here."""
    return Found("swept")


def toy_kind(vendor: ToyVendor) -> FlowKind[Toy]:
    """The process, whose connection is known before its first step."""
    return FlowKind(
        name="toy",
        noun="toy",
        steps=(
            Step("look", "read", look, phase="looking"),
            Step("make", "undoable", make, find=find_made, undo=unmake, phase="making"),
            Step("charge", "pivot", charge, find=find_charged, undo=uncharge),
        ),
        load=load_toy,
        record=ToyRecordPort(vendor),
        advice=Advice("Nobody knows of this end", "Look for more toys than there should be", "tell the child"),
        report_ending=Step("tell_end", "forward-only", tell_end),
        late_request_sweep=Step("sweep", "forward-only", sweep),
    )


async def make_toy_table(store: Store) -> None:
    """Make the table of the toys, unless it is there."""
    async with store.engine.begin() as connection:
        for statement in TABLE.split(";"):
            await connection.execute(text(statement))


async def start_toy(store: Store, kind: FlowKind[Toy]) -> str:
    """Start a toy of an account of its own, and return its flow's id."""
    toy_id = f"toy_{uuid.uuid4().hex[:12]}"
    flow = NewFlow(
        flow_id=f"{TENANT}.{toy_id}",
        tenant=TENANT,
        subject=toy_id,
        requested_by="test",
        authority=Authority(client="test", through="test", scopes=[]),
        account_id=f"account-{toy_id}",
        legal_entity=LEGAL_ENTITY,
    )
    async with store.transaction(TENANT) as connection:
        await connection.execute(text("INSERT INTO toys.toys VALUES (:toy, 'new')"), {"toy": toy_id})
        await start_flow(connection, kind, flow)
    return flow.flow_id
