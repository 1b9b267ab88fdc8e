"""Which operations' answers are kept, and that what says so can be true."""

import re
import string

from litestar.routes import HTTPRoute

from openapi.documents import tier_documents
from shared.operations.cache_policy import KEPT_MAX_S, CachePolicy
from shared.operations.operation import policy_of

_VERSION = re.compile(r"^/v[0-9]+")


def cached_operations() -> list[tuple[str, str, str, CachePolicy]]:
    """Tier, method, path and policy of every operation whose answers are kept."""
    found: list[tuple[str, str, str, CachePolicy]] = []
    for documents in tier_documents():
        for route in documents.app.routes:
            if isinstance(route, HTTPRoute):
                for method, (handler, _) in route.route_handler_map.items():
                    policy = None if method == "OPTIONS" else policy_of(handler.opt)
                    if policy is not None and policy.cache is not None:
                        found.append((documents.tier, method, route.path_format or "/", policy.cache))
    return found


CACHED = cached_operations()


def test_only_reads_are_kept_and_only_what_some_event_or_time_ends() -> None:
    assert CACHED
    for tier, method, path, cache in CACHED:
        assert method == "GET", (tier, path)
        named = {name for tag in cache.tags for _, name, _, _ in string.Formatter().parse(tag) if name}
        assert named <= set(re.findall(r"\{(\w+)\}", path)), (tier, path)
        assert cache.tags, "nothing but time would end it"


def test_through_all_tiers_no_answer_is_older_than_what_a_user_may_see_is_remembered() -> None:
    kept_s: dict[str, float] = {}
    for tier in ("experience", "process", "system"):
        oldest = {_VERSION.sub("", path): 0.0 for each, _, path, _ in CACHED if each == tier}
        for each, _, path, cache in CACHED:
            if each == tier:
                bare = _VERSION.sub("", path)
                oldest[bare] = max(oldest[bare], cache.fresh_s + cache.stale_s)
        for path, most in oldest.items():
            kept_s[path] = kept_s.get(path, 0.0) + most
    assert max(kept_s.values()) <= KEPT_MAX_S


def test_nobody_shares_what_belongs_to_an_account() -> None:
    for tier, _, path, cache in CACHED:
        assert not (cache.shared and "account" in path), (tier, path)


def test_the_documents_say_how_long() -> None:
    [experience] = [documents for documents in tier_documents() if documents.tier == "experience"]
    described = experience.documents["experience-v1"]["paths"]["/v1/accounts/{accountId}/overview"]["get"]
    assert described["x-quoteway-cache"] == {
        "freshSeconds": 10,
        "staleSeconds": 10,
        "sharedInTenant": False,
        "endedBy": ["account:{accountId}"],
    }
    assert "304" in described["responses"]
    assert "ETag" in described["responses"]["200"]["headers"]
