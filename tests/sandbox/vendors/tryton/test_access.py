"""The integration user may do its work, and nothing that is an administrator's."""

from decimal import Decimal
from typing import Any

import pytest

from sandbox.vendors.tryton.recipe import ADMIN_LOGIN
from sandbox.vendors.tryton.rest import RestClient
from sandbox.vendors.tryton.rpc import TrytonError, TrytonSession, request_application_key
from sandbox.vendors.tryton.seed.access import INTEGRATION_LOGIN
from sandbox.vendors.tryton.server import TrytonServer

TENANT = "nordwind"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "res.user", {"name": "Eve", "login": "eve"}),
        ("POST", "company.company", {"party": 1, "currency": 1}),
        ("PUT", "account.tax/1", {"rate": Decimal(0)}),
        ("PUT", "product.template/1", {"list_price": Decimal(1)}),
        ("PUT", "party.party/3", {"credit_limit_amount": Decimal(999999)}),
        ("PUT", "sale.configuration/1", {"sale_process_after": None}),
    ],
)
def test_what_an_administrator_may_is_refused(
    tryton: TrytonServer, method: str, path: str, body: dict[str, Any]
) -> None:
    answer = tryton.client(TENANT, "NW-DE").send(method, path, (), body)
    assert answer.status == 400
    assert answer.value["message"].startswith("You are not allowed to access")


def test_an_application_for_somebody_else_is_refused(tryton: TrytonServer) -> None:
    admin = TrytonSession(tryton.url, tryton.database, ADMIN_LOGIN, tryton.credentials.admin_password)
    body = {"application": "rest", "user": admin.find("res.user", ("login", "=", ADMIN_LOGIN))}
    answer = tryton.client(TENANT, "NW-DE").send("POST", "res.user.application", (), body)
    assert answer.status == 400


def test_a_wrong_key_is_refused(tryton: TrytonServer) -> None:
    stranger = RestClient(tryton.url, tryton.database, "0" * 128, 1)
    assert stranger.send("GET", "sale.sale", [("s", "1")]).status == 401


def test_a_key_is_of_use_only_while_an_administrator_lets_it_in(tryton: TrytonServer) -> None:
    admin = TrytonSession(tryton.url, tryton.database, ADMIN_LOGIN, tryton.credentials.admin_password)
    login = f"{INTEGRATION_LOGIN}-{TENANT}"
    client = RestClient(tryton.url, tryton.database, request_application_key(tryton.url, tryton.database, login), 1)
    application = admin.find("res.user.application", ("user.login", "=", login), ("state", "=", "requested"))

    def status() -> int:
        return client.send("GET", "sale.sale", [("s", "1")]).status

    assert status() == 401
    admin.press("res.user.application", "validate_", [application])
    assert status() == 200
    admin.press("res.user.application", "cancel", [application])
    assert status() == 401


def test_a_wrong_password_does_not_open_a_session(tryton: TrytonServer) -> None:
    with pytest.raises(TrytonError, match=r"common\.db\.login was refused with HTTP 401"):
        TrytonSession(tryton.url, tryton.database, ADMIN_LOGIN, "wrong")


def test_the_run_folder_keeps_its_secrets_to_its_owner(tryton: TrytonServer) -> None:
    files = [path for path in tryton.run_dir.iterdir() if path.suffix in {".json", ".conf"}]
    assert {path.name for path in files} == {"tryton-credentials.json", "tryton.conf"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in files)
