"""Paths to our own tiers: any id is one segment, and no client builds paths by itself."""

import ast
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.inbound.request_head import path_fault
from shared.outbound.paths import path_of
from shared.problem import Rejected

ROOT = Path(__file__).parents[3]


@given(st.text(min_size=1), st.text(min_size=1))
def test_any_two_ids_are_two_segments_that_read_the_same_again(one: str, other: str) -> None:
    try:
        path = path_of("/v1/a/{}/b/{}", one, other)
    except Rejected:
        assert {one, other} & {".", ".."}
        return
    except UnicodeEncodeError:
        return  # half of a surrogate pair, which no JSON of ours lets through
    _, v1, a, first, b, second = path.split("/")
    assert (v1, a, unquote(first), b, unquote(second)) == ("v1", "a", one, "b", other)
    assert "?" not in path
    assert "#" not in path


@given(st.text(alphabet=st.characters(codec="ascii", exclude_characters="/\\", min_codepoint=0x20), min_size=1))
def test_printable_id_makes_a_valid_path(value: str) -> None:
    if value not in {".", ".."} and "\x7f" not in value:
        assert path_fault(path_of("/v1/{}", value).encode()) is None


@pytest.mark.parametrize("value", ["", ".", ".."])
def test_id_that_fits_no_path_is_rejected(value: str) -> None:
    with pytest.raises(Rejected) as refused:
        path_of("/v1/orders/{}", value)

    assert refused.value.reason_code == "invalid_id"


@pytest.mark.parametrize("client", ["process_api/system_client.py", "experience_api/process_client.py"])
def test_no_client_of_our_own_tiers_builds_a_path_by_itself(client: str) -> None:
    tree = ast.parse((ROOT / client).read_text())
    built = [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr) and ast.unparse(node).lstrip("f")[1:].startswith("/")
    ]

    assert built == []
