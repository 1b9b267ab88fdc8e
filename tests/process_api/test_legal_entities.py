"""The file with each legal entity's rules."""

from pathlib import Path

import pytest

from process_api.legal_entities import load_legal_entities
from sandbox.vendors.tryton.data import DATA_FOLDER
from shared.settings import SettingsError


def test_the_sandboxs_file_is_read_with_its_hash() -> None:
    entities = load_legal_entities(DATA_FOLDER / "legal_entities.toml")
    assert entities.of("nordwind", "NW-DE").zone.key == "Europe/Berlin"
    assert entities.of("nordwind", "NW-DE").payment_terms["Net 30"].erp == "30 days net"
    assert len(entities.digest) == 16


def test_a_legal_entity_that_is_not_named_has_the_defaults() -> None:
    rules = load_legal_entities(None).of("nordwind", "NW-XX")
    assert (rules.timezone, rules.shipping_sku, rules.days_until_due) == ("UTC", None, 30)


def test_every_fault_of_the_file_is_named_at_once(tmp_path: Path) -> None:
    path = tmp_path / "legal_entities.toml"
    path.write_text(
        "speling = 1\n"
        '[[legal_entity]]\ntenant = "nordwind"\ncode = "NW-DE"\ntimezone = "Europe/Nowhere"\n'
        '[[legal_entity]]\ntenant = "nordwind"\ncode = "NW-DE"\n'
        '[[legal_entity]]\ntenant = "nordwind"\ncode = "NW-US"\ncolour = "blue"\n'
    )
    with pytest.raises(SettingsError) as caught:
        load_legal_entities(path)
    said = "\n".join(caught.value.faults)
    for word in ("speling", "Europe/Nowhere", "twice", "colour"):
        assert word in said
    assert len(caught.value.faults) == 4
