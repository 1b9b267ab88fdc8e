"""The meaning of each of Stripe's refusals: about this record, or about us and the account.

Source: Stripe's API reference, "Errors", and its list of error codes ("Error codes"). A code that is not listed here is
about the record: Stripe explains a refused customer or subscription with a code, or only with a sentence. The sentences
about the account are quoted by people who received them (docs/vendors/stripe.md).
"""

import re

from system_api.vendor.meaning import Meaning

_KEY = "Check the connection's key: whether it is the right account's, valid, and may do what it is used for."
_ACCOUNT = "Look at the account in Stripe's dashboard: what it lacks before it may charge is named there."
_METHODS = "Activate the means of payment in Stripe's dashboard, under its payment methods, then try again."
_TAX = "Activate Stripe Tax in the dashboard, or switch it off for the account, then try again."

BY_CODE = {
    # the key and the account
    "api_key_expired": Meaning("setup", "Billing does not accept our key.", "credentials_refused", _KEY),
    "platform_api_key_expired": Meaning("setup", "Billing does not accept our key.", "credentials_refused", _KEY),
    "secret_key_required": Meaning("setup", "Billing does not accept our key.", "credentials_refused", _KEY),
    "livemode_mismatch": Meaning("setup", "Billing's test and live data are mixed up.", "wrong_mode", _KEY),
    "testmode_charges_only": Meaning("setup", "The billing account is for tests only.", "account_restricted", _ACCOUNT),
    "account_invalid": Meaning("setup", "The billing account cannot be used.", "account_restricted", _ACCOUNT),
    "platform_account_required": Meaning(
        "setup", "The billing account cannot be used.", "account_restricted", _ACCOUNT
    ),
    "not_allowed_on_standard_account": Meaning(
        "setup", "The billing account may not do this.", "account_restricted", _ACCOUNT
    ),
    "payment_method_unactivated": Meaning(
        "setup", "The billing account takes no such payments.", "capability_missing", _METHODS
    ),
    "invoice_no_payment_method_types": Meaning(
        "setup", "The billing account takes no payments that fit the invoice.", "capability_missing", _METHODS
    ),
    "stripe_tax_inactive": Meaning("setup", "The billing account does not reckon taxes.", "capability_missing", _TAX),
    "tls_version_unsupported": Meaning(
        "setup", "Billing does not accept our connection.", "not_allowed", "Have the integration team update Quoteway."
    ),
    # the customer's bank account, not ours
    "account_closed": Meaning("record", reason_code="payment_declined"),
    # passing
    "payment_method_not_available": Meaning("passing", "Billing cannot reach the customer's bank at the moment."),
    "rate_limit": Meaning("passing", "Billing's rate limit is used up."),
    "lock_timeout": Meaning("passing", "Billing is working on the same record."),
    "idempotency_key_in_use": Meaning("passing", "Billing is still working on the first request."),
    # our own spelling
    "parameter_unknown": Meaning("our_request"),
    "parameter_missing": Meaning("our_request"),
    "parameter_invalid_empty": Meaning("our_request"),
    "parameter_invalid_integer": Meaning("our_request"),
    "parameter_invalid_string_blank": Meaning("our_request"),
    "parameter_invalid_string_empty": Meaning("our_request"),
    "parameters_exclusive": Meaning("our_request"),
    "url_invalid": Meaning("our_request"),
}
BY_STATUS = {
    401: Meaning("setup", "Billing does not accept our key.", "credentials_refused", _KEY),
    402: Meaning("record", reason_code="payment_declined"),
    403: Meaning("setup", "Billing does not let us do this.", "credentials_refused", _KEY),
    409: Meaning("passing", "Billing is still working on the first request."),
    429: Meaning("passing", "Billing's rate limit is used up.", "rate_limit"),
}
BY_SENTENCE = {
    # 404 or 400 without a code, told apart by the beginning of Stripe's message.
    "Unrecognized request URL": Meaning(
        "setup", "Billing has no such operation.", "not_found_here", "Check the connection's url and api_version."
    ),
    "Invalid Stripe API version": Meaning(
        "setup",
        "Billing does not speak this version any more.",
        "api_version_retired",
        "Check the connection's api_version.",
    ),
    "Received unknown parameter": Meaning("our_request", reason_code="parameter_unknown"),
    "Missing required param": Meaning("our_request", reason_code="parameter_missing"),
}
# Messages about our own account, whatever the request was about, with status 400, 402 or 403.
OF_THE_ACCOUNT = (
    (
        re.compile(r"cannot currently make (?:live )?charges|requirements\.disabled_reason"),
        Meaning("setup", "The billing account may not charge at present.", "account_restricted", _ACCOUNT),
    ),
    (
        re.compile(
            r"[Aa]ccount (?:has been|has not been|is|is not) (?:yet )?(?:restricted|rejected|disabled|activated)"
        ),
        Meaning("setup", "The billing account may not be used at present.", "account_restricted", _ACCOUNT),
    ),
    (
        re.compile(r"of the following capabilities enabled|required capabilit|the active capabilit"),
        Meaning("setup", "The billing account lacks a capability.", "capability_missing", _ACCOUNT),
    ),
    (
        re.compile(r"provided types? (?:is|are) activated in your dashboard"),
        Meaning("setup", "The billing account takes no such payments.", "capability_missing", _METHODS),
    ),
)
# For an id of the other mode Stripe says that a similar object exists there, and that the key is of this one.
OTHER_MODE = "a similar object exists in"
ANYTHING_ELSE = Meaning("record")


def meaning_of(status: int, code: str, sentence: str) -> Meaning:
    """Return the meaning of a refusal of that status, code and message."""
    if OTHER_MODE in sentence:
        return BY_CODE["livemode_mismatch"]
    of_the_account = next((meaning for pattern, meaning in OF_THE_ACCOUNT if pattern.search(sentence)), None)
    if of_the_account is not None:
        return of_the_account
    by_sentence = next((found for begin, found in BY_SENTENCE.items() if sentence.startswith(begin)), None)
    return BY_CODE.get(code) or BY_STATUS.get(status) or by_sentence or ANYTHING_ELSE
