"""VAT ids, as far as their look goes."""

import pytest

from system_api.vat import compact_vat_id, member_state_of


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
