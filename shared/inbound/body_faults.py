"""Every fault of a body in plain sentences, each with its JSON pointer (RFC 6901).

The decoder stops at the first fault, and quotes patterns. So after it has refused a body, this walks the type and the
body side by side. It decides nothing: what the decoder accepts stays accepted.
"""

import math
import re
from collections.abc import Callable, Iterator
from typing import Any

from msgspec import inspect

from shared.problem import Fault

_REQUIRED = "This field is required."
_UNKNOWN = "There is no field of this name here."
_FORM = "This has the wrong format."
# Nobody mends more than these at once, and a body of 1 MB can have very many.
FAULTS_MAX = 50
_NAMES: tuple[tuple[type[inspect.Type], str], ...] = (
    (inspect.StrType, "a text"),
    (inspect.IntType, "a whole number"),
    (inspect.FloatType, "a number"),
    (inspect.BoolType, "true or false"),
    (inspect.NoneType, "null"),
    (inspect.StructType, "an object"),
    (inspect.DictType, "an object"),
    (inspect.ListType, "a list"),
)
_DECODERS_NAMES = {
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "null": "null",
    "object": "an object",
    "array": "a list",
}
_Check = Callable[[Any, Any, str], Iterator[Fault]]


def faults_of(content: Any, kind: Any) -> list[Fault]:
    """Return every fault of a decoded body against a type; none where none is found."""
    found = []
    for fault in _faults(inspect.type_info(kind), content, ""):
        found.append(fault)
        if len(found) == FAULTS_MAX:
            break
    return found


def sentence_of(message: str) -> str:
    """Return the decoder's message about one value as a plain sentence, without patterns or programming terms."""
    if "matching regex" in message:
        return _FORM
    if message.startswith("Invalid enum value"):
        return f"{message.removeprefix('Invalid enum value').strip()} is not one of the allowed values."
    member = re.match(r"Object (missing required|contains unknown) field", message)
    if member:
        return _REQUIRED if member[1] == "missing required" else _UNKNOWN
    told = re.sub(
        r"`([^`]*)`",
        lambda quoted: " or ".join(_DECODERS_NAMES.get(name.strip(), name.strip()) for name in quoted[1].split("|")),
        message,
    )
    told = told.replace(" of length >= ", " of at least this length: ").replace(
        " of length <= ", " of at most this length: "
    )
    told = told.replace(" >= ", " of at least ").replace(" <= ", " of at most ")
    return told if told.endswith(".") else f"{told}."


def parameter_sentence(message: str, kind: Any, description: str) -> str:
    """What the decoder said of a parameter, as a sentence that names what is possible."""
    if message.startswith("Invalid enum value"):
        allowed = [str(each) for choice in _choices(inspect.type_info(kind)) for each in _allowed(choice)]
        if allowed:
            return f"Expected one of {', '.join(allowed)}; got another text."
    told = sentence_of(message)
    return f"{told} {description.rstrip('.')}." if told == _FORM and description else told


def _choices(kind: Any) -> Iterator[Any]:
    """The choices that a type consists of, alone or beside others."""
    bare = _bare(kind)
    if isinstance(bare, inspect.UnionType):
        for each in bare.types:
            yield from _choices(each)
    elif isinstance(bare, inspect.EnumType | inspect.LiteralType):
        yield bare


def _faults(kind: Any, value: Any, at: str) -> Iterator[Fault]:
    about: dict[str, Any] = {}
    while isinstance(kind, inspect.Metadata):
        about, kind = {**(kind.extra_json_schema or {}), **about}, kind.type
    if isinstance(kind, inspect.UnionType):
        yield from _of_union(kind, value, at, about)
        return
    check = next((check for of, check in _CHECKS.items() if isinstance(kind, of)), None)
    if check is None or isinstance(kind, inspect.AnyType):
        return
    for fault in check(kind, value, at):
        yield _with_help(fault, at, about)


def _with_help(fault: Fault, at: str, about: dict[str, Any]) -> Fault:
    """Return the fault of a pattern, with an example of a valid value."""
    if fault.pointer != at or fault.detail != _FORM:
        return fault
    help_ = [str(about[name]).rstrip(".") + "." for name in ("description",) if about.get(name)]
    if about.get("examples"):
        help_.append(f"For example {about['examples'][0]}.")
    return Fault(pointer=at, detail=" ".join([_FORM, *help_]))


def _of_union(kind: inspect.UnionType, value: Any, at: str, about: dict[str, Any]) -> Iterator[Fault]:
    if value is None and any(isinstance(_bare(each), inspect.NoneType) for each in kind.types):
        return
    fitting = [each for each in kind.types if _is_of(_bare(each), value)]
    if fitting:
        for fault in _faults(fitting[0], value, at):
            yield _with_help(fault, at, about)
    else:
        yield Fault(pointer=at, detail=f"Expected {' or '.join(map(_name, kind.types))}, got {_got(value)}.")


def _of_struct(kind: inspect.StructType, value: Any, at: str) -> Iterator[Fault]:
    if not isinstance(value, dict):
        yield _expected(kind, value, at)
        return
    fields = {field.encode_name: field for field in kind.fields}
    for name, field in fields.items():
        if name in value:
            yield from _faults(field.type, value[name], f"{at}/{_escaped(name)}")
        elif field.required:
            yield Fault(pointer=f"{at}/{_escaped(name)}", detail=_REQUIRED)
    if kind.forbid_unknown_fields:
        known = {*fields, kind.tag_field}
        yield from (Fault(pointer=f"{at}/{_escaped(name)}", detail=_UNKNOWN) for name in value if name not in known)


def _of_list(kind: Any, value: Any, at: str) -> Iterator[Fault]:
    if not isinstance(value, list):
        yield _expected(kind, value, at)
        return
    yield from _of_length(kind, value, at, "items")
    for place, item in enumerate(value):
        yield from _faults(kind.item_type, item, f"{at}/{place}")


def _of_dict(kind: inspect.DictType, value: Any, at: str) -> Iterator[Fault]:
    if not isinstance(value, dict):
        yield _expected(kind, value, at)
        return
    yield from _of_length(kind, value, at, "fields")
    for name, item in value.items():
        below = f"{at}/{_escaped(name)}"
        for fault in _faults(kind.key_type, name, below):
            yield Fault(pointer=below, detail=f"Its name: {fault.detail}")
        yield from _faults(kind.value_type, item, below)


def _of_text(kind: inspect.StrType, value: Any, at: str) -> Iterator[Fault]:
    if not isinstance(value, str):
        yield _expected(kind, value, at)
        return
    # One fault per text: an empty or too long one need not be told about its pattern too.
    fault = next(_of_length(kind, value, at, "characters"), None)
    if fault is None and kind.pattern is not None and not re.search(kind.pattern, value):
        fault = Fault(pointer=at, detail=_FORM)
    if fault is not None:
        yield fault


def _of_number(kind: Any, value: Any, at: str) -> Iterator[Fault]:
    if not _is_of(kind, value):
        yield _expected(kind, value, at)
        return
    least, most = kind.ge, kind.le
    if (least is not None and value < least) or (most is not None and value > most):
        if least is not None and most is not None:
            wanted = f"from {least} to {most}"
        else:
            wanted = f"of at least {least}" if least is not None else f"of at most {most}"
        yield Fault(pointer=at, detail=f"Expected {_name(kind)} {wanted}, got {value}.")
    elif (kind.gt is not None and value <= kind.gt) or (kind.lt is not None and value >= kind.lt):
        wanted = f"more than {kind.gt}" if kind.gt is not None and value <= kind.gt else f"less than {kind.lt}"
        yield Fault(pointer=at, detail=f"Expected {wanted}, got {value}.")


def _of_choice(kind: Any, value: Any, at: str) -> Iterator[Fault]:
    allowed = _allowed(kind)
    if not any(value == each and type(value) is type(each) for each in allowed):
        yield Fault(pointer=at, detail=f"Expected one of {', '.join(map(str, allowed))}; got {_got(value)}.")


def _of_simple(kind: Any, value: Any, at: str) -> Iterator[Fault]:
    if not _is_of(kind, value):
        yield _expected(kind, value, at)


_CHECKS: dict[type[Any], _Check] = {
    inspect.StructType: _of_struct,
    inspect.DictType: _of_dict,
    inspect.ListType: _of_list,
    inspect.StrType: _of_text,
    inspect.IntType: _of_number,
    inspect.FloatType: _of_number,
    inspect.EnumType: _of_choice,
    inspect.LiteralType: _of_choice,
    inspect.BoolType: _of_simple,
    inspect.NoneType: _of_simple,
}


def _of_length(kind: Any, value: Any, at: str, what: str) -> Iterator[Fault]:
    size, least, most = len(value), kind.min_length, kind.max_length
    if least is not None and size < least:
        detail = "This may not be empty." if size == 0 else f"Expected at least {least} {what}, got {size}."
        yield Fault(pointer=at, detail=detail)
    elif most is not None and size > most:
        yield Fault(pointer=at, detail=f"Expected at most {most} {what}, got {size}.")


def _bare(kind: Any) -> Any:
    while isinstance(kind, inspect.Metadata):
        kind = kind.type
    return kind


def _is_of(kind: Any, value: Any) -> bool:
    """Return whether a value has the JSON type that this type is encoded as."""
    match kind:
        case inspect.StructType() | inspect.DictType():
            return isinstance(value, dict)
        case inspect.ListType():
            return isinstance(value, list)
        case inspect.BoolType():
            return isinstance(value, bool)
        case inspect.IntType():
            return isinstance(value, int) and not isinstance(value, bool)
        case inspect.FloatType():
            return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        case inspect.NoneType():
            return value is None
        case inspect.EnumType() | inspect.LiteralType():
            return any(type(value) is type(each) for each in _allowed(kind))
        case inspect.AnyType():
            return True
    return isinstance(value, str)


def _allowed(kind: Any) -> list[Any]:
    return [each.value for each in kind.cls] if isinstance(kind, inspect.EnumType) else list(kind.values)


def _expected(kind: Any, value: Any, at: str) -> Fault:
    return Fault(pointer=at, detail=f"Expected {_name(kind)}, got {_got(value)}.")


def _name(kind: Any) -> str:
    bare = _bare(kind)
    if isinstance(bare, inspect.EnumType | inspect.LiteralType):
        return f"one of {', '.join(map(str, _allowed(bare)))}"
    return next((name for of, name in _NAMES if isinstance(bare, of)), "a text")


def _got(value: Any) -> str:
    """Describe the value without repeating it: it may be anything, and long."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return "a number"
        case str():
            return "a text" if value else "an empty text"
        case list():
            return "a list"
    return "an object"


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
