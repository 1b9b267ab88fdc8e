"""How often processes have asked what was revoked: that they know it in time is a matter of asks, not of a clock."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from process_api.access.token_revocations import LOOK_S
from shared.identity.revocation import ANSWER_TIMEOUT_S, EVERY_S, RevocationWatch
from tests.patience import until

# The first may be answered from a look that is a moment old.
KNOWN_AFTER_ASKS = 2
WITHIN_S = 5.0


def longest_until_known_s() -> float:
    """How long a process that is answered at all can take to know of a revocation."""
    return LOOK_S + KNOWN_AFTER_ASKS * EVERY_S + ANSWER_TIMEOUT_S


class Asks:
    """The asks of each watch that began, and were answered, since it is counted."""

    def __init__(self) -> None:
        self.answered: Counter[int] = Counter()

    async def by_all(self, watches: int) -> None:
        """Wait until so many watches have asked often enough to know what was revoked before."""
        await until(lambda: sum(times >= KNOWN_AFTER_ASKS for times in self.answered.values()) >= watches)


@contextmanager
def counted_asks() -> Iterator[Asks]:
    """Count from now on."""
    asks, ask = Asks(), RevocationWatch.ask

    async def counted(watch: RevocationWatch) -> None:
        before = watch._confirmed_at
        await ask(watch)
        asks.answered[id(watch)] += watch._confirmed_at != before

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RevocationWatch, "ask", counted)
        yield asks
