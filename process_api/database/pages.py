"""Pages of a list that is read newest first: the cursor names the last row of the page before."""

import base64
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, or_

from shared.problem import Fault, InvalidRequest

_RECORD_ID = re.compile(r"[A-Za-z0-9_.:-]{1,100}")


def newest_first(
    query: Select[Any], moment: ColumnElement[Any], record_id: ColumnElement[Any], limit: int, cursor: str | None
) -> Select[Any]:
    """Return the query for one page, and one row more that tells whether there is another page.

    Raises InvalidRequest where the cursor is not one that `next_cursor` made.
    """
    if cursor is not None:
        last_moment, last_id = _parse(cursor)
        query = query.where(or_(moment < last_moment, and_(moment == last_moment, record_id < last_id)))
    return query.order_by(moment.desc(), record_id.desc()).limit(limit + 1)


def next_cursor(rows: Sequence[Row[Any]], limit: int, moment: str, record_id: str) -> str | None:
    """Return the cursor of the page after these rows, by the names of their columns; None on the last page."""
    if len(rows) <= limit:
        return None
    last = rows[limit - 1]._mapping  # noqa: SLF001 SQLAlchemy's public name for a row as a mapping
    return base64.urlsafe_b64encode(f"{last[moment].isoformat()}|{last[record_id]}".encode()).decode()


def _parse(cursor: str) -> tuple[datetime, str]:
    try:
        text, _, record_id = base64.urlsafe_b64decode(cursor.encode()).decode().partition("|")
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment, record_id = datetime.min, ""  # noqa: DTZ901 refused below, as any moment without a time zone
    if moment.tzinfo is None or not _RECORD_ID.fullmatch(record_id):
        raise InvalidRequest(
            "The cursor is not one of ours.",
            [Fault(pointer="query/cursor", detail="Send `nextCursor` of the page before, unchanged.")],
        )
    return moment, record_id
