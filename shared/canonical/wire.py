"""The struct every canonical type derives from, and the bounded scalar types they are made of."""

from typing import Annotated

import msgspec
from msgspec import Meta

# The end of the text. Python's `$` alone also matches before a trailing newline, which would end up in addresses and
# vendors' search expressions; in the dialect of JSON Schema the addition changes nothing.
END = r"$(?!\n)"
# No more than 12 digits before and 6 after the point: 18 digits fit PostgreSQL's and every vendor's decimals.
DECIMAL_PATTERN = r"^-?(0|[1-9][0-9]{0,11})(\.[0-9]{1,6})?" + END
POSITIVE_DECIMAL_PATTERN = r"^(0|[1-9][0-9]{0,11})(\.[0-9]{1,6})?" + END


class Canonical(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """An immutable record: unknown fields are refused, names are camelCase on the wire."""


DecimalText = Annotated[str, Meta(pattern=DECIMAL_PATTERN, max_length=20, examples=["1859.00"])]
Quantity = Annotated[
    str,
    Meta(
        pattern=POSITIVE_DECIMAL_PATTERN,
        max_length=19,
        description="A decimal number as a string, never negative.",
        examples=["20"],
    ),
]
Percent = Annotated[
    str,
    Meta(
        pattern=r"^(100(\.0{1,4})?|[0-9]{1,2}(\.[0-9]{1,4})?)" + END,
        max_length=8,
        description="0 to 100, as a string.",
        examples=["5"],
    ),
]
CurrencyCode = Annotated[str, Meta(pattern=r"^[A-Z]{3}" + END, description="ISO 4217 code.", examples=["EUR"])]
CountryCode = Annotated[str, Meta(pattern=r"^[A-Z]{2}" + END, description="ISO 3166-1 alpha-2 code.", examples=["DE"])]
Sku = Annotated[str, Meta(min_length=1, max_length=64, examples=["SENSOR-TEMP"])]
LegalEntityCode = Annotated[
    str, Meta(pattern=r"^[A-Z0-9][A-Z0-9-]{0,31}" + END, description="The selling company.", examples=["NW-DE"])
]
RecordId = Annotated[
    str,
    Meta(pattern=r"^[A-Za-z0-9_.:-]{1,64}" + END, description="An identifier.", examples=["001QW0000000001AAA"]),
]
BusinessDate = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])" + END,
        description="A day in the legal entity's time zone, as an RFC 3339 full date.",
        examples=["2026-12-01"],
    ),
]
TenantCode = Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,40}" + END, examples=["nordwind"])]
PlatformTenant = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9-]{1,40}" + END,
        description="the name in tokens that stand for no tenant, with which the process API asks for every tenant's "
        "connections; no tenant may be called so",
    ),
]
# Whatever a cursor is made of, it is printable and without spaces.
CURSOR_PATTERN = r"^[!-~]*" + END
ShortText = Annotated[str, Meta(max_length=255)]
LongText = Annotated[str, Meta(max_length=2000)]
