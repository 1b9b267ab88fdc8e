"""Field values between JSON and the store: what Salesforce accepts for each kind of field, and how it prints it."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from sandbox.vendors.salesforce.errors import SalesforceError, malformed_json
from sandbox.vendors.salesforce.records import ids
from sandbox.vendors.salesforce.records.schema import ID_KINDS, NUMBER_KINDS, Field, SObject, Value

ONE_TENTH = Decimal("0.1")


def read_fields(
    sobject: SObject, body: Mapping[str, Any], *, creating: bool, named_in_url: str = "Id"
) -> dict[str, Value]:
    """Values to store, by canonical field name. `named_in_url` is the field that the address already fixes.

    Raises SalesforceError for unknown and read-only fields and for values the field cannot hold. Whether references
    lead anywhere is for the store to say.
    """
    values: dict[str, Value] = {}
    for name, raw in body.items():
        if name == "attributes":
            continue
        field = sobject.field_named(name)
        if field is None:
            raise SalesforceError("INVALID_FIELD", f"No such column '{name}' on sobject of type {sobject.name}")
        if field.name in ("Id", named_in_url):
            raise SalesforceError(
                "INVALID_FIELD", f"The {field.name} field should not be specified in the sobject data."
            )
        if not (field.createable if creating else field.updateable):
            raise _read_only(field)
        values[field.name] = read_value(sobject, field, raw)
    return values


def require_fields(sobject: SObject, values: Mapping[str, Value], given: Iterable[str]) -> None:
    """Raises REQUIRED_FIELD_MISSING when one of the required fields among `given` is empty."""
    wanted = set(given)
    missing = [
        one.name for one in sobject.fields if one.required and one.name in wanted and values.get(one.name) is None
    ]
    if missing:
        message = f"Required fields are missing: [{', '.join(missing)}]"
        raise SalesforceError("REQUIRED_FIELD_MISSING", message, fields=missing)


def read_value(sobject: SObject, field: Field, raw: object) -> Value:
    """Return one JSON value as the field stores it. Empty text is null, as in Salesforce."""
    if raw is None or raw == "":
        return None
    if field.kind == "boolean":
        if not isinstance(raw, bool):
            raise _wrong_type(field, raw)
        return raw
    if field.kind in NUMBER_KINDS:
        return _read_number(field, raw)
    if not isinstance(raw, str):
        raise _wrong_type(field, raw)
    if field.kind == "date":
        return _read_date(field, raw)
    if field.kind == "datetime":
        return _read_datetime(field, raw)
    if field.kind in ID_KINDS:
        return _read_id(field, raw)
    return _read_text(sobject, field, raw)


def _read_number(field: Field, raw: object) -> Value:
    if isinstance(raw, bool) or not isinstance(raw, int | Decimal | str):
        raise _wrong_type(field, raw)
    try:
        number = Decimal(raw)
    except InvalidOperation as error:
        raise _wrong_type(field, raw) from error
    if not number.is_finite() or abs(number) >= Decimal(10) ** (field.precision - field.scale):
        message = f"{field.label}: value outside of valid range on numeric field: {raw}"
        raise SalesforceError("NUMBER_OUTSIDE_VALID_RANGE", message, fields=[field.name])
    number = number.quantize(Decimal(1).scaleb(-field.scale), ROUND_HALF_UP)
    return int(number) if field.kind == "int" else number


def _read_date(field: Field, raw: str) -> date:
    try:
        return date.fromisoformat(raw[:10])
    except ValueError as error:
        raise _wrong_type(field, raw) from error


def _read_datetime(field: Field, raw: str) -> datetime:
    moment = parse_datetime(raw)
    if moment is None:
        raise _wrong_type(field, raw)
    return moment


def parse_datetime(text: str) -> datetime | None:
    """Return an ISO 8601 moment as UTC, or None when it is not one or says no time zone."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if moment.tzinfo is None else moment.astimezone(UTC).replace(microsecond=0)


def _read_id(field: Field, raw: str) -> str:
    normal = ids.normalize(raw)
    if normal is None:
        message = f"{field.label}: id value of incorrect type: {raw}"
        raise SalesforceError("MALFORMED_ID", message, fields=[field.name])
    return normal


def _read_text(sobject: SObject, field: Field, raw: str) -> str | None:
    text = raw.rstrip()
    if len(text) > field.length:
        message = f"{sobject.label} {field.label}: data value too large: {text[:80]} (max length={field.length})"
        raise SalesforceError("STRING_TOO_LONG", message, fields=[field.name])
    if field.restricted and text not in field.picklist:
        message = f"{field.label}: bad value for restricted picklist field: {text[:80]}"
        raise SalesforceError("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message, fields=[field.name])
    if field.kind == "email" and "@" not in text:
        message = f"{field.label}: invalid email address: {text[:80]}"
        raise SalesforceError("INVALID_EMAIL_ADDRESS", message, fields=[field.name])
    return text or None


def _wrong_type(field: Field, raw: object) -> SalesforceError:
    tokens = {bool: "VALUE_TRUE" if raw is True else "VALUE_FALSE", int: "VALUE_NUMBER_INT", str: "VALUE_STRING"}
    token = tokens.get(type(raw), "VALUE_NUMBER_FLOAT" if isinstance(raw, Decimal) else "START_OBJECT")
    kind = "string" if field.kind not in NUMBER_KINDS | {"boolean", "date", "datetime"} else field.kind
    kind = "double" if kind in ("currency", "percent") else kind
    shown = str(raw)[:80]
    return malformed_json(
        f"Cannot deserialize instance of {kind} from {token} value {shown} or request may be missing a required field"
    )


def _read_only(field: Field) -> SalesforceError:
    message = (
        f"Unable to create/update fields: {field.name}. Please check the security settings of this field and verify "
        "that it is read/write for your profile or permission set."
    )
    return SalesforceError("INVALID_FIELD_FOR_INSERT_UPDATE", message, fields=[field.name])


def render(value: Value) -> str | bool | int | Decimal | None:
    """Return a value as the REST API prints it: decimals as numbers with at least one decimal place, moments in UTC."""
    if isinstance(value, Decimal):
        return render_decimal(value)
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.000+0000")
    if isinstance(value, date):
        return value.isoformat()
    return value


def render_decimal(value: Decimal) -> Decimal:
    """2980.00 prints as 2980.0 and 4.90 as 4.9, like the doubles of the real API; no exponent, no binary rounding."""
    shortest = value.normalize()
    exponent = shortest.as_tuple().exponent
    return shortest.quantize(ONE_TENTH) if not isinstance(exponent, int) or exponent > -1 else shortest


def render_for_journal(value: Value) -> str | bool | int | None:
    """As `render`, with decimals as exact text, or as integers where there is nothing behind the point."""
    if isinstance(value, Decimal):
        return int(value) if value.as_tuple().exponent == 0 else format(value, "f")
    rendered = render(value)
    return None if isinstance(rendered, Decimal) else rendered
