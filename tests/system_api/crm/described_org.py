"""An org with the simulator's description, for tests that script all other answers."""

from dataclasses import replace

from sandbox.vendors.salesforce.catalogue import OBJECTS
from sandbox.vendors.salesforce.records.schema import Schema
from sandbox.vendors.salesforce.rest.describe import describe_object
from tests.system_api.transports import Scripted, said

TOKEN = said(200, {"access_token": "first", "id": "https://org.test/id/00DQW0000000001YAA/005QW0000000009YAA"})


def described_org(vendor: Scripted, *, without: tuple[str, ...] = ()) -> Scripted:
    """Return the vendor, which now also tells its versions and what objects it has, `without` some fields."""
    kept = [
        replace(one, fields=tuple(field for field in one.fields if f"{one.name}.{field.name}" not in without))
        for one in OBJECTS
    ]
    schema = Schema(kept)
    vendor.on("GET", "/services/data", said(200, [{"version": "66.0"}, {"version": "67.0"}]))
    vendor.on("POST", "/token", TOKEN)
    vendor.on("POST", "/sobjects/Quoteway_Order_Status__e/", said(201, {"id": "e00xx0000000001AAA", "success": True}))
    for one in schema:
        vendor.on("GET", f"/{one.name}/describe", said(200, describe_object(schema, one, "/services/data/v67.0")))
    return vendor
