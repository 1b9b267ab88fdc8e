"""The Idempotency-Key header (draft-ietf-httpapi-idempotency-key-header), as every tier describes it."""

from typing import Annotated

from litestar.params import HeaderParameter

from shared.canonical.wire import END

# The draft's quoted String, its quotes and backslashes escaped, or the bare value that most clients send.
KEY_PATTERN = r'^("(?:[\x21\x23-\x5b\x5d-\x7e]|\\["\\]){1,128}"|[\x21\x23-\x7e][\x21-\x7e]{0,127})' + END

# Described here, and checked by the process tier, whose answer is clearer than a failed pattern.
IdempotencyKeyHeader = Annotated[
    str,
    HeaderParameter(
        name="Idempotency-Key",
        min_length=1,
        description="A new value for each intent, 1 to 128 printable characters, bare or as a quoted string. "
        "Sending the same key with the same body again answers with the same order.",
        schema_extra={"pattern": KEY_PATTERN, "maxLength": 258},
    ),
]
