"""States are understood by code, English and local name, whatever the country; and no spelling means two of them."""

import pytest

from shared.canonical import Address
from shared.canonical import states as table
from shared.canonical.states import COUNTRIES_WITH_STATES, codes_by_name, spelled, state_code

ENTRIES = [
    (country, entry.partition(" ")[0], entry.partition(" ")[2].split(";"))
    for country, text in table._STATES.items()
    for entry in text.strip().replace("\n", "|").split("|")
]


@pytest.mark.parametrize("country", sorted(COUNTRIES_WITH_STATES))
def test_every_code_and_name_of_a_state_is_understood(country: str) -> None:
    for of, code, names in ENTRIES:
        if of == country:
            for text in (code, code.lower(), f"{country}-{code}", *names, names[0].upper(), f" {names[0]}. "):
                assert state_code(country, text) == code, text


@pytest.mark.parametrize("country", sorted(COUNTRIES_WITH_STATES))
def test_no_spelling_means_two_states(country: str) -> None:
    meant: dict[str, set[str]] = {}
    for of, code, names in ENTRIES:
        if of == country:
            for text in (code, *names):
                meant.setdefault(spelled(text), set()).add(code)
    assert {text: codes for text, codes in meant.items() if len(codes) > 1} == {}


def test_every_code_fits_an_address() -> None:
    for country, code, _ in ENTRIES:
        address = Address(street="1", postal_code="1", city="x", country=country, region=code)
        assert address.region == code
        assert len(code) <= 3
        assert code == code.upper()


@pytest.mark.parametrize(
    ("country", "many"),
    [("AU", 8), ("BR", 27), ("CA", 13), ("CN", 34), ("IE", 30), ("IN", 36), ("IT", 126), ("MX", 32), ("US", 60)],
)
def test_the_table_has_as_many_states_as_iso_3166_2(country: str, many: int) -> None:
    """ISO's counts; for the United States its 57, and three of the military post."""
    assert len({code for of, code, _ in ENTRIES if of == country}) == many


@pytest.mark.parametrize(
    ("country", "text", "code"),
    [
        ("MX", "DF", "CMX"),
        ("MX", "CH", "CHH"),
        ("MX", "Nuevo Leon", "NLE"),
        ("CN", "11", "BJ"),
        ("IN", "Orissa", "OD"),
        ("IN", "UT", "UK"),
        ("IT", "AO", "23"),
        ("IT", "L\u2019Aquila", "AQ"),
        ("IT", "Forli-Cesena", "FC"),
        ("BR", "Sao Paulo", "SP"),
        ("US", "Californa", None),
        ("US", "ON", None),
        ("DE", "Bayern", None),
        ("US", "", None),
    ],
)
def test_former_codes_and_salesforces_own_become_isos(country: str, text: str, code: str | None) -> None:
    assert state_code(country, text) == code


def test_a_table_takes_names_with_several_words() -> None:
    assert codes_by_name("A Alpha Beta;Gamma|B Delta") == {
        "a": "A",
        "alpha beta": "A",
        "gamma": "A",
        "b": "B",
        "delta": "B",
    }
