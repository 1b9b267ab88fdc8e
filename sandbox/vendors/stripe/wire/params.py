"""Declared request parameters: what an operation knows, and Stripe's refusals of everything else.

A parsed parameter is `None` when the caller unset it with an empty value, and absent when it was not sent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeAlias

from sandbox.vendors.stripe.currencies import SUPPORTED
from sandbox.vendors.stripe.wire.errors import StripeError, invalid
from sandbox.vendors.stripe.wire.form import Tree

Fields: TypeAlias = "Mapping[str, Param]"

_INTEGER = re.compile(r"-?\d{1,18}")
_DECIMAL = re.compile(r"-?\d{1,18}(\.\d{1,12})?")
_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")
_METADATA_KEYS_MAX, _METADATA_KEY_CHARS_MAX, _METADATA_VALUE_CHARS_MAX = 50, 40, 500


@dataclass(frozen=True, kw_only=True)
class Param:
    """One parameter. `unset` says that an empty value is a wish to clear the field."""

    required: bool = False
    unset: bool = False

    def parse(self, raw: Tree | str, name: str) -> Any:
        """Return the value of `raw`; StripeError (400, with `param`) when it is none of this type."""
        if raw == "":
            if self.unset:
                return None
            raise invalid(
                f"You passed an empty string for '{name}'. We assume empty values are an attempt to unset a parameter; "
                f"however '{name}' cannot be unset. You should remove '{name}' from your request or supply a non-empty "
                "value.",
                code="parameter_invalid_empty",
                param=name,
            )
        return self.value(raw, name)

    def value(self, raw: Tree | str, name: str) -> Any:
        """Return the value of a `raw` that is not empty."""
        return _scalar(raw, name)


@dataclass(frozen=True, kw_only=True)
class Text(Param):
    """A string."""

    chars_max: int = 5_000

    def value(self, raw: Tree | str, name: str) -> str:
        text = _scalar(raw, name)
        if len(text) > self.chars_max:
            raise invalid(f"Invalid string: {text[:20]}…; must be at most {self.chars_max} characters", param=name)
        return text


@dataclass(frozen=True, kw_only=True)
class Email(Text):
    """An e-mail address, as far as its form tells."""

    def value(self, raw: Tree | str, name: str) -> str:
        text = super().value(raw, name)
        if not _EMAIL.fullmatch(text):
            raise invalid(f"Invalid email address: {text}", code="email_invalid", param=name)
        return text


@dataclass(frozen=True, kw_only=True)
class Integer(Param):
    """An integer, also a timestamp in Unix seconds or an amount in minor units."""

    minimum: int | None = None
    maximum: int | None = None

    def value(self, raw: Tree | str, name: str) -> int:
        text = _scalar(raw, name)
        if not _INTEGER.fullmatch(text):
            raise invalid(f"Invalid integer: {text}", code="parameter_invalid_integer", param=name)
        number = int(text)
        if self.minimum is not None and number < self.minimum:
            raise invalid(
                f"This value must be greater than or equal to {self.minimum}.",
                code="parameter_invalid_integer",
                param=name,
            )
        if self.maximum is not None and number > self.maximum:
            raise invalid(
                f"This value must be less than or equal to {self.maximum}.",
                code="parameter_invalid_integer",
                param=name,
            )
        return number


@dataclass(frozen=True, kw_only=True)
class Number(Param):
    """A decimal number with at most 12 places, exact."""

    minimum: Decimal | None = None
    maximum: Decimal | None = None

    def value(self, raw: Tree | str, name: str) -> Decimal:
        text = _scalar(raw, name)
        if not _DECIMAL.fullmatch(text):
            raise invalid(f"Invalid decimal: {text}; must contain at maximum twelve decimal places.", param=name)
        number = Decimal(text)
        if (self.minimum is not None and number < self.minimum) or (self.maximum is not None and number > self.maximum):
            raise invalid(f"Invalid decimal: {text}; must be between {self.minimum} and {self.maximum}.", param=name)
        return number


@dataclass(frozen=True, kw_only=True)
class Boolean(Param):
    """`true` or `false`."""

    def value(self, raw: Tree | str, name: str) -> bool:
        text = _scalar(raw, name)
        if text not in {"true", "false"}:
            raise invalid(f"Invalid boolean: {text}", param=name)
        return text == "true"


@dataclass(frozen=True, kw_only=True)
class Choice(Param):
    """One of a few words."""

    words: tuple[str, ...]

    def value(self, raw: Tree | str, name: str) -> str:
        text = _scalar(raw, name)
        if text not in self.words:
            raise invalid(f"Invalid {name}: must be one of {_listed(self.words)}", param=name)
        return text


@dataclass(frozen=True, kw_only=True)
class Currency(Param):
    """A currency that Stripe charges in; it answers in lower case."""

    def value(self, raw: Tree | str, name: str) -> str:
        text = _scalar(raw, name).lower()
        if text not in SUPPORTED:
            raise invalid(
                f"Invalid currency: {text}. Stripe currently supports these currencies: {', '.join(sorted(SUPPORTED))}",
                param=name,
            )
        return text


@dataclass(frozen=True, kw_only=True)
class Moment(Param):
    """A timestamp in Unix seconds, or one of a few words in its place (`now`)."""

    words: tuple[str, ...] = ()

    def value(self, raw: Tree | str, name: str) -> int | str:
        text = _scalar(raw, name)
        if text in self.words:
            return text
        if not _INTEGER.fullmatch(text) or int(text) < 0:
            raise invalid(f"Invalid timestamp: {text}; must be an integer Unix timestamp", param=name)
        return int(text)


@dataclass(frozen=True, kw_only=True)
class Hash(Param):
    """A nested mapping with declared keys."""

    fields: Fields = field(default_factory=dict)

    def value(self, raw: Tree | str, name: str) -> dict[str, Any]:
        if not isinstance(raw, dict):
            raise invalid("Invalid object", param=name)
        return parse(raw, self.fields, within=name)


@dataclass(frozen=True, kw_only=True)
class Items(Param):
    """A list."""

    of: Param
    count_max: int = 100

    def value(self, raw: Tree | str, name: str) -> list[Any]:
        if not isinstance(raw, dict) or not all(key.isdecimal() for key in raw):
            raise invalid("Invalid array", param=name)
        if len(raw) > self.count_max:
            raise invalid(f"Array too long: at most {self.count_max} elements are allowed", param=name)
        ordered = sorted(raw.items(), key=lambda entry: int(entry[0]))
        return [self.of.parse(element, f"{name}[{index}]") for index, element in ordered]


@dataclass(frozen=True, kw_only=True)
class Metadata(Param):
    """Free keys with string values, within Stripe's limits; an empty value removes a key."""

    unset: bool = True

    def value(self, raw: Tree | str, name: str) -> dict[str, str]:
        if not isinstance(raw, dict):
            raise invalid("Invalid object", param=name)
        if len(raw) > _METADATA_KEYS_MAX:
            raise invalid(f"Metadata can have up to {_METADATA_KEYS_MAX} keys.", param=name)
        for key, value in raw.items():
            _scalar(value, f"{name}[{key}]")
            if len(key) > _METADATA_KEY_CHARS_MAX:
                raise invalid(
                    f"Metadata keys can have up to {_METADATA_KEY_CHARS_MAX} characters; {key[:20]}… has more.",
                    param=name,
                )
            if len(value) > _METADATA_VALUE_CHARS_MAX:
                raise invalid(
                    f"Metadata values can have up to {_METADATA_VALUE_CHARS_MAX} characters; the value of {key} has "
                    f"{len(value)}.",
                    param=f"{name}[{key}]",
                )
        return {key: str(value) for key, value in raw.items()}


@dataclass(frozen=True, kw_only=True)
class Range(Param):
    """A filter on a number: `created=1` or `created[gte]=1`; the value is a mapping of comparison to number."""

    def value(self, raw: Tree | str, name: str) -> dict[str, int]:
        if isinstance(raw, str):
            return {"eq": Integer().value(raw, name)}
        bounds = {key: Integer() for key in ("gt", "gte", "lt", "lte")}
        return parse(raw, bounds, within=name)


@dataclass(frozen=True, kw_only=True)
class Either(Param):
    """A value that Stripe takes in two forms; the hash form is tried when the raw value is a hash."""

    scalar: Param
    nested: Param

    def value(self, raw: Tree | str, name: str) -> Any:
        return (self.nested if isinstance(raw, dict) else self.scalar).value(raw, name)


def parse(tree: Tree, fields: Fields, *, within: str = "") -> dict[str, Any]:
    """Return the values of `tree`, checked against `fields`.

    Raises StripeError: `parameter_unknown`, `parameter_missing`, or what the parameter's type says.
    """
    if unknown := [_path(within, name) for name in tree if name not in fields]:
        raise _unknown(unknown, [_path(within, name) for name in fields])
    for name, declared in fields.items():
        if declared.required and name not in tree:
            where = _path(within, name)
            raise invalid(f"Missing required param: {where}.", code="parameter_missing", param=where)
    return {name: fields[name].parse(raw, _path(within, name)) for name, raw in tree.items()}


def merge_metadata(current: Mapping[str, str], change: Mapping[str, str] | None) -> dict[str, str]:
    """Metadata after an update: keys are merged, an empty value removes its key, `None` removes all."""
    if change is None:
        return {}
    merged = {key: value for key, value in {**current, **change}.items() if value != ""}
    if len(merged) > _METADATA_KEYS_MAX:
        raise invalid(f"Metadata can have up to {_METADATA_KEYS_MAX} keys.", param="metadata")
    return merged


def _unknown(names: list[str], known: list[str]) -> StripeError:
    plural = "s" if len(names) > 1 else ""
    near = next((k for k in known if k.lower().replace("_", "") == names[0].lower().replace("_", "")), None)
    hint = f". Did you mean {near}?" if near else ""
    return invalid(
        f"Received unknown parameter{plural}: {', '.join(names)}{hint}", code="parameter_unknown", param=names[0]
    )


def _path(within: str, name: str) -> str:
    return f"{within}[{name}]" if within else name


def _scalar(raw: Tree | str, name: str) -> str:
    if not isinstance(raw, str):
        raise invalid("Invalid string: a hash was given", param=name)
    return raw


def _listed(words: tuple[str, ...]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])}, or {words[-1]}"
