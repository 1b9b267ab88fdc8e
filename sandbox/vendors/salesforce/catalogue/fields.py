"""What the objects' definitions share: fields that every object has, and money."""

from decimal import ROUND_HALF_UP, Decimal

from sandbox.vendors.salesforce.records.schema import Field, Formula, Record, RecordReader, Value

CURRENCIES = ("EUR", "USD", "GBP", "CHF", "JPY")
# CurrencyType.DecimalPlaces, where it is not two.
_DECIMAL_PLACES = {"JPY": 0}
ID = Field("Id", "id", length=18, createable=False, updateable=False)
NAME = Field("Name", "string", required=True)
CURRENCY = Field("CurrencyIsoCode", "picklist", length=3, picklist=CURRENCIES, restricted=True, default="EUR")


def decimal(value: Value) -> Decimal:
    """Return a number that may be empty: empty counts as nothing."""
    return value if isinstance(value, Decimal) else Decimal(0)


def rounded(value: Decimal, record: Record) -> Decimal:
    """Half up to what the record's currency has behind the point."""
    places = _DECIMAL_PLACES.get(str(record.get("CurrencyIsoCode")), 2)
    return value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


def read_only_money(name: str, formula: Formula) -> Field:
    """Return a currency field that Salesforce computes."""
    return Field(name, "currency", precision=18, scale=2, createable=False, updateable=False, formula=formula)


def sum_of(child: str, reference: str, field_name: str) -> Formula:
    """Return the sum of a field over the records that refer to this one."""

    def total(record: Record, reader: RecordReader) -> Value:
        children = reader.children(record, child, reference)
        return sum((decimal(reader.compute(child, one, field_name)) for one in children), Decimal("0.00"))

    return total


def count_of(child: str, reference: str) -> Formula:
    """Return how many records refer to this one."""
    return lambda record, reader: sum(1 for _ in reader.children(record, child, reference))


def system_fields(*, owned: bool = True) -> tuple[Field, ...]:
    """Return the audit fields of every object; `owned` ones have an owner too."""
    owner = (Field("OwnerId", "reference", reference_to="User"),) if owned else ()
    return (
        *owner,
        Field("IsDeleted", "boolean", createable=False, updateable=False, default=False),
        Field("CreatedDate", "datetime", createable=False, updateable=False),
        Field("CreatedById", "reference", reference_to="User", createable=False, updateable=False),
        Field("LastModifiedDate", "datetime", createable=False, updateable=False),
        Field("LastModifiedById", "reference", reference_to="User", createable=False, updateable=False),
        Field("SystemModstamp", "datetime", createable=False, updateable=False),
    )
