"""The forms of VAT ids."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from system_api.billing.stripe.tax_ids import stripe_tax_id
from system_api.erp.tryton.tax_ids import identifier_of
from system_api.vendor.vat import (
    MEMBER_STATES,
    compact_vat_id,
    is_same_tax_id,
    member_state_of,
    outside_vat_area,
    state_of_tax_id,
    tax_id_of,
    tax_id_under,
)


@pytest.mark.parametrize(
    ("vat_id", "state"),
    [
        ("DE811193231", "DE"),
        ("de 811 193 231", "DE"),
        ("EL094259216", "GR"),
        ("NL123456789B01", "NL"),
        ("IE1234567+A", "IE"),
        ("GR094259216", "GR"),
        ("GB123456789", None),
        ("811193231", None),
        ("DE", None),
        ("", None),
        (None, None),
    ],
)
def test_the_member_state_that_an_id_claims(vat_id: str | None, state: str | None) -> None:
    assert member_state_of(vat_id) == state


def test_an_id_is_written_as_registers_write_it() -> None:
    assert compact_vat_id(" atu 135.856-27 ") == "ATU13585627"


@pytest.mark.parametrize(
    ("country", "postal_code", "region", "city", "territory"),
    [
        ("ES", "35001", None, "Las Palmas", "the Canary Islands"),
        ("ES", "38 003", None, "Santa Cruz", "the Canary Islands"),
        ("ES", "28001", "CN", "Madrid?", "the Canary Islands"),
        ("ES", "51001", None, "Ceuta", "Ceuta"),
        ("ES", "52001", None, "Melilla", "Melilla"),
        ("ES", "28001", None, "Madrid", None),
        ("ES", "07001", "PM", "Palma", None),
        ("FI", "22100", None, "Mariehamn", "Åland"),
        ("FI", "00100", None, "Helsinki", None),
        ("FR", "97400", None, "Saint-Denis", "the French overseas territories"),
        ("FR", "75001", "RE", "?", "the French overseas territories"),
        ("FR", "98000", None, "Monaco", None),
        ("DE", "78266", None, "Büsingen am Hochrhein", "Büsingen"),
        ("DE", "27498", None, "Helgoland", "Heligoland"),
        ("DE", "78247", None, "Hilzingen", None),
        ("IT", "23041", None, "Livigno", "Livigno"),
        ("IT", "23030", None, "Livigno (SO)", "Livigno"),
        ("IT", "23030", None, "Valfurva", None),
        ("IT", "22061", None, "Campione d'Italia", "Campione d'Italia"),
        ("GR", "630 86", None, "Karyes", "Mount Athos"),
        ("DK", "3900", None, "Nuuk", "Greenland"),
        ("AT", "35001", None, "Wien", None),
        ("ES", "35", None, "?", None),
        ("ES", "", None, "", None),
    ],
)
def test_territories_outside_the_vat_area(
    country: str, postal_code: str, region: str | None, city: str, territory: str | None
) -> None:
    assert outside_vat_area(country, postal_code, region, city) == territory


@given(country=st.sampled_from(sorted(MEMBER_STATES)), digits=st.integers(0, 10**13).map(str))
def test_digits_only_belong_to_the_countrys_own_register_or_none(country: str, digits: str) -> None:
    found = tax_id_of(digits, country)

    assert found is None or (found.register == country and found.number.removeprefix("U") == digits)


@given(stated=st.text(max_size=20), country=st.sampled_from(["DE", "GB", "CH", "NO", "US", "GR", "AT"]))
def test_any_text_is_a_tax_id_of_one_register_or_none(stated: str, country: str) -> None:
    found = tax_id_of(stated, country)

    assert found is None or (found.number and tax_id_of(f" {stated.lower()} ", country) == found)


_DIGITS = st.text("0123456789", min_size=9, max_size=9)
_STATED = st.one_of(
    st.builds("{}{}".format, st.sampled_from(["DE", "EL", "GR", "XI", "GB", "CHE", "NO"]), _DIGITS),
    st.builds("{}{}{}".format, st.just("CHE-"), _DIGITS, st.sampled_from(["", " MWST", " TVA"])),
    st.builds("NO {} MVA".format, _DIGITS),
    st.builds("ATU{}".format, st.text("0123456789", min_size=8, max_size=8)),
)


@given(_STATED, _STATED)
def test_a_tax_id_is_known_again_under_the_type_that_a_vendor_keeps_it_under(stated: str, other: str) -> None:
    """What we write is found before it is written again, and no other id is taken for it."""
    mine, theirs = tax_id_of(stated, ""), tax_id_of(other, "")
    typed, identifier = stripe_tax_id(stated, ""), identifier_of(stated, "")
    assert mine is not None
    assert theirs is not None
    assert typed is not None
    assert identifier is not None

    for held in (tax_id_under(*typed), tax_id_under(identifier["type"], identifier["code"])):
        assert held is not None
        assert is_same_tax_id(held, mine)
        same_digits = theirs.number[:9].lstrip("0") == mine.number[:9].lstrip("0")
        assert is_same_tax_id(held, theirs) is (theirs.register == mine.register and same_digits)


@pytest.mark.parametrize(
    ("stated", "country", "state"),
    [
        (None, "DE", "absent"),
        (" - ", "DE", "absent"),
        ("ATU13585627", "AT", "possible"),
        ("ATU99999999", "AT", "impossible"),
        ("ATU99999999", "DE", "impossible"),
        ("811193231", "DE", "possible"),
        ("811193232", "DE", "impossible"),
        ("B12345674", "ES", "possible"),  # as the Spanish write it, without ES
        ("12/345/67890", "DE", "unreadable"),  # a German tax number is no VAT id
        ("18547290", "RO", "unreadable"),  # without RO it is no VAT id
        ("GB980780684", "GB", "possible"),
        ("GB980780685", "GB", "impossible"),
        ("CHE-100.155.212 MWST", "CH", "possible"),
        ("CHE-100.155.213", "CH", "impossible"),
        ("ABC", "US", "unreadable"),
        ("07-1234567", "US", "impossible"),
        ("29AAGCB7383J1Z4", "IN", "unknown"),
        ("ESO901010AB1", "MX", "unknown"),  # begins like a Spanish one, and is none
        ("DE811193231", "JP", "possible"),
    ],
)
def test_what_can_be_said_of_a_tax_id_before_anybody_is_asked(stated: str | None, country: str, state: str) -> None:
    assert state_of_tax_id(stated, country) == state


def test_a_tax_id_of_a_country_that_is_not_known_here_is_stored_under_no_type() -> None:
    assert identifier_of("ESO901010AB1", "MX") is None
    assert stripe_tax_id("ESO901010AB1", "MX") is None
