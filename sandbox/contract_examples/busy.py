"""Records answers that are only given while the database is busy; here, while a table is locked."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from time import sleep

import psycopg

from sandbox.contract_examples.recorder import Asked, Recorder
from sandbox.contract_examples.records import QUOTE
from sandbox.landscape.landscape import Landscape

# By then the first of two requests has claimed the key and waits; the second comes after it.
_UNDER_WAY_S = 1.0


def record_busy(landscape: Landscape, experience: Recorder, process: Recorder) -> None:
    """A key whose first request is still at work, and a change that the audit log does not take in time."""
    body = {"quoteId": QUOTE, "quoteRevision": 1}
    for recorder, submit in ((experience, "submitOrder"), (process, "startOrderSubmission")):
        key = {"Idempotency-Key": f"a4b7b2f0-twice-{recorder.tier}"}
        with ThreadPoolExecutor(1) as beside:
            with _locked(landscape, "quoteway.request_keys"):
                first = beside.submit(recorder.send, Asked(submit, "", "", 202, dict(key), body))
                sleep(_UNDER_WAY_S)
                recorder.ask(Asked(submit, "in_flight", "The first request is at work still", 409, dict(key), body))
            first.result().raise_for_status()
    lost = {"tokenId": "b1f7c2d0-lost-phone", "reason": "The phone that held it was lost."}
    with _locked(landscape, "quoteway_audit.heads"):
        process.ask(Asked("revokeTokens", "not_written", "The audit log takes no entry", 504, body=lost))


@contextmanager
def _locked(landscape: Landscape, table: str) -> Iterator[None]:
    """Lock the table against writes within the block."""
    with psycopg.connect(landscape.postgres.url(landscape.database)) as connection:
        connection.execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE")
        yield
        connection.rollback()
