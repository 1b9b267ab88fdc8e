"""What CI runs of the fuzzing: every phase and every check on each tier, for a short while, from a fixed seed."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.landscape.landscape import Landscape
from tests.fuzz.campaign import TIERS, fuzz

pytestmark = pytest.mark.servers
_SEED = 20261124
_SECONDS = 20


@pytest.fixture(scope="module")
def landscape(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Landscape]:
    """The three tiers in processes of their own, in front of the real ERP and the simulators."""
    folder = tmp_path_factory.mktemp("fuzz")
    with Landscape(folder, unthrottled=True) as running:
        yield running


@pytest.mark.timeout(300)
@pytest.mark.parametrize("tier", TIERS)
def test_a_tier_keeps_to_its_contract(landscape: Landscape, tier: str, tmp_path: Path) -> None:
    verdict = fuzz(landscape, tier, tmp_path, seed=_SEED, seconds=_SECONDS, examples=10)

    assert verdict.held, verdict.printed
    assert "generated" in verdict.printed
    # How far it comes in the time is the machine's business; that it says so is ours.
    by_its_own_count = re.search(r"Tested: (\d+)", verdict.printed)
    assert by_its_own_count is not None
    tested = len(verdict.tally.offered) - len(verdict.tally.untested)
    assert 0 < int(by_its_own_count[1]) <= tested, verdict.tally.table()
    assert (tmp_path / f"{tier}.xml").exists()
    assert (tmp_path / f"{tier}.txt").read_text() == verdict.printed
    assert not list(tmp_path.glob("*-auth.json")), "tokens are not kept"
