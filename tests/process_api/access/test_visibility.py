"""What an acting user sees, decided from what Salesforce says, with the system API's stand-in at the boundary."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from litestar import Litestar, get, post
from litestar.exceptions import ImproperlyConfiguredException
from litestar.params import JSONBody
from sqlalchemy import insert

from process_api.access.subjects import (
    Subject,
    about_account,
    about_order,
    about_quote_in_body,
    for_operators,
    refuse_handlers_without_subject,
    subject_of,
)
from process_api.access.visibility import Visibility, require_operator
from process_api.database.store import Store
from process_api.database.tables import orders
from process_api.engine.decisions import FlowDecisions
from process_api.kinds import KINDS
from process_api.operations.dead_letters import dead_letters
from process_api.settings import ProcessSettings
from process_api.system_client import SystemClient, connect_system
from process_api.v1.orders import OrderSubmission
from shared.cache import ttl_cache
from shared.cache.ttl_cache import REMEMBERED_S, TtlCache
from shared.canonical import RecordAccess
from shared.identity.principal import ActingUser, OwnToken
from shared.operations.operation import operation, public
from shared.problem import InvalidRequest, NotFound, NotPermitted, QuotewayError, Unavailable
from tests.process_api.conftest import Switch
from tests.process_api.system_stand_in import mixed_quote

MINE, FOREIGN, NONE = "001QW0000000001YAA", "001QW0000000002YAA", "001QW0000000099YAA"
QUOTE = "0Q0QW00000000010AA"
OWN_TOKEN = OwnToken("ada", 0.0)
ACCOUNT, ORDER = subject_of(about_account()), subject_of(about_order())
SUBMITTED = subject_of(about_quote_in_body())
READ, EDIT = RecordAccess(readable=True, editable=False), RecordAccess(readable=True, editable=True)


@dataclass
class Seeing:
    """A user of a tenant of this test's own, and the stand-in that says what they see."""

    visibility: Visibility
    switch: Switch
    store: Store
    user: ActingUser

    def grant(self, record: str, access: RecordAccess) -> None:
        self.switch.system.access[self.user.user_id, record] = access

    async def outcome(self, subject: Subject, named: str) -> str:
        try:
            await self.visibility.require_user(self.user, subject, named)
        except QuotewayError as error:
            return f"{error.status} {error.detail}".replace(named, "…")
        return "seen"

    def asked(self) -> int:
        """How often the system API was asked since the last look."""
        count = self.switch.system.calls.count("record_access")
        self.switch.system.calls.clear()
        return count

    async def order(self, account: str | None, quote: str = QUOTE, legal_entity: str | None = None) -> str:
        order_id = f"ord_{uuid.uuid4().hex}"
        tenant = self.user.tenant
        async with self.store.transaction(tenant) as connection:
            await connection.execute(
                insert(orders).values(
                    order_id=order_id,
                    tenant=tenant,
                    quote_id=quote,
                    quote_revision=uuid.uuid4().int % 1_000_000,
                    flow_id=f"{tenant}.{order_id}",
                    status="booked",
                    version=1,
                    account_id=account,
                    legal_entity=legal_entity,
                )
            )
        return order_id


@pytest_asyncio.fixture(loop_scope="session")
async def system(process_settings: ProcessSettings) -> AsyncIterator[tuple[SystemClient, Switch]]:
    switch = Switch()
    client = connect_system(process_settings, switch)
    yield client, switch
    await client.tokens.close()
    await client.client.close()


@pytest_asyncio.fixture(loop_scope="session")
async def seeing(process_settings: ProcessSettings, system: tuple[SystemClient, Switch]) -> AsyncIterator[Seeing]:
    client, switch = system
    store = Store(process_settings.database_url)
    tenant = f"t-{uuid.uuid4().hex[:12]}"
    user = ActingUser("005QW0000000001YAA", tenant, "txn-1", "salesforce-lightning", OWN_TOKEN)
    yield Seeing(Visibility(client, store, dead_letters(store, FlowDecisions(store, KINDS))), switch, store, user)
    await store.close()


async def test_a_user_sees_what_salesforce_says_and_of_the_rest_nothing_differs(seeing: Seeing) -> None:
    seeing.grant(MINE, EDIT)
    foreign = await seeing.order(FOREIGN)
    questions: dict[str, tuple[str, int]] = {}
    for name, subject, named in (
        ("mine", ACCOUNT, MINE),
        ("foreign account", ACCOUNT, FOREIGN),
        ("no account", ACCOUNT, NONE),
        ("foreign quote", SUBMITTED, QUOTE),
        ("no quote", SUBMITTED, NONE),
        ("foreign order", ORDER, foreign),
        ("foreign order, account not known", ORDER, await seeing.order(None)),
        ("no order", ORDER, f"ord_{uuid.uuid4().hex}"),
    ):
        questions[name] = (await seeing.outcome(subject, named), seeing.asked())

    assert questions.pop("mine") == ("seen", 1)
    # As many questions for what exists as for what does not: neither the answer nor its time tells them apart.
    assert questions == {name: (f"404 There is no {name.split(',')[0].split()[-1]} ….", 1) for name in questions}


async def test_a_question_is_asked_once_while_its_answer_is_fresh(
    seeing: Seeing, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeing.grant(MINE, EDIT)
    for account, outcome in ((MINE, "seen"), (FOREIGN, "404 There is no account ….")):
        answers = await asyncio.gather(*(seeing.outcome(ACCOUNT, account) for _ in range(50)))
        assert (set(answers), seeing.asked()) == ({outcome}, 1)
        assert (await seeing.outcome(ACCOUNT, account), seeing.asked()) == (outcome, 0)

    seeing.grant(MINE, RecordAccess(readable=False, editable=False))
    seeing.grant(FOREIGN, EDIT)
    later = time.monotonic() + REMEMBERED_S
    # This clock alone: the event loop's is everybody's.
    monkeypatch.setattr(ttl_cache, "monotonic", lambda: later)
    assert await seeing.outcome(ACCOUNT, MINE) == "404 There is no account …."
    assert await seeing.outcome(ACCOUNT, FOREIGN) == "seen"


async def test_orders_share_the_answer_about_an_account_that_is_seen_and_no_other(seeing: Seeing) -> None:
    seeing.grant(MINE, EDIT)
    mine = [await seeing.order(MINE) for _ in range(3)]
    foreign = [await seeing.order(FOREIGN) for _ in range(3)]
    assert [await seeing.outcome(ORDER, each) for each in mine] == ["seen"] * 3
    assert seeing.asked() == 1

    # Were the denial of the account shared, a fast "there is none" would say that there is one, and whose.
    await seeing.outcome(ACCOUNT, FOREIGN)
    assert {await seeing.outcome(ORDER, each) for each in foreign} == {"404 There is no order …."}
    assert seeing.asked() == 4


async def test_an_order_is_seen_by_its_quote_until_its_account_is_known(seeing: Seeing) -> None:
    seeing.grant(QUOTE, READ)
    assert await seeing.outcome(ORDER, await seeing.order(None)) == "seen"
    assert await seeing.outcome(ORDER, await seeing.order(None, quote="never/one")) == "404 There is no order …."


async def test_who_only_reads_cannot_submit_and_is_told_so(seeing: Seeing) -> None:
    seeing.grant(QUOTE, READ)
    with pytest.raises(NotPermitted, match="but not change it"):
        await seeing.visibility.require_user(seeing.user, SUBMITTED, QUOTE)
    seeing.visibility._verdicts._known.clear()
    seeing.grant(QUOTE, EDIT)
    await seeing.visibility.require_user(seeing.user, SUBMITTED, QUOTE)


class ForAnyone(TtlCache[Any, Any]):
    """A memory whose keys lack what they begin with: the tenant, and the user where there is one."""

    def __init__(self, left_out: int) -> None:
        super().__init__()
        self._left_out = left_out

    def find(self, key: Any) -> Any:
        return super().find(key[self._left_out :])

    async def ask(self, key: Any, question: Any) -> Any:
        return await super().ask(key[self._left_out :], question)


async def test_with_a_key_without_the_user_another_would_see_it(seeing: Seeing) -> None:
    """The mutation of the test below."""
    seeing.visibility._verdicts = ForAnyone(2)

    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        await test_an_answer_is_one_users_and_one_tenants(seeing)


async def test_whose_an_account_is_is_asked_for_in_each_tenant(seeing: Seeing) -> None:
    system = seeing.switch.system
    assert system.account is not None
    system.account = msgspec.structs.replace(system.account, account_id=MINE, legal_entity="NW-DE")
    for tenant in (seeing.user.tenant, f"{seeing.user.tenant[:20]}-x"):
        system.calls.clear()
        await seeing.visibility.require_legal_entity(tenant, frozenset({"NW-DE"}), ACCOUNT, MINE)
        assert system.calls == ["find_account"]


async def test_with_a_key_without_the_tenant_the_answer_of_another_would_do(seeing: Seeing) -> None:
    """The mutation of the test above."""
    seeing.visibility._sellers = ForAnyone(1)

    with pytest.raises(AssertionError):
        await test_whose_an_account_is_is_asked_for_in_each_tenant(seeing)


async def test_an_answer_is_one_users_and_one_tenants(seeing: Seeing) -> None:
    seeing.grant(MINE, EDIT)
    await seeing.visibility.require_user(seeing.user, ACCOUNT, MINE)
    other = ActingUser("005QW0000000002YAA", seeing.user.tenant, "txn-2", "salesforce-lightning", OWN_TOKEN)
    with pytest.raises(NotFound):
        await seeing.visibility.require_user(other, ACCOUNT, MINE)
    order = await seeing.order(MINE)
    namesake = ActingUser(
        seeing.user.user_id, f"{seeing.user.tenant[:20]}-x", "txn-3", "salesforce-lightning", OWN_TOKEN
    )
    with pytest.raises(NotFound):
        await seeing.visibility.require_user(namesake, ORDER, order)


@pytest.mark.parametrize("fault", ["unavailable", "rejected", "not_sent", "garbage"])
async def test_while_salesforce_is_away_nobody_is_let_in_and_nothing_is_remembered(seeing: Seeing, fault: Any) -> None:
    seeing.grant(MINE, EDIT)
    # The client repeats a read that was not sent or not available.
    seeing.switch.system.fail("record_access", *[fault] * 5)
    with pytest.raises(Unavailable) as away:
        await seeing.visibility.require_user(seeing.user, ACCOUNT, MINE)
    assert away.value.retry_after_s
    assert away.value.headers["Retry-After"]
    seeing.switch.system.faults.clear()
    await seeing.visibility.require_user(seeing.user, ACCOUNT, MINE)


async def test_whoever_leaves_does_not_take_the_others_answer_along(seeing: Seeing) -> None:
    seeing.grant(MINE, EDIT)
    gate = seeing.switch.hold("record-access")
    first = asyncio.create_task(seeing.outcome(ACCOUNT, MINE))
    await asyncio.sleep(0)
    second = asyncio.create_task(seeing.outcome(ACCOUNT, MINE))
    await asyncio.sleep(0)
    first.cancel()
    gate.set()
    assert await second == "seen"
    assert seeing.asked() == 1


@pytest.mark.parametrize(
    ("subject", "named"),
    [(ACCOUNT, "001QW0000000001/../x"), (ACCOUNT, "0" * 16), (SUBMITTED, "0Q0"), (ORDER, "ord/1"), (ORDER, "")],
)
async def test_what_is_no_id_never_becomes_part_of_an_address(seeing: Seeing, subject: Subject, named: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        await seeing.visibility.require_user(seeing.user, subject, named)
    assert refusal.value.faults[0].pointer == subject.pointer
    assert seeing.asked() == 0


async def test_a_client_of_some_legal_entities_sees_what_is_theirs_and_of_the_rest_nothing_differs(
    seeing: Seeing,
) -> None:
    system, tenant = seeing.switch.system, seeing.user.tenant
    assert system.account is not None
    system.more_accounts = [
        msgspec.structs.replace(system.account, account_id=FOREIGN, legal_entity="NW-US"),
        msgspec.structs.replace(system.account, account_id=MINE, legal_entity="NW-DE"),
    ]
    system.account = None
    quote = msgspec.structs.replace(mixed_quote(), quote_id=QUOTE, legal_entity="NW-US")
    system.more_quotes = [quote]
    orders_of = {code: await seeing.order(MINE, legal_entity=code) for code in ("NW-DE", "NW-US", None)}

    async def outcome(subject: Subject, named: str) -> tuple[str, list[str]]:
        system.calls.clear()
        try:
            await seeing.visibility.require_legal_entity(tenant, frozenset({"NW-DE"}), subject, named)
        except NotFound as error:
            return error.detail.replace(named, "…"), list(system.calls)
        return "seen", list(system.calls)

    assert await outcome(ACCOUNT, MINE) == ("seen", ["find_account"])
    assert await outcome(ACCOUNT, MINE) == ("seen", [])
    nothing = ("There is no account ….", ["find_account"])
    assert await outcome(ACCOUNT, FOREIGN) == await outcome(ACCOUNT, NONE) == nothing
    assert await outcome(ORDER, orders_of["NW-DE"]) == ("seen", [])
    nothing = ("There is no order ….", [])
    assert await outcome(ORDER, orders_of["NW-US"]) == await outcome(ORDER, f"ord_{uuid.uuid4().hex}") == nothing
    # What has just been submitted is its quote's legal entity's; asked once, as for any quote.
    assert await outcome(ORDER, orders_of[None]) == ("There is no order ….", ["find_quote"])
    assert await outcome(SUBMITTED, QUOTE) == ("There is no quote ….", [])


async def test_an_account_that_is_nobodys_yet_is_told_apart_by_no_answer(seeing: Seeing) -> None:
    seeing.switch.system.fail("find_account", "rejected")
    with pytest.raises(NotFound, match="There is no account"):
        await seeing.visibility.require_legal_entity(seeing.user.tenant, frozenset({"NW-DE"}), ACCOUNT, MINE)


def test_what_is_about_the_whole_tenant_is_for_no_user_and_filtered_for_a_client_of_some_legal_entities(
    seeing: Seeing,
) -> None:
    for subject in (subject_of(for_operators()), subject_of(for_operators(filters=True))):
        with pytest.raises(NotPermitted, match="in a Salesforce user's name"):
            require_operator(seeing.user, subject)
    with pytest.raises(NotPermitted, match="some of its legal entities"):
        require_operator(None, subject_of(for_operators()))
    require_operator(None, subject_of(for_operators(filters=True)))


def test_an_operation_that_does_not_say_what_it_is_about_cannot_be_served() -> None:
    policy = operation(owner="o", capability="c", scopes=[])

    async def about() -> None:
        """Nothing."""

    async def submit(data: JSONBody[OrderSubmission]) -> None:
        """Nothing."""

    for handler, fault in (
        (get("/a/{accountId:str}", opt=policy)(about), "does not say what it is about"),
        (get("/a/{account:str}", opt=policy | about_account())(about), "its path has no accountId"),
        (post("/a", opt=policy | about_quote_in_body("quote"))(submit), "its body has no quote"),
    ):
        with pytest.raises(ImproperlyConfiguredException, match=fault):
            refuse_handlers_without_subject(Litestar([handler], openapi_config=None))
    refuse_handlers_without_subject(
        Litestar(
            [
                get("/b/{accountId:str}", opt=policy | about_account())(about),
                post("/b", opt=policy | about_quote_in_body())(submit),
                post("/c", opt=policy | for_operators())(submit),
                post("/d", opt=public())(submit),
            ],
            openapi_config=None,
        )
    )
