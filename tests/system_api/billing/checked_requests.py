"""Checks every request of the Stripe adapter in these tests with the official SDK's parameter types."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

import pytest

from shared.outbound.http_client import OutboundClient, Response
from system_api.billing.stripe.api import VENDOR
from tests.sandbox.vendors.stripe.sdk_types import check_request


@pytest.fixture(autouse=True)
def checked_requests(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The requests sent, as `POST /v1/customers`; the test fails at its end where the SDK knows one of them not."""
    sent: list[str] = []
    complaints: list[str] = []
    send = OutboundClient.send

    async def checked(
        self: OutboundClient,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        content: bytes | None = None,
        **others: Any,
    ) -> Response:
        if self.peer == VENDOR:
            sent.append(f"{method} {path}")
            url = f"{path}?{urlencode(params)}" if params else path
            complaints.extend(f"{method} {path}: {each}" for each in check_request(method, url, content or b""))
        return await send(self, method, path, params=params, content=content, **others)

    monkeypatch.setattr(OutboundClient, "send", checked)
    yield sent
    assert not complaints, complaints
