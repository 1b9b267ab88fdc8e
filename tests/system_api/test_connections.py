"""The connections file: its format, and that all faults are reported at once."""

from pathlib import Path
from typing import Any

import pytest

from system_api.connections import (
    ConnectionsError,
    JurisdictionsConnection,
    SalesforceConnection,
    StripeConnection,
    TrytonConnection,
    load_connections,
)

GOOD = """
[[connection]]
tenant = "nordwind"
capability = "erp"
legal_entity = "NW-DE"
adapter = "tryton"
url = "http://127.0.0.1:8000"
database = "tryton"
company = 1
currency = "EUR"
key = "file:tryton.key"

[[connection]]
tenant = "nordwind"
capability = "billing"
legal_entity = "NW-DE"
adapter = "stripe"
key = "env:STRIPE_KEY"

[[connection]]
tenant = "nordwind"
capability = "crm"
legal_entity = "*"
adapter = "salesforce"
url = "https://nordwind.my.salesforce.com"
client_id = "3MVG9"
client_secret = "env:SF_SECRET"

[[connection]]
tenant = "nordwind"
capability = "tax"
legal_entity = "*"
adapter = "jurisdictions"
table = "taxes.toml"
sellers = { NW-DE = "DE" }
"""
ENVIRONMENT = {"STRIPE_KEY": " sk_test_1\n", "SF_SECRET": "hush"}


def faults(path: Path, environment: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConnectionsError) as raised:
        load_connections(path, environment or {})
    return raised.value.faults


def test_every_adapter_gets_its_settings_and_its_secrets(write_file: Any, tmp_path: Path) -> None:
    write_file("tryton.key", "k-1\n")

    erp, billing, crm, tax = load_connections(write_file("connections.toml", GOOD), ENVIRONMENT)

    assert isinstance(erp, TrytonConnection)
    assert (erp.name, erp.key.value, erp.payment_term) == ("nordwind/erp/NW-DE", "k-1", "30 days net")
    assert isinstance(billing, StripeConnection)
    assert (billing.key.value, billing.url) == ("sk_test_1", "https://api.stripe.com")
    assert isinstance(crm, SalesforceConnection)
    assert (crm.client_secret.value, crm.api_version) == ("hush", "v67.0")
    assert isinstance(tax, JurisdictionsConnection)
    assert tax.table == tmp_path / "taxes.toml"


def test_secrets_do_not_show(write_file: Any) -> None:
    write_file("tryton.key", "k-1")

    shown = repr(load_connections(write_file("connections.toml", GOOD), ENVIRONMENT))

    assert "k-1" not in shown
    assert "hush" not in shown


def test_all_faults_are_named_at_once(write_file: Any) -> None:
    path = write_file(
        "connections.toml",
        """
        surprise = 1
        [[connection]]
        tenant = "Nordwind"
        capability = "tax"
        legal_entity = "NW-DE"
        adapter = "tryton"
        url = "127.0.0.1:8000"
        company = 0
        currency = "EUR"
        key = "sk_live_put_here_by_mistake"
        colour = "blue"
        [[connection]]
        adapter = "oracle"
        [[connection]]
        tenant = "nordwind"
        capability = "billing"
        legal_entity = "NW-DE"
        adapter = "stripe"
        key = "env:NOT_SET"
        [[connection]]
        tenant = "nordwind"
        capability = "billing"
        legal_entity = "NW-DE"
        adapter = "stripe"
        key = "file:none.key"
        """,
    )

    found = faults(path)

    expected = [
        "surprise is not a setting",
        "connection 1 (tryton): colour is not a setting",
        "connection 1 (tryton): tenant: Expected `str` matching",
        "connection 1 (tryton): url: Expected `str` matching",
        "connection 1 (tryton): database is missing",
        "connection 1 (tryton): company: Expected `int` >= 1",
        "connection 1 (tryton): key: name where the secret is, as env:NAME or file:PATH",
        "connection 1 (tryton): this adapter serves erp, not tax",
        "connection 2: adapter is 'oracle'; it can be tryton, stripe, salesforce, jurisdictions",
        "connection 3 (stripe): key: the environment variable NOT_SET is not set",
        "connection 4 (stripe): key: the file",
    ]
    missing = [start for start in expected if not any(start in fault for fault in found)]
    assert missing == [], found
    assert len(found) == len(expected), found
    assert not any("sk_live" in fault for fault in found)


def test_a_connection_may_be_there_only_once(write_file: Any) -> None:
    block = """
    [[connection]]
    tenant = "nordwind"
    capability = "billing"
    legal_entity = "NW-DE"
    adapter = "stripe"
    key = "env:STRIPE_KEY"
    """

    assert faults(write_file("connections.toml", block * 2), ENVIRONMENT) == [
        "nordwind/billing/NW-DE is connected more than once; which one to use cannot be told."
    ]


@pytest.mark.parametrize(
    ("content", "said_so"),
    [
        ("", "lists no connection"),
        ("connection = 1", "lists no connection"),
        ("[[connection]", "is not TOML"),
    ],
)
def test_invalid_file_is_reported(write_file: Any, content: str, said_so: str) -> None:
    (fault,) = faults(write_file("connections.toml", content))

    assert said_so in fault


def test_missing_file_is_reported(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path / "none.toml")

    assert "none.toml cannot be read: No such file" in fault


def test_empty_secret_is_refused(write_file: Any) -> None:
    write_file("tryton.key", "\n")

    assert any("is empty" in fault for fault in faults(write_file("connections.toml", GOOD), ENVIRONMENT))
