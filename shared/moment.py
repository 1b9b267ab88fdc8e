"""A moment in answers, as a type: RFC 3339 in UTC."""

from typing import Annotated

from msgspec import Meta

# Always there: an empty text is no moment. The format is part of what generated clients read, so published operations
# keep the plain text that they began with (docs/decisions/0045).
Moment = Annotated[str, Meta(extra_json_schema={"format": "date-time"}, examples=["2026-03-02T09:15:00.120Z"])]
