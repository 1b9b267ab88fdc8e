"""The gateway's own user in the ERP, which may only sell and invoice in the tenant's companies."""

import secrets

from sandbox.vendors.tryton.rpc import TrytonSession, request_application_key

INTEGRATION_LOGIN = "quoteway-integration"
# Sales: sales and what they sell. Accounting: invoices. Everyone may already read and write parties. Not "Account
# Credit Limit": its members are only warned about an exceeded limit, and may change limits.
_GROUPS = (("sale", "group_sale"), ("account", "group_account"))
_OWN_GROUP = "Order integration"


def seed_integration_user(session: TrytonSession, tenant: str, companies: list[int]) -> str:
    """Create the tenant's integration user and return the REST key it acts with."""
    login = f"{INTEGRATION_LOGIN}-{tenant}"
    groups = [session.by_xml_id(module, xml_id) for module, xml_id in _GROUPS]
    user = session.create_one(
        "res.user",
        {
            "name": f"Quoteway integration ({tenant})",
            "login": login,
            "password": secrets.token_urlsafe(32),  # nobody knows it: the user only uses its key
            "companies": [("add", companies)],
            "company": companies[0],
            "company_filter": "all",  # otherwise the records of all companies but one are invisible
            "groups": [("add", [*groups, _seed_own_group(session)])],
        },
    )
    key = request_application_key(session.server_url, session.database, login)
    application = session.find("res.user.application", ("user", "=", user), ("application", "=", "rest"))
    session.press("res.user.application", "validate_", [application])
    return key


def _seed_own_group(session: TrytonSession) -> int:
    """Create a group for the one right of a sales administrator that it needs: processing a sale without the worker."""
    if found := session.search("res.group", [("name", "=", _OWN_GROUP)]):
        return found[0]  # created for the tenant before
    button = session.find("ir.model.button", ("model", "=", "sale.sale"), ("name", "=", "process"))
    return session.create_one("res.group", {"name": _OWN_GROUP, "buttons": [("add", [button])]})
