"""Record locks that a test asks for: writes that need the record answer UNABLE_TO_LOCK_ROW a number of times.

A write locks its record and the records it refers to, so a locked account also stops its orders.
"""

from collections.abc import Iterable

from sandbox.vendors.salesforce.errors import SalesforceError


class RowLocks:
    def __init__(self) -> None:
        self._refusals_left: dict[str, int] = {}

    def hold(self, record_id: str, times: int) -> None:
        """Refuse the next `times` writes that need the record; 0 releases it."""
        if times > 0:
            self._refusals_left[record_id] = times
        else:
            self._refusals_left.pop(record_id, None)

    def require(self, record_ids: Iterable[str]) -> None:
        for record_id in record_ids:
            left = self._refusals_left.get(record_id, 0)
            if left:
                self.hold(record_id, left - 1)
                message = f"unable to obtain exclusive access to this record or 1 records: {record_id}"
                raise SalesforceError("UNABLE_TO_LOCK_ROW", message, fields=())
