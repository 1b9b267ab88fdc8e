"""The constraint that makes one quote revision one order, taken away and given back."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg


@contextmanager
def business_key_off(database_url: str) -> Iterator[None]:
    """Without the constraint; what was doubled meanwhile is told apart afterwards, so that it can come back."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        row = connection.execute("SELECT pg_get_indexdef('quoteway.uq_orders_quote_revision'::regclass)").fetchone()
        assert row is not None
        connection.execute("DROP INDEX quoteway.uq_orders_quote_revision")
    try:
        yield
    finally:
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(
                "UPDATE quoteway.orders SET quote_id = order_id WHERE quote_id IN "
                "(SELECT quote_id FROM quoteway.orders GROUP BY quote_id HAVING count(*) > 1)"
            )
            connection.execute(row[0])
