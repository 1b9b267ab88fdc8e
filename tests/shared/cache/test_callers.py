"""A cached answer is sent to its own caller only."""

from dataclasses import replace

import pytest

from shared.cache import response_cache as cache_module
from shared.cache.response_cache import ResponseCache
from shared.identity.auth import Principal
from shared.identity.principal import ActingUser, OwnToken
from tests.shared.cache.cached_service import OTHERS, Service, bearer

pytestmark = pytest.mark.servers


async def test_a_caller_gets_its_answer_again_until_it_is_stale(found: Service) -> None:
    assert [await found.ask() for _ in range(3)] == [1, 1, 1]


@pytest.mark.parametrize("other", OTHERS)
async def test_no_caller_gets_another_callers_entry(found: Service, other: str) -> None:
    assert await found.ask() == 1
    assert await found.ask(**OTHERS[other]()) == 2
    assert await found.ask() == 1


async def test_mutation_key_without_caller_shows_anothers_answer(
    found: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mutation of the test above."""
    monkeypatch.setattr(ResponseCache, "caller_of", lambda *_: "anyone")
    mine = await found.get()
    others = await found.get(Authorization=bearer(sub="005QW0000000009AAA"))
    assert others.json()["subject"] == mine.json()["subject"]


async def test_mutation_key_without_legal_entities_shows_all_to_a_limited_client(
    found: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mutation of the test above, for one field."""
    mine, others = {"Authorization": bearer()}, OTHERS["other legal entities"]()
    assert (await found.get(**mine)).json()["asked"] == 1
    assert (await found.get(**others)).json()["asked"] == 2
    monkeypatch.setattr(cache_module, "_NOT_THE_CALLER", cache_module._NOT_THE_CALLER | {"legal_entities"})
    cache_module._getter_of.cache_clear()
    found.cache._callers.clear()
    answers = [(await found.get("/v1/things/b", **headers)).json()["asked"] for headers in (mine, others)]
    monkeypatch.undo()
    cache_module._getter_of.cache_clear()
    assert answers == [3, 3]


async def test_the_acting_user_is_part_of_the_caller_and_the_ids_of_tokens_are_not(found: Service) -> None:
    principal = Principal("s", "c", "nordwind", frozenset({"b", "a"}))
    ada = ActingUser("005A", "nordwind", "1", "app", OwnToken("ada", 1.0, "one"), frozenset({"a"}))

    def caller(acting: ActingUser | None, principal: Principal = principal) -> str:
        return found.cache.caller_of({"user": principal, "state": {"acting_user": acting}})

    assert caller(ada) == caller(replace(ada, txn="2", own_token=OwnToken("ada", 2.0, "two")))
    assert caller(ada) == caller(ada, replace(principal, token_id="another", issued_at=2.0))
    others = [replace(ada, user_id="005B"), replace(ada, scopes=frozenset()), replace(ada, client_id="another"), None]
    assert len({caller(acting) for acting in (ada, *others)}) == 5


async def test_shared_answers_stay_within_a_tenant(found: Service) -> None:
    assert await found.ask("/v1/price-list") == 1
    assert await found.ask("/v1/price-list", **OTHERS["another client"]()) == 1
    assert await found.ask("/v1/price-list", **OTHERS["another tenant"]()) == 2


async def test_token_is_checked_before_the_cache(found: Service) -> None:
    assert await found.ask() == 1
    assert (await found.get(Authorization=bearer(exp=1))).status_code == 401
    assert (await found.get(Authorization=bearer(scope="other:read"))).status_code == 403
    assert (await found.client.get("/v1/things/a")).status_code == 401


async def test_key_contains_the_query_in_any_order(found: Service) -> None:
    assert await found.ask("/v1/things/a?size=1&colour=red") == 1
    assert await found.ask("/v1/things/a?colour=red&size=1") == 1
    assert await found.ask("/v1/things/a?colour=red&size=2") == 2
    assert await found.ask("/v1/things/b?colour=red&size=1") == 3
