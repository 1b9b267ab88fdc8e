"""What an operator looks for among the flows."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement

from process_api.database.moments import of_age
from process_api.database.tables import flows


@dataclass(frozen=True)
class FlowSearch:
    """Conditions that every flow found meets; None: any. Ages are seconds since the flow began.

    `account_ids` are the ways in which one account's id may be written.
    """

    status: str | None = None
    kind: str | None = None
    subject: str | None = None
    account_ids: list[str] | None = None
    reason_code: str | None = None
    min_age_s: int | None = None
    max_age_s: int | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the conditions for the database."""
        columns = (
            (flows.c.status, self.status),
            (flows.c.kind, self.kind),
            (flows.c.subject, self.subject),
            (flows.c.reason_code, self.reason_code),
        )
        found = [column == value for column, value in columns if value is not None]
        if self.account_ids is not None:
            found.append(flows.c.account_id.in_(self.account_ids))
        return found + of_age(flows.c.started_at, self.min_age_s, self.max_age_s)
