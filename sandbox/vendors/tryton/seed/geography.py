"""Countries, states, and the European Union, for addresses and tax rules."""

from dataclasses import dataclass

from sandbox.vendors.tryton.countries import COUNTRIES, EUROPEAN_UNION, US_STATES
from sandbox.vendors.tryton.rpc import TrytonSession, Values


@dataclass(frozen=True, slots=True)
class Geography:
    """Ids in Tryton: countries by ISO 3166-1 code, subdivisions by ISO 3166-2 code, and the European Union."""

    countries: dict[str, int]
    subdivisions: dict[str, int]
    european_union: int


def seed_geography(session: TrytonSession) -> Geography:
    """Create the countries and states, and add the member states to Tryton's European Union."""
    records: list[Values] = [{"code": code, "name": name} for code, name in COUNTRIES.items()]
    countries = dict(zip(COUNTRIES, session.create("country.country", *records), strict=True))
    states: list[Values] = [
        {"country": countries["US"], "code": f"US-{code}", "name": name, "type": "state"}
        for code, name in US_STATES.items()
    ]
    subdivisions = session.create("country.subdivision", *states)
    union = session.by_xml_id("country", "organization_eu")
    members: list[Values] = [{"organization": union, "country": countries[code]} for code in sorted(EUROPEAN_UNION)]
    session.create("country.organization.member", *members)
    return Geography(
        countries=countries,
        subdivisions=dict(zip((state["code"] for state in states), subdivisions, strict=True)),
        european_union=union,
    )
