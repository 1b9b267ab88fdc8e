"""Dead letters: everything that waits for a person, in one list, and the decisions on it."""

from typing import Annotated, Any

import msgspec
from litestar import Request, get, post
from litestar.params import JSONBody, PathParameter, QueryParameter

from process_api.access.subjects import about_dead_letter, for_operators
from process_api.operations.dead_letter_sources import DeadLetter, DeadLetterKind, kind_of
from process_api.operations.dead_letters import DeadLetters
from process_api.operations.flow_edits import FlowEdits
from process_api.v1.flows import DECIDES, Correction, Discard
from shared.canonical.wire import END
from shared.identity.auth import Principal
from shared.operations.operation import operation
from shared.problem import Conflict

DeadLetterIdParameter = Annotated[
    str,
    PathParameter(
        name="deadLetterId",
        pattern=r"^[A-Za-z0-9_.:-]{1,150}" + END,
        description="The dead letter's id, as the list shows it.",
    ),
]
LimitParameter = Annotated[int, QueryParameter(ge=1, le=500, description="How many at most.")]


class DeadLetterList(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Dead letters, the longest waiting first. `complete` is false where there are more."""

    dead_letters: list[DeadLetter]
    complete: bool


@get(
    "/v1/dead-letters",
    operation_id="listDeadLetters",
    tags=["dead letters"],
    opt=operation(owner="integration-operations", capability="flow-inspection", scopes=["flows:read"], problems=[])
    | for_operators(filters=True),
)
async def list_dead_letters(request: Request[Principal, Any, Any], limit: LimitParameter = 100) -> DeadLetterList:
    """What waits for a person: parked flows, webhooks and events, with the reason and what to do."""
    letters: DeadLetters = request.app.state.dead_letters
    found = await letters.waiting(request.user.tenant, limit + 1, request.user.legal_entities)
    return DeadLetterList(dead_letters=found[:limit], complete=len(found) <= limit)


@post(
    "/v1/dead-letters/{deadLetterId:str}/retry",
    operation_id="retryDeadLetter",
    tags=["dead letters"],
    status_code=204,
    opt=DECIDES | about_dead_letter(),
)
async def retry_dead_letter(request: Request[Principal, Any, Any], dead_letter_id: DeadLetterIdParameter) -> None:
    """Have it tried again where it stopped. Answers 409 where it is not dead (any more)."""
    letters: DeadLetters = request.app.state.dead_letters
    await letters.retry(request.user, dead_letter_id)


@post(
    "/v1/dead-letters/{deadLetterId:str}/edit",
    operation_id="editDeadLetter",
    tags=["dead letters"],
    status_code=204,
    opt=DECIDES | about_dead_letter(),
)
async def edit_dead_letter(
    request: Request[Principal, Any, Any], dead_letter_id: DeadLetterIdParameter, data: JSONBody[Correction]
) -> None:
    """Correct what a parked flow works with, and have it go on from its quote.

    Answers 409 to a webhook, which counts only as its sender signed it, and to an event, which says what has happened.
    """
    if kind_of(dead_letter_id) is not DeadLetterKind.flow:
        raise Conflict(
            "A webhook counts byte for byte as its sender signed it, and an event says what has happened: "
            "neither can be edited. Mend what the reason names and have it tried again, or discard it."
        )
    edits: FlowEdits = request.app.state.flow_edits
    await edits.edit_and_retry(request.user, dead_letter_id, data.edit())


@post(
    "/v1/dead-letters/{deadLetterId:str}/discard",
    operation_id="discardDeadLetter",
    tags=["dead letters"],
    status_code=204,
    opt=DECIDES | about_dead_letter(),
)
async def discard_dead_letter(
    request: Request[Principal, Any, Any], dead_letter_id: DeadLetterIdParameter, data: JSONBody[Discard]
) -> None:
    """Give it up: a flow is undone, others are laid aside. Answers 409 where it is not dead (any more)."""
    letters: DeadLetters = request.app.state.dead_letters
    await letters.discard(request.user, dead_letter_id, data.reason)
