"""Checks an org: API version, org id, currency, places, fields, objects, rights and the package's rule.

Source of the versions' ends: "API End-of-Life Policy" in Salesforce's developer guides: each is supported for at least
three years, which is nine releases; 31.0 to 40.0 are unsupported from Summer '27 and retired from Summer '28.
"""

import msgspec

from shared.problem import VendorError
from system_api.connections import SalesforceConnection
from system_api.crm.salesforce.accounts import may_be_absent
from system_api.crm.salesforce.api import SalesforceApi
from system_api.crm.salesforce.orders import NEEDED, plan_orders
from system_api.crm.salesforce.org import SalesforceOrg
from system_api.crm.salesforce.quotes import CONTACTS, NO_MATTER, plan_quotes
from system_api.crm.salesforce.selection import Selection, absent_currency
from system_api.vendor.findings import Finding, Findings, Level

_RELEASES_SUPPORTED = 9
_RETIRING_UP_TO = 40
PACKAGE_RULE = "Version_Only_Grows"


class _Rule(msgspec.Struct, frozen=True):
    name: str = msgspec.field(name="ValidationName")
    active: bool = msgspec.field(name="Active")


class _Rules(msgspec.Struct, frozen=True):
    records: list[_Rule]


async def check_org(connection: SalesforceConnection, api: SalesforceApi, org: SalesforceOrg) -> list[Finding]:
    """Return every finding at once; each part is checked even if another one failed."""
    findings = Findings()
    with findings.asking():
        await _check_version(connection, api, findings)
    try:
        org_id = await api.log_in()
    except VendorError:
        with findings.asking():
            await api.log_in()
        return findings.found  # without a login nothing more can be checked
    if connection.org_id is None:
        known = f' This one is "{org_id}".' if org_id else ""
        findings.warns(
            "The connection is pinned to no org (org_id): a refreshed sandbox with its settings could not be told from "
            f"the org that is meant.{known}"
        )
    with findings.asking():
        await _check_quotes(connection, org, findings)
    with findings.asking():
        await _check_accounts(connection, org, findings)
    with findings.asking():
        await _check_orders(connection, org, findings)
    with findings.asking(Level.notes):
        await _check_rule(connection, api, org, findings)
    return findings.found


async def _check_version(connection: SalesforceConnection, api: SalesforceApi, findings: Findings) -> None:
    spoken = [each.version for each in await api.versions()]
    ours = connection.api_version.removeprefix("v")
    if not spoken:
        findings.lacks("The org names no version of the API that it speaks: the connection's url may lead elsewhere.")
        return
    if ours not in spoken:
        findings.lacks(
            f"The org does not speak {connection.api_version} of the API (api_version); it speaks v{spoken[0]} to "
            f"v{spoken[-1]}."
        )
        return
    releases_old = round(float(spoken[-1]) - float(ours))
    if float(ours) <= _RETIRING_UP_TO or releases_old >= _RELEASES_SUPPORTED:
        findings.warns(
            f"{connection.api_version} of the API (api_version) nears its end: it is {releases_old} releases old, and "
            f"Salesforce supports a version for three years, nine releases. The newest is v{spoken[-1]}."
        )


async def _check_quotes(connection: SalesforceConnection, org: SalesforceOrg, findings: Findings) -> None:
    objects, fields = connection.objects, connection.fields
    quote, line = Selection(org.schema, objects.quote), Selection(org.schema, objects.line)
    missing = [each.object_name for each in (quote, line) if await org.schema.describe(each.object_name) is None]
    if missing:
        _lack_objects(missing, findings)
        return
    optional = absent_currency(fields.quote.currency)
    await quote.take_all(fields.quote, but=frozenset(CONTACTS), optional=optional)
    for name in CONTACTS:
        await quote.take_parent(name, getattr(fields.quote, name), fields.contact, optional=NO_MATTER)
    await line.take_all(fields.line, but=frozenset({"product"}), optional=frozenset({"description", "position"}))
    await line.take_parent("product", fields.line.product, fields.product, optional=NO_MATTER)
    _lack_fields(quote.missing + line.missing, findings)
    if optional - quote.paths.keys():
        findings.notes(f"The org has one currency: amounts are in {await org.currency()}.")
    if not quote.missing and not line.missing:
        await plan_quotes(org.schema, objects, fields)  # whether the quote's lines can be queried


async def _check_accounts(connection: SalesforceConnection, org: SalesforceOrg, findings: Findings) -> None:
    account = Selection(org.schema, connection.objects.account)
    if await org.schema.describe(account.object_name) is None:
        _lack_objects([account.object_name], findings)
        return
    await account.take_all(connection.fields.account, but=frozenset(), optional=may_be_absent(connection.fields))
    _lack_fields(account.missing, findings)
    if "country_code" in account.paths:
        return
    if "country" in account.paths:
        findings.notes(
            "The org has no State and Country picklists: countries and states are read as people write them, and an "
            "account whose country is none that is known here is refused."
        )
    else:
        _lack_fields([f"{connection.fields.account.country or 'BillingCountry'} of {account.object_name}"], findings)


async def _check_orders(connection: SalesforceConnection, org: SalesforceOrg, findings: Findings) -> None:
    name = connection.objects.order
    described = await org.schema.describe(name)
    if described is None:
        _lack_objects([name], findings)
        return
    plan = await plan_orders(org.schema, connection.objects, connection.fields)
    for own, path in msgspec.structs.asdict(connection.fields.order).items():
        if own in NEEDED or not path:
            continue
        if own not in plan.paths and own in absent_currency(path):
            continue
        if own not in plan.paths:
            findings.warns(f"{path} of {name} is not there, or leads elsewhere: it is not told of an order.")
        elif not {own} <= plan.createable & plan.updateable:
            findings.warns(f"Quoteway's user may not write {path} of {name}: it is not told of an order.")
    written = {plan.paths[own] for own in plan.createable} | {plan.paths["order_id"]}
    for each in described.fields:
        if each.must_be_given and each.name not in written:
            findings.lacks(f"{each.name} of {name} must be given for a new record, and Quoteway knows nothing of it.")


async def _check_rule(
    connection: SalesforceConnection, api: SalesforceApi, org: SalesforceOrg, findings: Findings
) -> None:
    """Check the rule that keeps an older report from overwriting a newer one.

    Reading it needs a right that the integration user may lack.
    """
    name = connection.objects.order
    if await org.schema.describe(name) is None:
        return
    soql = f"SELECT ValidationName, Active FROM ValidationRule WHERE EntityDefinition.QualifiedApiName = '{name}'"  # noqa: S608 a name that the connection's pattern allows
    answer = await api.get("/tooling/query", _Rules, {"q": soql})
    if answer is None:
        findings.notes(f"Whether {name} has the rule {PACKAGE_RULE} cannot be seen with these rights.")
        return
    rules = {each.name: each.active for each in answer.records}
    if not rules.get(PACKAGE_RULE):
        findings.lacks(
            f"{name} has no active validation rule {PACKAGE_RULE}, which Quoteway's package brings: of two processes "
            "that report at once, the older report could stay."
        )
    others = sorted(rule for rule, active in rules.items() if active and rule != PACKAGE_RULE)
    if others:
        findings.warns(f"{name} has validation rules of the org's own, which may refuse a report: {', '.join(others)}.")


def _lack_fields(missing: list[str], findings: Findings) -> None:
    for each in missing:
        findings.lacks(
            f'{each} is not there, or hidden from Quoteway\'s user. Where the org has no use for it, name it "" in '
            "the fields of the connection."
        )


def _lack_objects(names: list[str], findings: Findings) -> None:
    for name in names:
        findings.lacks(
            f"The object {name} is not there, or hidden from Quoteway's user. Quoteway's package brings its own."
        )
