"""The sandbox's own controls, outside Salesforce's API: what a test, a person or time does to the org."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.vendors.journal import journal_route
from sandbox.vendors.salesforce.catalogue import ACCOUNT, CONTACT, USER
from sandbox.vendors.salesforce.errors import SalesforceError
from sandbox.vendors.salesforce.org.org import Org
from sandbox.vendors.salesforce.records import ids
from sandbox.vendors.salesforce.records.schema import SObject
from sandbox.vendors.salesforce.records.store import Actor
from sandbox.vendors.salesforce.refusals import Refusal
from sandbox.vendors.salesforce.rest.calls import read_json
from sandbox.vendors.salesforce.rest.json_answers import json_response

TIMES_MAX = 10_000


class Controls:
    def __init__(self, org: Org) -> None:
        self._org = org

    def routes(self) -> list[Route]:
        return [
            journal_route(self._org.journal),
            Route("/_sandbox/events", self.read_events, methods=["GET"]),
            Route("/_sandbox/events", self.forget_events, methods=["DELETE"]),
            Route("/_sandbox/refuse", self.refuse, methods=["POST"]),
            Route("/_sandbox/refuse", self.stop_refusing, methods=["DELETE"]),
            Route("/_sandbox/lock", self.lock, methods=["POST"]),
            Route("/_sandbox/access", self.grant_access, methods=["PUT"]),
            Route("/_sandbox/sessions", self.close_sessions, methods=["DELETE"]),
            Route("/_sandbox/quota", self.set_quota, methods=["PUT"]),
            Route("/_sandbox/merge", self.merge, methods=["POST"]),
            Route("/_sandbox/api-versions", self.set_versions, methods=["PUT"]),
        ]

    async def read_events(self, request: Request) -> Response:
        """?object=X__e&after=replayId: events in order; without `after`, all that are kept."""
        after = request.query_params.get("after", "-1")
        if not after.lstrip("-").isdigit():
            raise SalesforceError("INVALID_REPLAY_ID", "after must be a replay id from an earlier event")
        events = self._org.events.read(request.query_params.get("object"), int(after))
        return json_response({"events": [event.describe() for event in events]})

    async def forget_events(self, _: Request) -> Response:
        """As if 72 hours had passed: what a subscriber has not read yet is gone."""
        self._org.events.forget_all()
        return Response(status_code=204)

    async def refuse(self, request: Request) -> Response:
        """{"method", "path" (prefix), "times", "status", "errorCode", "message"}: the next fitting requests fail."""
        body = await _read_body(request)
        error = SalesforceError(
            _text(body, "errorCode"),
            _text(body, "message", "refused by the sandbox"),
            status=_number(body, "status", 400, at_least=300, at_most=599),
            fields=(),
        )
        times = _number(body, "times", 1, at_least=1, at_most=TIMES_MAX)
        self._org.refusals.add(Refusal(_text(body, "method", "*"), _text(body, "path"), times, error))
        return Response(status_code=204)

    async def stop_refusing(self, _: Request) -> Response:
        self._org.refusals.clear()
        return Response(status_code=204)

    async def lock(self, request: Request) -> Response:
        """{"record_id", "times"}: the next writes that need the record answer UNABLE_TO_LOCK_ROW; 0 releases it."""
        body = await _read_body(request)
        times = _number(body, "times", 1, at_least=0, at_most=TIMES_MAX)
        self._org.store.locks.hold(_record_id(body, "record_id"), times)
        return Response(status_code=204)

    async def grant_access(self, request: Request) -> Response:
        """{"user_id", "account_id", "read": bool, "edit": bool = read}: what UserRecordAccess says from now on."""
        body = await _read_body(request)
        user_id, account_id = _record_id(body, "user_id"), _record_id(body, "account_id")
        self._org.store.require(USER, user_id)
        self._org.store.require(ACCOUNT, account_id)
        read, edit = body.get("read"), body.get("edit", body.get("read"))
        if not isinstance(read, bool) or not isinstance(edit, bool):
            raise SalesforceError("INVALID_INPUT", "read (and edit, if given) must be true or false")
        self._org.access.grant(user_id, account_id, ("Edit" if edit else "Read") if read else "None")
        return Response(status_code=204)

    async def close_sessions(self, _: Request) -> Response:
        """End every session, as an administrator can: all access tokens stop working."""
        return JSONResponse({"closed": self._org.sessions.close_all()})

    async def set_quota(self, request: Request) -> Response:
        """{"max", "used"}: the day's API quota; either may be left out."""
        body = await _read_body(request)
        quota = self._org.quota
        quota.maximum = _number(body, "max", quota.maximum, at_least=0, at_most=10**9)
        quota.used = _number(body, "used", quota.used, at_least=0, at_most=10**9)
        return JSONResponse({"max": quota.maximum, "used": quota.used})

    async def merge(self, request: Request) -> Response:
        """{"master_id", "merged_id"}: merge two accounts or contacts, which a person does in the user interface."""
        body = await _read_body(request)
        master_id, merged_id = _record_id(body, "master_id"), _record_id(body, "merged_id")
        sobject = self._org.store.schema.object_of_id(master_id)
        if sobject not in self._mergeable() or sobject is None or not merged_id.startswith(sobject.key_prefix):
            raise SalesforceError("INVALID_INPUT", "two accounts or two contacts can be merged")
        master, merged = (self._org.store.require(sobject, one) for one in (master_id, merged_id))
        self._org.store.merge(sobject, master, merged, Actor(str(master["OwnerId"]), "sandbox"))
        return Response(status_code=204)

    def _mergeable(self) -> list[SObject | None]:
        return [self._org.store.schema.object_named(one.name) for one in (ACCOUNT, CONTACT)]

    async def set_versions(self, request: Request) -> Response:
        """{"oldest", "newest"}: the versions of the API that the org speaks from now on; either may be left out."""
        body = await _read_body(request)
        versions = self._org.versions
        versions.oldest = _number(body, "oldest", versions.oldest, at_least=1, at_most=999)
        versions.newest = _number(body, "newest", versions.newest, at_least=versions.oldest, at_most=999)
        return JSONResponse({"oldest": versions.oldest, "newest": versions.newest})


async def _read_body(request: Request) -> dict[str, Any]:
    body = read_json(await request.body())
    if not isinstance(body, dict):
        raise SalesforceError("INVALID_INPUT", "send a JSON object")
    return body


def _text(body: dict[str, Any], name: str, default: str | None = None) -> str:
    value = body.get(name, default)
    if not isinstance(value, str) or not value:
        raise SalesforceError("INVALID_INPUT", f"{name} must be a text")
    return value


def _number(body: dict[str, Any], name: str, default: int, *, at_least: int, at_most: int) -> int:
    value = body.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not at_least <= value <= at_most:
        raise SalesforceError("INVALID_INPUT", f"{name} must be an integer from {at_least} to {at_most}")
    return value


def _record_id(body: dict[str, Any], name: str) -> str:
    normal = ids.normalize(_text(body, name))
    if normal is None:
        raise SalesforceError("MALFORMED_ID", f"{name} is not a record id")
    return normal
