"""A service of one thing, behind every inbound policy."""

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post
from litestar.params import HeaderParameter, JSONBody, PathParameter, QueryParameter

from shared.identity.auth import Authenticator, Principal
from shared.inbound.tier import Published, Refusals, Tier
from shared.operations.operation import operation, public
from shared.problem import Conflict, Rejected
from tests.shared.tokens import claims, rsa_key, sign

KEY = rsa_key()


class Thing(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """What the service takes and gives."""

    thing_name: str
    count: int = 0


READ = operation(owner="tests", capability="things", scopes=["things:read"])
WRITE = operation(owner="tests", capability="things", scopes=["things:read", "things:write"], rate="write")


@get("/v1/things/{thingId:str}", operation_id="getThing", opt=READ)
async def get_thing(
    request: Request[Principal, Any, Any],
    thing_id: Annotated[str, PathParameter(name="thingId", pattern="^[a-z]+$")],
    page_size: Annotated[int, QueryParameter(name="pageSize", ge=1)] = 1,
) -> dict[str, str]:
    """Who asks for what."""
    if thing_id == "broken":
        raise RuntimeError("password=hunter2")
    if thing_id == "refused":
        raise Rejected("No.", reason_code="no", vendor_said="SELECT Id", what_to_do="Look.")
    if thing_id == "busy":
        raise Conflict("The thing is busy.", retry_after_s=page_size)
    return {"thing": thing_id, "tenant": request.user.tenant, "subject": request.user.subject}


@post("/v1/things", operation_id="createThing", opt=WRITE)
async def create_thing(
    data: JSONBody[Thing], key: Annotated[str, HeaderParameter(name="Idempotency-Key", min_length=1)]
) -> Response[Thing]:
    """The thing."""
    return Response(data, headers={"X-Key": key})


@post("/v1/pokes", operation_id="poke", opt=WRITE, status_code=200)
async def poke() -> dict[str, bool]:
    """An operation without a body."""
    return {"poked": True}


@get("/public", operation_id="getPublic", opt=public(), sync_to_thread=False)
def get_public() -> str:
    """For everyone."""
    return "hello"


def tier(authenticator: Authenticator, *, plain: bool = False, redact: Callable[[str], str] | None = None) -> Tier:
    description = "A service for tests."
    return Tier(
        name="tests",
        published=Published(title="Tests", version="1.0.0", description=description),
        authenticator=authenticator,
        refusals=Refusals(
            plain=plain,
            redact=redact,
        ),
    )


def authorization(scope: str = "things:read things:write") -> dict[str, str]:
    return {"Authorization": f"Bearer {sign(KEY, claims(scope=scope))}"}
