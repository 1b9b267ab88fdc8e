"""ORDER BY. Null comes first unless NULLS LAST is asked for, in either direction."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from sandbox.vendors.salesforce.records.schema import Value
from sandbox.vendors.salesforce.soql.conditions import comparable
from sandbox.vendors.salesforce.soql.parser import Aggregate, Ordering, Path

Row = TypeVar("Row")


def ordered(
    rows: Iterable[Row],
    orderings: Sequence[Ordering],
    reader_of: Callable[[Path | Aggregate], Callable[[Row], Value]],
) -> list[Row]:
    """Return the rows sorted. The last criterion sorts first: Python's sort is stable, so earlier criteria win."""
    result = list(rows)
    for ordering in reversed(orderings):
        read = reader_of(ordering.by)
        keyed = [(comparable(read(row)), row) for row in result]
        nulls = [row for key, row in keyed if key is None]
        # A field's values are of one type, which the type of `comparable` cannot say.
        filled: list[tuple[Any, Row]] = [(key, row) for key, row in keyed if key is not None]
        filled.sort(key=lambda pair: pair[0], reverse=ordering.descending)
        in_order = [row for _, row in filled]
        result = nulls + in_order if ordering.nulls_first else in_order + nulls
    return result
