"""The stand-in over HTTP: `/{database}/rest/model/{model}[/{id}[/{button}]]`, and its journal under `/_sandbox/`."""

import base64
import json
import secrets
import uuid
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from sandbox.vendors.erp_stand_in.books import Books, RefusedError
from sandbox.vendors.erp_stand_in.records import Records, UnknownNameError, Values
from sandbox.vendors.erp_stand_in.seed import seed
from sandbox.vendors.journal import Journal, journal_route
from sandbox.vendors.tryton.data import SeedData
from sandbox.vendors.tryton.json_values import decode, encode


def create_app(database: str, key: str, data: SeedData) -> Starlette:
    """Return the application, with the sandbox's data in its books."""
    journal = Journal()
    books = Books(Records(), journal)
    seed(books, data)
    rest = _Rest(books, key)
    path = f"/{database}/rest/model/{{model}}"
    return Starlette(
        routes=[
            journal_route(journal),
            Route(path, rest.answer, methods=["GET", "POST"]),
            Route(f"{path}/{{record:int}}", rest.answer, methods=["GET", "PUT"]),
            Route(f"{path}/{{record:int}}/{{button}}", rest.answer, methods=["POST"]),
        ]
    )


class _Rest:
    def __init__(self, books: Books, key: str) -> None:
        self._books = books
        self._authorization = f"Bearer {key}"

    async def answer(self, request: Request) -> Response:
        """Answer a request as Tryton does: a business reason is 400 with JSON, every other error a page of HTML."""
        if not secrets.compare_digest(request.headers.get("Authorization", "").encode(), self._authorization.encode()):
            return _page(401, "Unauthorized")
        body = await request.body()
        try:
            return _json(200, self._answer(request, body))
        except RefusedError as error:
            return _json(400, {"status": 400, "message": str(error), "description": ""})
        except LookupError:
            return _page(404, "Not Found")
        except UnknownNameError as error:
            return _page(500, f"Internal Server Error: {error}")
        except ValueError as error:
            return _page(400, f"Unable to read the request: {error}")

    def _answer(self, request: Request, body: bytes) -> Any:
        model = request.path_params["model"]
        fields = request.query_params.getlist("f")
        context = _from_base64(request.headers.get("X-Tryton-Context", ""), {})
        company, inactive = context.get("company"), not context.get("active_test", True)
        if "record" in request.path_params:
            record = self._require(model, request.path_params["record"])
            if request.method == "POST":
                self._books.press(model, record, request.path_params["button"], uuid.uuid4().hex)
            if request.method == "PUT":
                self._books.update(model, record, decode(body), uuid.uuid4().hex)
            return self._books.records.read(model, record, fields, company, inactive=inactive)
        if request.method == "POST":
            made = self._books.create(model, decode(body), uuid.uuid4().hex)
            return self._books.records.read(model, self._require(model, made), fields, company)
        domain = _from_base64(request.query_params.get("d", ""), [])
        found = self._books.records.search(model, domain, company, inactive=inactive)
        if _from_base64(request.query_params.get("o", ""), []) == [["id", "DESC"]]:
            found.reverse()
        limit = int(request.query_params.get("s", len(found)))
        return [self._books.records.read(model, each, fields, company, inactive=inactive) for each in found[:limit]]

    def _require(self, model: str, record: int) -> Values:
        found = self._books.records.get(model, record)
        if found is None:
            raise LookupError(record)
        return found


def _from_base64(text: str, otherwise: Any) -> Any:
    return json.loads(base64.urlsafe_b64decode(text)) if text else otherwise


def _json(status: int, value: object) -> Response:
    return Response(encode(value), status_code=status, media_type="application/json")


def _page(status: int, said: str) -> Response:
    return HTMLResponse(f"<!doctype html><title>{status}</title><h1>{said}</h1>", status_code=status)
