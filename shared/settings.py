"""Settings come from the environment; a process refuses to start on wrong ones and lists every fault at once."""

import sys
from collections.abc import Mapping
from typing import Any, TypeVar, get_type_hints

import msgspec

PREFIX = "QUOTEWAY_"
S = TypeVar("S", bound=msgspec.Struct)


class SettingsError(Exception):
    """Some settings are missing or wrong. `faults` has one sentence for each."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


def variable(field: str) -> str:
    """The environment variable that sets `field`."""
    return PREFIX + field.upper()


def load_settings(kind: type[S], environment: Mapping[str, str]) -> S:
    """The settings of `kind`, each field from the variable QUOTEWAY_<FIELD>.

    An empty variable counts as missing. Raises SettingsError with every fault, so that one start shows them all.
    """
    faults: list[str] = []
    values: dict[str, Any] = {}
    hints = get_type_hints(kind, include_extras=True)
    for field in msgspec.structs.fields(kind):
        name = variable(field.name)
        text = environment.get(name, "")
        if not text:
            if field.required:
                faults.append(f"{name} is missing: {describe(hints[field.name])}")
            continue
        try:
            values[field.name] = msgspec.convert(text, hints[field.name], strict=False)
        except msgspec.ValidationError as error:
            faults.append(f"{name} is wrong: {error}. It is {describe(hints[field.name])}")
    if faults:
        raise SettingsError(faults)
    return kind(**values)


def load_settings_or_exit(kind: type[S], environment: Mapping[str, str], program: str) -> S:
    """As load_settings, for a process's start: faults go to standard error and the process ends with status 2."""
    try:
        return load_settings(kind, environment)
    except SettingsError as error:
        sys.stderr.write(f"{program} cannot start, {len(error.faults)} setting(s) to mend:\n")
        for fault in error.faults:
            sys.stderr.write(f"  - {fault}\n")
        sys.exit(2)


def describe(hint: Any) -> str:
    """What a setting means: the description of its annotated type."""
    for meta in getattr(hint, "__metadata__", ()):
        if isinstance(meta, msgspec.Meta) and meta.description:
            return meta.description
    return "a value of type " + getattr(hint, "__name__", str(hint))
