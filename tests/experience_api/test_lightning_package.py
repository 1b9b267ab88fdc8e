"""The Salesforce package: what the name map reads and writes is in it, and it says what the simulator says.

What is checked is the form of its files, and what they promise each other. `make salesforce` type-checks the Apex.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from experience_api.salesforce_id import __file__ as _experience
from sandbox.vendors.salesforce.catalogue import OBJECTS, VERSION_ONLY_GROWS
from sandbox.vendors.salesforce.records.schema import Field
from system_api.vendor.salesforce_map import SalesforceFields

PACKAGE = Path(_experience).parent / "lightning" / "force-app" / "main" / "default"
OBJECT_OF = {
    "account": "Account",
    "contact": "Contact",
    "product": "Product2",
    "line": "QuoteLineItem",
    "quote": "Quote",
    "order": "Quoteway_Order__c",
}
# The parent that a path of the map leads through.
PARENTS = {"Account": "Account"}
TYPES = {
    "string": {"Text"},
    "textarea": {"LongTextArea"},
    "double": {"Number"},
    "currency": {"Currency"},
    "picklist": {"Picklist"},
    "boolean": {"Checkbox"},
    "date": {"Date"},
    "datetime": {"DateTime"},
    "reference": {"Lookup"},
}
CODE = sorted([*PACKAGE.glob("classes/*.cls"), *PACKAGE.glob("triggers/*.trigger")])
DOCUMENTS = sorted(PACKAGE.rglob("*.xml"))


def plain(element: ET.Element, path: str) -> str:
    """The text of an element of a metadata file; "" where there is none."""
    found = element.findtext("/".join(f"{{*}}{part}" for part in path.split("/")))
    return found or ""


def fields() -> dict[str, ET.Element]:
    """Every custom field of the package, as Object.Field__c."""
    return {
        f"{path.parts[-3]}.{path.name.split('.')[0]}": ET.parse(path).getroot()  # noqa: S314 our own files
        for path in PACKAGE.glob("objects/*/fields/*.field-meta.xml")
    }


def custom_fields_of_the_map() -> Iterator[str]:
    """Every custom field that the default map names, as Object.Field__c."""
    for role, names in msgspec.structs.asdict(SalesforceFields()).items():
        for path in msgspec.structs.asdict(names).values():
            *parents, name = path.split(".")
            if name.endswith("__c"):
                yield f"{PARENTS[parents[0]] if parents else OBJECT_OF[role]}.{name}"


def fields_of_the_simulator() -> dict[str, Field]:
    return {f"{one.name}.{each.name}": each for one in OBJECTS for each in one.fields if each.is_custom}


def test_every_custom_field_of_the_default_map_is_in_the_package() -> None:
    wanted = set(custom_fields_of_the_map())

    assert len(wanted) > 20
    assert wanted - set(fields()) == set()


def test_the_package_and_the_simulator_have_the_same_custom_fields() -> None:
    assert set(fields()) == set(fields_of_the_simulator())


@pytest.mark.parametrize("name", sorted(fields()))
def test_a_field_is_what_the_simulator_takes_it_for(name: str) -> None:
    packaged, simulated = fields()[name], fields_of_the_simulator()[name]

    assert plain(packaged, "type") in TYPES[simulated.kind]
    if simulated.kind in {"string", "textarea"}:
        assert int(plain(packaged, "length")) == simulated.length
    if simulated.kind in {"double", "currency"}:
        assert (int(plain(packaged, "precision")), int(plain(packaged, "scale"))) == (
            simulated.precision,
            simulated.scale,
        )
    if simulated.kind == "reference":
        assert plain(packaged, "referenceTo") == simulated.reference_to
    if simulated.picklist:
        values = [plain(each, "fullName") for each in packaged.iter() if each.tag.endswith("}value")]
        assert values == list(simulated.picklist)
    assert (plain(packaged, "externalId") == "true") == simulated.external_id
    assert (plain(packaged, "unique") == "true") == simulated.unique
    assert (plain(packaged, "required") == "true") == simulated.required


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_a_metadata_file_is_well_formed_and_named_as_what_it_describes(path: Path) -> None:
    root = ET.parse(path).getroot()  # noqa: S314 our own files
    assert root.tag.startswith("{http://soap.sforce.com/2006/04/metadata}")
    name = plain(root, "fullName")
    assert name in ("", path.name.split(".")[0])
    if root.tag.endswith(("}CustomField", "}ValidationRule", "}PermissionSet", "}CustomObject")):
        assert plain(root, "description")
    for message in root.iter("{*}errorMessage"):
        assert len(message.text or "") <= 255  # what Salesforce takes


def test_the_rule_that_lets_versions_only_grow_is_the_simulators() -> None:
    path = PACKAGE / "objects/Quoteway_Order__c/validationRules/Version_Only_Grows.validationRule-meta.xml"
    root = ET.parse(path).getroot()  # noqa: S314 our own file

    assert plain(root, "active") == "true"
    assert plain(root, "fullName") == VERSION_ONLY_GROWS.name
    assert plain(root, "errorMessage") == VERSION_ONLY_GROWS.message
    assert plain(root, "errorDisplayField") == VERSION_ONLY_GROWS.field_name


@pytest.mark.parametrize("path", CODE, ids=lambda path: path.name)
def test_apex_is_well_formed_and_has_its_metadata(path: Path) -> None:
    meta = ET.parse(f"{path}-meta.xml").getroot()  # noqa: S314 our own file
    assert (plain(meta, "apiVersion"), plain(meta, "status")) == ("67.0", "Active")
    text = path.read_text()
    kind = "trigger" if path.suffix == ".trigger" else "class"
    assert re.search(rf"\b{kind} {path.stem}\b", text)
    bare = re.sub(r"/\*.*?\*/|'(?:[^'\\]|\\.)*'", "", text, flags=re.DOTALL)
    for opening, closing in ("{}", "()", "[]"):
        assert bare.count(opening) == bare.count(closing)
    assert not re.search(r"\b(order|limit|number|group|list)\b\s*[=;.]", bare, re.IGNORECASE), (
        "a reserved word as a name"
    )
    assert all(len(line) <= 120 for line in text.splitlines())


def test_apex_names_only_classes_and_methods_that_are_there() -> None:
    texts = {path.stem: path.read_text() for path in CODE}
    for name, text in texts.items():
        for owner, method in re.findall(r"\b(Quoteway\w+)\.(\w+)\(", text):
            assert re.search(rf"public static [\w<>]+ {method}\(", texts[owner]), f"{name} calls {owner}.{method}"


def test_apex_names_only_fields_that_the_package_brings() -> None:
    known = {name.partition(".")[2] for name in fields()}
    for path in CODE:
        named = {name for name in re.findall(r"\b\w+__c\b", path.read_text()) if name != "Quoteway_Order__c"}
        assert named - known == set(), path.name


@pytest.mark.parametrize(
    ("trigger", "events"),
    [
        ("QuotewayQuote", {"before insert", "before update", "before delete"}),
        (
            "QuotewayQuoteLine",
            {"before delete", "after insert", "after update", "after delete", "after undelete"},
        ),
        ("QuotewayOrder", {"after insert", "after update", "after delete", "after undelete"}),
    ],
)
def test_a_trigger_runs_on_every_event_that_changes_what_is_ordered(trigger: str, events: set[str]) -> None:
    text = (PACKAGE / "triggers" / f"{trigger}.trigger").read_text()
    (named,) = re.findall(r"trigger \w+ on \w+ \(([^)]*)\)", text)

    assert {each.strip() for each in named.split(",")} == events


@pytest.mark.parametrize("policy", ["QuotewayRevision", "QuotewayFreeze"])
def test_a_policy_has_a_test_class_of_its_own(policy: str) -> None:
    text = (PACKAGE / "classes" / f"{policy}Test.cls").read_text()

    assert text.count("@IsTest") > 3
    assert "System.assert" in text


def header_fields() -> set[str]:
    """The fields of a quote that are ordered, but for its status, as the revision knows them."""
    text = (PACKAGE / "classes" / "QuotewayRevision.cls").read_text()
    (listed,) = re.findall(r"HEADER_FIELDS = new List<SObjectField>\{(.*?)\}", text, re.DOTALL)
    return set(re.findall(r"Quote\.(\w+)", listed))


def line_fields() -> set[str]:
    text = (PACKAGE / "classes" / "QuotewayRevision.cls").read_text()
    (listed,) = re.findall(r"LINE_FIELDS = new List<SObjectField>\{(.*?)\}", text, re.DOTALL)
    return set(re.findall(r"QuoteLineItem\.(\w+)", listed))


def frozen(object_name: str) -> set[str]:
    """The fields that the freeze rule of an object holds."""
    path = PACKAGE / "objects" / object_name / "validationRules/Frozen_While_Ordered.validationRule-meta.xml"
    return set(re.findall(r"ISCHANGED\((\w+)\)", plain(ET.parse(path).getroot(), "errorConditionFormula")))  # noqa: S314 our own file


def test_what_raises_the_revision_is_frozen_and_what_is_read_raises_it() -> None:
    """What an order reads of a quote, but for what Salesforce computes or the package keeps itself."""
    computed = {"QuoteNumber", "GrandTotal", "AccountId", "CurrencyIsoCode", "Revision__c", "Accepted_At__c", "Status"}
    fixed = {"QuoteId", "Product2Id", "TotalPrice", "LastModifiedDate", "SortOrder"}
    names = SalesforceFields()
    of_quote = {path for path in msgspec.structs.asdict(names.quote).values() if path and "." not in path}
    of_line = {path for path in msgspec.structs.asdict(names.line).values() if path}

    assert header_fields() == of_quote - computed
    assert frozen("Quote") == header_fields() | {"Status"}
    assert line_fields() - {"Product2Id"} == of_line - fixed
    assert frozen("QuoteLineItem") == line_fields() - {"Product2Id"}


def test_the_integration_user_may_read_all_and_write_orders() -> None:
    path = PACKAGE / "permissionsets/Quoteway_Integration.permissionset-meta.xml"
    root = ET.parse(path).getroot()  # noqa: S314 our own file
    granted = {
        plain(each, "field"): plain(each, "editable") == "true"
        for each in root.iter("{http://soap.sforce.com/2006/04/metadata}fieldPermissions")
    }
    grantable = {
        name
        for name, field in fields().items()
        if plain(field, "required") != "true" and not name.startswith("Quoteway_Order_Status__e.")
    }

    assert set(granted) == grantable
    assert {name for name, editable in granted.items() if editable} == {
        name for name in grantable if name.startswith("Quoteway_Order__c.")
    }


def test_the_integration_user_may_read_every_object_and_change_only_orders() -> None:
    """A new user's minimum access profile reads no object; the right to an opportunity is needed for that to a quote,
    whose lines follow it."""
    path = PACKAGE / "permissionsets/Quoteway_Integration.permissionset-meta.xml"
    rights = {
        plain(each, "object"): {
            name for name in ("Create", "Edit", "Delete", "Read") if plain(each, f"allow{name}") == "true"
        }
        for each in ET.parse(path).getroot().iter("{http://soap.sforce.com/2006/04/metadata}objectPermissions")  # noqa: S314 our own file
    }

    orders = rights.pop("Quoteway_Order__c")
    assert orders == {"Create", "Edit", "Read"}
    assert set(rights) == set(OBJECT_OF.values()) - {"QuoteLineItem", "Quoteway_Order__c"} | {"Opportunity"}
    assert all(each == {"Read"} for each in rights.values())


def test_a_seller_cannot_change_what_the_package_keeps() -> None:
    path = PACKAGE / "permissionsets/Quoteway_Seller.permissionset-meta.xml"
    root = ET.parse(path).getroot()  # noqa: S314 our own file
    editable = {
        plain(each, "field")
        for each in root.iter("{http://soap.sforce.com/2006/04/metadata}fieldPermissions")
        if plain(each, "editable") == "true"
    }

    assert not {"Quote.Revision__c", "Quote.Accepted_At__c", "Quote.Frozen__c"} & editable
    assert not any(name.startswith("Quoteway_Order__c.") for name in editable)
    assert "Quote.Start_Date__c" in editable
