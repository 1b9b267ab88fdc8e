"""Records the refusals that all operations of a tier share, each provoked once."""

import time
from collections.abc import Iterator
from dataclasses import replace

from sandbox.contract_examples.defect import defect_answer
from sandbox.contract_examples.recorder import CORRELATION_ID, Asked, Recorder
from shared.contract.examples import PROBLEMS

# Longer than a tier waits for a body (shared.inbound.body.BODY_TIMEOUT_S).
_PAUSE_S = 11.0
_TOO_LARGE = b'{"quoteId": "' + b"0" * 1_000_001 + b'"}'


def record_refusals(recorder: Recorder, *, reads: Asked, writes: Asked, narrow_token: str) -> None:
    """Record the refusals. `reads` and `writes` would succeed; `narrow_token` lacks the scope that reads need."""
    for name, summary, authorization, status in (
        ("no_token", "No token", "", 401),
        ("not_a_token", "Something else than a token", "Bearer x", 401),
        ("scope_missing", "A token without the scope", f"Bearer {narrow_token}", 403),
    ):
        answer = recorder.send(replace(reads, headers={"Authorization": authorization}))
        recorder.keep(PROBLEMS, name, summary, answer, status)
    recorder.keep(PROBLEMS, "defect", "A defect of ours", defect_answer(recorder.tier), 500)
    method, path, _ = recorder.operations[reads.operation_id]
    answer = recorder.client.request(method, _filled(path, reads), params={"opneOnly": "true"}, headers=_headers())
    recorder.keep(PROBLEMS, "unknown_parameter", "A query parameter with a typing error", answer, 400)
    method, path, _ = recorder.operations[writes.operation_id]
    bodies: list[tuple[str, str, bytes | Iterator[bytes], int]] = [
        ("not_json", "A body that is not JSON", b'{"quoteId": ', 400),
        ("too_large", "A body of more than 1 MB", _TOO_LARGE, 413),
        ("slow_body", "A body that does not arrive", _trickle(), 408),
    ]
    for name, summary, content, status in bodies:
        headers = {**_headers(), "Content-Type": "application/json", "Idempotency-Key": "never-used"}
        answer = recorder.client.request(
            method, _filled(path, writes), content=content, headers=headers, timeout=2 * _PAUSE_S
        )
        recorder.keep(PROBLEMS, name, summary, answer, status)


def _filled(path: str, asked: Asked) -> str:
    for name, value in asked.parameters.items():
        path = path.replace(f"{{{name}}}", str(value))
    return path


def _headers() -> dict[str, str]:
    return {"X-Correlation-Id": CORRELATION_ID}


def _trickle() -> Iterator[bytes]:
    yield b'{"quoteId": '
    time.sleep(_PAUSE_S)
    yield b'"'
