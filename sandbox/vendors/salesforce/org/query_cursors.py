"""Open query cursors: rows of a query still to be fetched, page by page."""

from collections import OrderedDict
from dataclasses import dataclass

from sandbox.vendors.salesforce.errors import SalesforceError
from sandbox.vendors.salesforce.records.ids import IdGenerator
from sandbox.vendors.salesforce.soql.run import QueryResult

BATCH_SIZE_MIN = 200
BATCH_SIZE_MAX = 2000
CURSORS_MAX = 50
_KEY_PREFIX = "01g"


@dataclass(frozen=True, slots=True)
class Cursor:
    user_id: str
    result: QueryResult
    batch_size: int


class QueryCursors:
    """The least recently opened cursor goes first when there are too many, as in an org."""

    def __init__(self) -> None:
        self._ids = IdGenerator()
        self._open: OrderedDict[str, Cursor] = OrderedDict()

    def first_page(self, user_id: str, result: QueryResult, batch_size: int, base_path: str) -> dict[str, object]:
        """Return the query resource's body; `base_path` (/services/data/v67.0) begins the next page's address."""
        size = min(max(batch_size, BATCH_SIZE_MIN), BATCH_SIZE_MAX)
        cursor = Cursor(user_id, result, size)
        locator = ""
        if len(result.records) > size:
            locator = self._ids.new_id(_KEY_PREFIX)
            self._open[locator] = cursor
            while len(self._open) > CURSORS_MAX:
                self._open.popitem(last=False)
        return _page(cursor, locator, 0, base_path)

    def next_page(self, user_id: str, locator_and_offset: str, base_path: str) -> dict[str, object]:
        """Raises INVALID_QUERY_LOCATOR for a cursor that is closed, of someone else, or never was."""
        locator, _, offset = locator_and_offset.rpartition("-")
        cursor = self._open.get(locator)
        if cursor is None or cursor.user_id != user_id or not offset.isdigit():
            raise SalesforceError("INVALID_QUERY_LOCATOR", "invalid query locator")
        return _page(cursor, locator, int(offset), base_path)


def _page(cursor: Cursor, locator: str, begin: int, base_path: str) -> dict[str, object]:
    end = begin + cursor.batch_size
    done = end >= len(cursor.result.records)
    page: dict[str, object] = {"totalSize": cursor.result.total, "done": done}
    if not done:
        page["nextRecordsUrl"] = f"{base_path}/query/{locator}-{end}"
    page["records"] = cursor.result.records[begin:end]
    return page
