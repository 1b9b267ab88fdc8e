"""Stripe's error object and the ways in which it is raised.

Source: Stripe's API reference, "Errors", and its list of error codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_DOCUMENTED_CODES = frozenset(
    {
        "amount_too_large", "amount_too_small", "authentication_required", "balance_insufficient", "card_declined",
        "charge_already_refunded", "charge_disputed", "coupon_expired", "email_invalid", "expired_card",
        "idempotency_key_in_use", "incorrect_number", "invalid_charge_amount", "invoice_no_subscription_line_items",
        "invoice_not_editable", "invoice_upcoming_none", "lock_timeout", "lookup_key_in_use",
        "parameter_invalid_empty", "parameter_invalid_integer", "parameter_missing", "parameter_unknown",
        "payment_intent_unexpected_state", "processing_error", "rate_limit", "resource_already_exists",
        "resource_missing", "tax_id_invalid", "url_invalid",
    }
)  # fmt: skip
# An infrastructure answer: it comes from in front of the layer that keeps answers for idempotency keys.
_NEVER_KEPT = frozenset({401, 404, 409, 429, 502, 503, 504})


class StripeError(Exception):
    """An answer that is not 2xx.

    `state_kept` marks the one kind of refusal that is itself a fact worth keeping: a payment attempt that was declined.
    Every other error leaves no trace in the account.
    """

    def __init__(
        self,
        status: int,
        type_: str,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        extra: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        state_kept: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.type = type_
        self.message = message
        self.code = code
        self.param = param
        self.extra = dict(extra or {})
        self.headers = dict(headers or {})
        self.state_kept = state_kept

    @property
    def answer_kept(self) -> bool:
        """Whether an idempotency key remembers this answer.

        Stripe keeps whatever an endpoint answered once it began to execute, and nothing when the parameters did not
        pass validation or a limiter turned the request away. An error that points at a parameter is validation.
        """
        return self.status not in _NEVER_KEPT and self.param is None and self.type != "idempotency_error"

    def body(self) -> dict[str, Any]:
        """Return the JSON body that Stripe sends."""
        error: dict[str, Any] = {"message": self.message, "type": self.type}
        if self.code is not None:
            error["code"] = self.code
            if self.code in _DOCUMENTED_CODES:
                error["doc_url"] = f"https://docs.stripe.com/error-codes/{self.code.replace('_', '-')}"
        if self.param is not None:
            error["param"] = self.param
        return {"error": error | self.extra}


def invalid(message: str, *, code: str | None = None, param: str | None = None, status: int = 400) -> StripeError:
    """`invalid_request_error`: the request is at fault."""
    return StripeError(status, "invalid_request_error", message, code=code, param=param)


def no_such(noun: str, object_id: str, *, param: str = "id", status: int = 400) -> StripeError:
    """`resource_missing`: 404 when the id stands in the URL, 400 when it stands in a parameter."""
    return invalid(f"No such {noun}: '{object_id}'", code="resource_missing", param=param, status=status)


def unauthorized(message: str) -> StripeError:
    """401: no key or a wrong one."""
    return StripeError(401, "invalid_request_error", message, headers={"WWW-Authenticate": 'Basic realm="Stripe"'})


def rate_limited(reason: str) -> StripeError:
    """429 from a limiter; `reason` is the value of `Stripe-Rate-Limited-Reason`. Stripe sends no Retry-After."""
    return StripeError(
        429,
        "invalid_request_error",
        "Request rate limit exceeded. Learn more about rate limits here https://docs.stripe.com/rate-limits.",
        code="rate_limit",
        headers={"Stripe-Rate-Limited-Reason": reason, "Stripe-Should-Retry": "false"},
    )


def lock_timeout() -> StripeError:
    """429: another request holds the object."""
    return StripeError(
        429,
        "invalid_request_error",
        "This object cannot be accessed right now because another API request or Stripe process is currently accessing "
        "it. If you see this error intermittently, retry the request. If you see this error frequently and are making "
        "multiple concurrent requests to a single object, make your requests serially or at a lower rate.",
        code="lock_timeout",
        headers={"Stripe-Should-Retry": "true"},
    )


def unexpected() -> StripeError:
    """500: a defect of the sandbox itself; its trace is on stderr."""
    return StripeError(500, "api_error", "An unknown error occurred in the sandbox; its log has the trace.")
