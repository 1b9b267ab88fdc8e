"""A client of Tryton's REST interface with a key, for the tests' outside view and for people.

The gateway has an adapter of its own; with this client no test checks the gateway with the gateway.
"""

import json
import urllib.parse
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from typing import Any

from sandbox.vendors.tryton.http import Answer, send


class RestError(RuntimeError):
    """A call was refused; `answer` is Tryton's answer."""

    def __init__(self, call: str, answer: Answer) -> None:
        super().__init__(f"{call}: HTTP {answer.status} {answer.text}")
        self.answer = answer


class RestClient:
    """One user's view of one company.

    Args:
        url: the server's address, without the database.
        database: the database's name.
        key: the user application's key.
        company: the id of the company whose context every call runs in; None leaves the context out.
    """

    def __init__(self, url: str, database: str, key: str, company: int | None) -> None:
        self._models = f"{url}/{database}/rest/model"
        self._headers = {"Authorization": f"Bearer {key}"}
        if company is not None:
            self._headers["X-Tryton-Context"] = _base64_json({"company": company})

    def send(self, method: str, path: str, query: Sequence[tuple[str, str]] = (), body: object = None) -> Answer:
        """Send one request below `/rest/model/` and return its answer, errors included."""
        url = f"{self._models}/{path}" + (f"?{urllib.parse.urlencode(query)}" if query else "")
        return send(method, url, self._headers, body)

    def search(self, model: str, domain: Sequence[object], fields: Sequence[str], limit: int = 100) -> list[Any]:
        """Return fields of the records that match a domain. Dotted paths reach into related records."""
        query = [("d", _base64_json(domain)), ("s", str(limit)), *(("f", field) for field in fields)]
        found: list[Any] = self._value("GET", model, query)
        return found

    def read(self, model: str, record: int, fields: Sequence[str]) -> dict[str, Any]:
        """Return fields of one record."""
        found: dict[str, Any] = self._value("GET", f"{model}/{record}", [("f", field) for field in fields])
        return found

    def create(self, model: str, values: dict[str, Any], fields: Sequence[str] = ("id",)) -> dict[str, Any]:
        """Create a record and return the requested fields."""
        created: dict[str, Any] = self._value("POST", model, [("f", field) for field in fields], values)
        return created

    def act(self, model: str, record: int, action: str, fields: Sequence[str] = ("id",)) -> Any:
        """Press a button on a record and return the record's fields."""
        return self._value("POST", f"{model}/{record}/{action}", [("f", field) for field in fields], {})

    def _value(self, method: str, path: str, query: Sequence[tuple[str, str]], body: object = None) -> Any:
        answer = self.send(method, path, query, body)
        if answer.status != 200:
            raise RestError(f"{method} {path}", answer)
        return answer.value


def _base64_json(value: object) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).decode()
