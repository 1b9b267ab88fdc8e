"""A client of Tryton's JSON-RPC, as Tryton's own clients use it: sessions, models, buttons and wizards.

Only the seeding uses it. The gateway uses REST with a key (`sandbox.vendors.tryton.rest`).
"""

import base64
import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from sandbox.vendors.tryton.http import send

Values = dict[str, Any]


class TrytonError(RuntimeError):
    """Tryton refused a call. Over JSON-RPC the status is 200 all the same, so every answer has to be checked."""


class TrytonSession:
    """A logged-in user's session.

    Args:
        url: the server's address, without the database.
        database: the database's name.
        login: who logs in. A wrong password is answered later each time: up to 26 s.
        password: that user's password.

    Raises:
        TrytonError: the login was refused.
    """

    def __init__(self, url: str, database: str, login: str, password: str) -> None:
        self.server_url = url
        self.database = database
        self._authorization = ""
        user_id, token, *_rest = self.call("common.db.login", login, {"password": password})
        credentials = f"{login}:{user_id}:{token}".encode()
        self._authorization = f"Session {base64.b64encode(credentials).decode()}"
        self.company: int | None = None
        """The company in whose context the following calls run: accounts, prices and limits differ by company."""

    def call(self, method: str, *params: object) -> Any:
        """Call a remote method and return its result. Raises `TrytonError` with what Tryton said."""
        body = {"id": 0, "method": method, "params": params}
        headers = {"Authorization": self._authorization} if self._authorization else {}
        answer = send("POST", f"{self.server_url}/{self.database}/rpc/", headers, body)
        if answer.status != HTTPStatus.OK:
            raise TrytonError(f"{method} was refused with HTTP {answer.status}: {answer.text}")
        found = answer.value
        if "error" in found:
            raise TrytonError(f"{method}: {json.dumps(found['error'], default=str)}")
        return found["result"]

    @property
    def _context(self) -> Values:
        return {} if self.company is None else {"company": self.company, "companies": [self.company]}

    def create(self, model: str, *records: Values) -> list[int]:
        """Create records and return their ids. Values of `One2many` fields are `[("create", [...])]`."""
        created: list[int] = self.call(f"model.{model}.create", list(records), self._context)
        return created

    def create_one(self, model: str, record: Values) -> int:
        """Create one record and return its id."""
        return self.create(model, record)[0]

    def search(self, model: str, domain: Sequence[object], limit: int | None = None) -> list[int]:
        """Return the ids of the records that match a domain, in the model's own order."""
        found: list[int] = self.call(f"model.{model}.search", domain, 0, limit, None, self._context)
        return found

    def find(self, model: str, *domain: object) -> int:
        """Return the id of the one record that matches. Raises `TrytonError` unless there is exactly one."""
        found = self.search(model, domain, limit=2)
        if len(found) != 1:
            raise TrytonError(f"{'no' if not found else 'more than one'} {model} matches {domain}")
        return found[0]

    def read(self, model: str, ids: Sequence[int], fields: Sequence[str]) -> list[Values]:
        """Return fields of records."""
        found: list[Values] = self.call(f"model.{model}.read", ids, fields, self._context)
        return found

    def write(self, model: str, ids: Sequence[int], values: Values) -> None:
        """Change fields of records."""
        self.call(f"model.{model}.write", ids, values, self._context)

    def press(self, model: str, button: str, ids: Sequence[int]) -> Any:
        """Press a button of the model on records."""
        return self.call(f"model.{model}.{button}", ids, self._context)

    def by_xml_id(self, module: str, xml_id: str) -> int:
        """Return the id of a record that a module contains."""
        found: int = self.call("model.ir.model.data.get_id", module, xml_id, self._context)
        return found

    def run_wizard(self, name: str, steps: Sequence[tuple[str, dict[str, Values]]]) -> None:
        """Run a wizard: each step is a state and the form values entered before it."""
        session_id, _start, end = self.call(f"wizard.{name}.create", self._context)
        for state, forms in steps:
            self.call(f"wizard.{name}.execute", session_id, forms, state, self._context)
        self.call(f"wizard.{name}.execute", session_id, {}, end, self._context)
        self.call(f"wizard.{name}.delete", session_id, self._context)


def request_application_key(url: str, database: str, login: str) -> str:
    """Request a REST key for a user; an administrator must accept the key before it works."""
    body = {"user": login, "application": "rest"}
    answer = send("POST", f"{url}/{database}/r/user/application/", {}, body)
    if answer.status != HTTPStatus.OK:
        raise TrytonError(f"A key for {login} was refused with HTTP {answer.status}: {answer.text}")
    key: str = answer.value
    return key
