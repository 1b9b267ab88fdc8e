"""The meaning of each of Tryton's refusals: about this record, or about us and the ERP.

A business reason is 400 with JSON, and so is a missing right, and anything that is not set up in the ERP: those are
told apart by their message. Every other status is an HTML page.

Source: measured on Tryton 8.2; the sentences are those of `message.xml` in `ir` and in the modules account,
account_invoice, account_product, currency, party and sale.
"""

import re

from shared.problem import Unavailable
from system_api.vendor.meaning import Meaning

_VENDOR = "Tryton"
_ACCESS = "Check the connection's url, database, company and key."
_RIGHTS = "Give the integration user's group the right that Tryton names, and try again."

BY_STATUS = {
    401: Meaning("setup", "The ERP does not accept our key.", "credentials_refused", _ACCESS),
    403: Meaning("setup", "The ERP does not let us in.", "not_allowed", _ACCESS),
    404: Meaning("setup", "There is no ERP at our address.", "not_found_here", _ACCESS),
    405: Meaning("setup", "There is no ERP at our address.", "not_found_here", _ACCESS),
    # 423: another transaction changed the record. 429: failed logins slow us down. Nothing was done in either case.
    423: Meaning("passing", "The ERP is working on the same record.", "concurrent_change"),
    429: Meaning("passing", "The ERP limits our requests.", "rate_limit"),
}
# Confirming locks whole tables without waiting; the second of two is refused with nothing done.
LOCKED = ("could not obtain lock", Meaning("passing", "The ERP is working on another order.", "row_locked"))


def _set_up(lacks: str, reason_code: str, what_to_do: str) -> Meaning:
    """Return a row for something that an administrator of the ERP must set up before any such order can be booked."""
    said = f"The ERP's company is not set up for this: {lacks}."
    return Meaning("setup", said, reason_code, f"Have the ERP's administrator {what_to_do}, then try again.")


BY_SENTENCE = (
    (re.compile(r"will exceed their .* credit limit"), Meaning("record", reason_code="credit_limit")),
    (
        re.compile(r"You are not allowed to |Calling button .* is not allowed"),
        Meaning("setup", "The ERP does not let us do this.", "not_allowed", _RIGHTS),
    ),
    (
        # A sale created over REST gets the only warehouse; if there are several, Tryton's form takes the user's, and
        # REST none.
        re.compile(r"you must enter a warehouse for the line"),
        _set_up(
            "it has several warehouses, and the connection names none",
            "missing_warehouse",
            "say from which warehouse orders are shipped, set that as the connection's warehouse",
        ),
    ),
    (
        re.compile(r"you must set a customer location on party"),
        _set_up("a customer has no stock location", "missing_location", "set the customer location of the party"),
    ),
    (
        re.compile(
            r"you must define a (?:receivable|payable|currency exchange \w+) account\b"
            r"|you must (?:define an|configure a default) account revenue|There is no \".*\" defined for \""
        ),
        _set_up("an account is missing", "missing_account", "define the account that Tryton names"),
    ),
    (
        re.compile(r"There is no account category defined on product"),
        _set_up("a product has no account category", "missing_account", "give the product an account category"),
    ),
    (
        re.compile(r"you must define a currency exchange journal|value is required for field \"Journal\""),
        _set_up("a journal is missing", "missing_journal", "add or activate the journal that Tryton names"),
    ),
    (
        re.compile(r"you must define a sequence on|value is required for field \"[^\"]*Sequence\""),
        _set_up("a sequence of numbers is missing", "missing_sequence", "define the sequence that Tryton names"),
    ),
    (
        re.compile(r"you must (?:create|reopen) (?:a|the) (?:fiscal year|period) "),
        _set_up(
            "its fiscal year or period is missing or closed",
            "missing_period",
            "open a fiscal year and period for the date",
        ),
    ),
    (
        re.compile(r"you must append a .*remainder line"),
        _set_up("terms of payment are not complete", "payment_term_incomplete", "complete the terms that Tryton names"),
    ),
    (
        re.compile(r"No rate found for currency"),
        _set_up("a currency has no rate", "missing_rate", "enter the rate of the currency that Tryton names"),
    ),
    # A field that the ERP's users have made mandatory: no order of ours has it, whatever was sold.
    (
        re.compile(r"value is required for field"),
        _set_up("it wants a field that Quoteway does not fill", "required_field_missing", "make the field optional"),
    ),
    (
        re.compile(r"The VIES service is unavailable"),
        Meaning("passing", "The ERP cannot check tax ids at the moment.", "tax_id_check_unavailable"),
    ),
    (re.compile(r"you must enter an? \w+ address"), Meaning("record", reason_code="customer_without_address")),
)
# UserWarnings are refusals too, since nobody is there to confirm them.
ANYTHING_ELSE = Meaning("record", reason_code="refused_by_erp")

# Missing records that the adapter itself notices; `{}` is the name.
MISSING = {
    "unknown_payment_term": _set_up(
        "it has no payment terms {}", "unknown_payment_term", "add the payment terms {}, or correct the legal entity"
    ),
    "unknown_payment_terms": _set_up(
        "it has no payment terms {}", "unknown_payment_terms", "add the payment terms {}, or correct the legal entity"
    ),
    "unknown_tax": _set_up("it has no tax named {}", "unknown_tax", "add the tax {} to the company"),
    "unknown_company": _set_up(
        "there is no company {}", "unknown_company", "give the key's user the company {}, or correct the connection"
    ),
    "unknown_warehouse": _set_up(
        "it has no warehouse {}", "unknown_warehouse", "add the warehouse {}, or correct the connection's warehouse"
    ),
    "no_countries": _set_up(
        "it knows no country", "no_countries", "import Tryton's countries (trytond_import_countries)"
    ),
    "no_states": _set_up(
        "it knows no state of {}", "no_states", "import Tryton's subdivisions (trytond_import_countries)"
    ),
}


def meaning_of(sentence: str) -> Meaning:
    """Return the meaning of a refusal with JSON."""
    return next((meaning for pattern, meaning in BY_SENTENCE if pattern.search(sentence)), ANYTHING_ELSE)


def missing(reason_code: str, name: str = "") -> Unavailable:
    """Return the error for missing set-up in the ERP that orders need.

    Nothing was written.
    """
    row = MISSING[reason_code]
    return Unavailable(
        row.said.format(name), reason_code=reason_code, vendor=_VENDOR, what_to_do=row.what_to_do.format(name)
    )
