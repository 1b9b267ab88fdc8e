"""Settings come from the environment; a process refuses to start on wrong ones and lists every fault at once."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

import msgspec
from msgspec import Meta

PREFIX = "QUOTEWAY_"
# A path whose file must be readable and not empty: `load_settings` checks, so that a start reports that fault too.
SecretFile = Annotated[
    str,
    Meta(min_length=1, description="the file with this service's OAuth client secret", extra={"holds_secret": True}),
]
SigningKeysFile = Annotated[
    str,
    Meta(
        min_length=1,
        description="the file with the keys that sign transaction tokens "
        "(`python -m shared.identity.signing_keys FILE`)",
        extra={"holds_secret": True},
    ),
]
TrustDomain = Annotated[
    str, Meta(min_length=1, description="this installation's trust domain, the audience of transaction tokens")
]
LogLevel = Annotated[str, Meta(pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="DEBUG, INFO, WARNING or ERROR")]
S = TypeVar("S", bound=msgspec.Struct)


class SettingsError(Exception):
    """Settings are missing or wrong. `faults` has one sentence for each."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


def variable(field: str) -> str:
    """Return the environment variable that sets `field`."""
    return PREFIX + field.upper()


def load_settings(kind: type[S], environment: Mapping[str, str]) -> S:
    """Return the settings of `kind`, each field from the variable QUOTEWAY_<FIELD>.

    An empty variable counts as missing. Raises SettingsError with every fault, so that one start reports them all.
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
            continue
        for check in _checks(hints[field.name]):
            try:
                check(values[field.name])
            except ValueError as error:
                faults.append(f"{name} is wrong: {error}. It is {describe(hints[field.name])}")
        if _holds_secret(hints[field.name]):
            try:
                read_secret(text, field.name)
            except SettingsError as error:
                faults += error.faults
    if faults:
        raise SettingsError(faults)
    return kind(**values)


def load_settings_or_exit(kind: type[S], environment: Mapping[str, str], program: str) -> S:
    """Load the settings, or write the faults to standard error and exit with status 2."""
    with exit_on_faults(program):
        return load_settings(kind, environment)
    raise AssertionError("unreachable: exit_on_faults ends the process")


@contextmanager
def exit_on_faults(program: str) -> Iterator[None]:
    """Exit with status 2 if the block raises SettingsError; each fault goes to standard error."""
    try:
        yield
    except SettingsError as error:
        sys.stderr.write(f"{program} cannot start, {len(error.faults)} setting(s) to mend:\n")
        for fault in error.faults:
            sys.stderr.write(f"  - {fault}\n")
        sys.exit(2)


def read_secret(path: str, field: str) -> str:
    """Return the secret in the file that the setting `field` names. Raises SettingsError if there is none."""
    try:
        secret = Path(path).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError([f"{variable(field)} is wrong, its file cannot be read: {error}"]) from error
    if not secret:
        raise SettingsError([f"{variable(field)} is wrong: {path} is empty"])
    return secret


def _holds_secret(hint: Any) -> bool:
    return any(
        isinstance(meta, Meta) and "holds_secret" in (meta.extra or {}) for meta in getattr(hint, "__metadata__", ())
    )


def _checks(hint: Any) -> list[Any]:
    """Return the further check of a value: the `check` of its annotated type, a function that raises ValueError."""
    metas = [meta for meta in getattr(hint, "__metadata__", ()) if isinstance(meta, Meta)]
    return [meta.extra["check"] for meta in metas if meta.extra and "check" in meta.extra]


def describe(hint: Any) -> str:
    """Return the description of a setting, from its annotated type."""
    for meta in getattr(hint, "__metadata__", ()):
        if isinstance(meta, msgspec.Meta) and meta.description:
            return meta.description
    return "a value of type " + getattr(hint, "__name__", str(hint))
