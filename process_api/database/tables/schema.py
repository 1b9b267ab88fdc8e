"""The schema of all tables of the business state, and columns and indexes that many of them have."""

from sqlalchemy import Column, DateTime, Index, MetaData, func

SCHEMA = "quoteway"
metadata = MetaData(
    schema=SCHEMA,
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    },
)


def moment(name: str, *, nullable: bool = False) -> Column[object]:
    """Return a column for a time, by default that of the row's insertion; a nullable one has no default."""
    default = None if nullable else func.now()
    return Column(name, DateTime(timezone=True), nullable=nullable, server_default=default)


def by_time(table: str, column: str) -> Index:
    """Return an index for finding old rows (process_api.database.retention): BRIN, since rows are stored in order of
    time.
    """
    return Index(f"ix_{table}_{column}", column, postgresql_using="brin")
