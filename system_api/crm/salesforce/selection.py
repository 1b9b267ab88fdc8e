"""Selects the mapped fields that an org has, and reports those that it lacks.

A mapped field that is missing is refused, not skipped: otherwise Quoteway would book without a start date, a discount
or a purchase order number that somebody may have entered, and a field hidden by field-level security looks like a
missing one. A field that an org really does not use is mapped to "".
"""

from dataclasses import dataclass, field

import msgspec

from shared.problem import Unavailable
from system_api.crm.salesforce.errors import VENDOR
from system_api.crm.salesforce.schema import Found, OrgSchema

_CURRENCY = "CurrencyIsoCode"


def absent_currency(path: str) -> frozenset[str]:
    """Return our name of the currency if the org may lack it.

    An org with one currency has no standard field for it, but a field that somebody has mapped must exist.
    """
    standard = path.rpartition(".")[2].casefold() == _CURRENCY.casefold()
    return frozenset({"currency"}) if standard or not path else frozenset()


@dataclass
class Selection:
    """What is read of one object: the org's paths by our names, and the faults found on the way."""

    schema: OrgSchema
    object_name: str
    paths: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    async def require_object(self) -> None:
        """Raise Unavailable (`object_missing`) if the org lacks the object."""
        if await self.schema.describe(self.object_name) is None:
            raise object_missing(self.object_name)

    async def take(self, name: str, path: str, *, optional: bool = False) -> Found | None:
        """Read `path` as `name`. An empty path selects nothing; a path that is not `optional` must exist."""
        if not path:
            return None
        found = await self.schema.find(self.object_name, path)
        if found is not None:
            self.paths[name] = found.path
        elif not optional:
            self.missing.append(f"{path} of {self.object_name}")
        return found

    async def take_all(self, names: msgspec.Struct, *, but: frozenset[str], optional: frozenset[str]) -> None:
        """Read every field in `names`, except some."""
        for each in msgspec.structs.fields(names):
            if each.name not in but:
                await self.take(each.name, getattr(names, each.name), optional=each.name in optional)

    async def take_parent(
        self, name: str, path: str, names: msgspec.Struct, *, optional: frozenset[str] = frozenset()
    ) -> None:
        """Read the id behind the reference at `path` as `name`, and the fields of that record as name_field."""
        reference = await self.take(name, path)
        if reference is None:
            return
        if not reference.field.relationship:
            self.missing.append(f"{path} of {self.object_name} (it leads to no other record)")
            return
        before = reference.path.rpartition(".")[0]
        parent = f"{before}.{reference.field.relationship}" if before else reference.field.relationship
        for each in msgspec.structs.fields(names):
            own = getattr(names, each.name)
            if own:
                await self.take(f"{name}_{each.name}", f"{parent}.{own}", optional=each.name in optional)

    @property
    def columns(self) -> list[str]:
        """The columns of the query: each path once, the id first."""
        return list(dict.fromkeys(["Id", *self.paths.values()]))


def require_fields(*selections: Selection) -> None:
    """Raise Unavailable (`field_missing`) with every field that the selections lack."""
    missing = [each for selection in selections for each in selection.missing]
    if missing:
        raise fields_missing(missing)


def fields_missing(names: list[str]) -> Unavailable:
    several = len(names) > 1
    return Unavailable(
        f"{VENDOR} does not show Quoteway the field{'s' if several else ''} {_listed(names)}. "
        f"The org does not have {'them' if several else 'it'}, or hides {'them' if several else 'it'} from Quoteway's "
        "user: a Salesforce administrator can install Quoteway's package and assign its permission set. A field that "
        'this org does not use is named "" in the fields of the connection.',
        reason_code="field_missing",
        vendor=VENDOR,
    )


def object_missing(name: str) -> Unavailable:
    return Unavailable(
        f"{VENDOR} does not show Quoteway the object {name}. A Salesforce administrator can install Quoteway's package "
        "and assign its permission set, or the connection names another object.",
        reason_code="object_missing",
        vendor=VENDOR,
    )


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
