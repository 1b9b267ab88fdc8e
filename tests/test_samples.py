"""The sample files can be used as they are, and show and explain every setting that there is."""

import re
import tomllib
from pathlib import Path
from typing import Any, get_type_hints

import msgspec
import pytest

from process_api.legal_entities import LegalEntity, load_legal_entities
from system_api.connections import ADAPTER_KINDS, load_connections

SAMPLES = Path(__file__).parents[1] / "docs" / "samples"
CONNECTIONS, LEGAL_ENTITIES = SAMPLES / "connections.toml", SAMPLES / "legal_entities.toml"
ENVIRONMENT = {
    "NORDWIND_SALESFORCE_SECRET": "secret",
    "NORDWIND_STRIPE_KEY": "sk_test_1",
    "NORDWIND_STRIPE_WEBHOOK_SECRET": "whsec_1",
}


@pytest.fixture
def connections(tmp_path: Path) -> Path:
    """The sample beside the secrets that it names."""
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "tryton-nordwind.key").write_text("key")
    copy = tmp_path / "connections.toml"
    copy.write_text(CONNECTIONS.read_text())
    return copy


def settings_of(kind: type[msgspec.Struct], path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    """Every setting of a kind, those of its tables too, by their paths."""
    hints = get_type_hints(kind)
    found: set[tuple[str, ...]] = set()
    for each in msgspec.structs.fields(kind):
        hint = hints[each.name]
        if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
            found |= settings_of(hint, (*path, each.name))
        else:
            found.add((*path, each.name))
    return found


def shown(table: dict[str, Any], path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    """Every path of a table, inner tables' own too."""
    found: set[tuple[str, ...]] = set()
    for name, value in table.items():
        found.add((*path, name))
        if isinstance(value, dict):
            found |= shown(value, (*path, name))
    return found


def test_the_sample_connections_can_be_used_as_they_are(connections: Path) -> None:
    made = load_connections(connections, ENVIRONMENT)

    assert [each.name for each in made] == [
        "nordwind/crm/*",
        "nordwind/erp/NW-DE",
        "nordwind/billing/NW-DE",
        "nordwind/tax/*",
    ]


@pytest.mark.parametrize("adapter", list(ADAPTER_KINDS))
def test_the_sample_connections_show_every_setting_of_every_adapter(adapter: str) -> None:
    entries = tomllib.loads(CONNECTIONS.read_text())["connection"]
    (entry,) = [each for each in entries if each["adapter"] == adapter]

    assert settings_of(ADAPTER_KINDS[adapter]) - shown(entry) == set()


def test_the_sample_map_is_the_default_map(connections: Path) -> None:
    (crm, *_) = load_connections(connections, ENVIRONMENT)

    changed = msgspec.structs.replace(crm, objects=type(crm.objects)(), fields=type(crm.fields)())  # type: ignore[attr-defined]  # the first is Salesforce's
    assert changed == crm


def test_the_sample_legal_entities_show_every_setting_and_can_be_used() -> None:
    entries = tomllib.loads(LEGAL_ENTITIES.read_text())["legal_entity"]

    assert load_legal_entities(LEGAL_ENTITIES).of("nordwind", "NW-DE").shipping_sku == "SHIPPING"
    assert {each.name for each in msgspec.structs.fields(LegalEntity)} - set(entries[0]) == set()


@pytest.mark.parametrize("path", [CONNECTIONS, LEGAL_ENTITIES], ids=lambda path: path.name)
def test_a_sample_says_what_a_setting_is_for_where_its_name_does_not(path: Path) -> None:
    """Each setting of a connection or a legal entity is explained beside it; most fields of a record need no words."""
    text = path.read_text()
    explained = set(re.findall(r"^(\w+) = .*#", text, re.MULTILINE))
    kinds = [LegalEntity] if path == LEGAL_ENTITIES else list(ADAPTER_KINDS.values())
    own = {each.name for kind in kinds for each in msgspec.structs.fields(kind)}
    tables = {"objects", "fields", "payment_terms"}  # a comment stands above each
    speak_for_themselves = {"adapter", "url", "database"}

    assert own - explained - tables - speak_for_themselves == set()


def test_no_sample_holds_a_secret() -> None:
    for line in CONNECTIONS.read_text().splitlines():
        name, _, value = line.partition("=")
        if name.strip() in {"key", "client_secret", "webhook_secret"}:
            assert value.strip().startswith(('"env:', '"file:'))
