"""Hops, vendors and tests send their requests one way (docs/decisions/0105)."""

import httpx
import pytest

from shared.limits.vendor_quota import Limits, QuotaTransport, VendorQuota
from shared.outbound.http_client import OutboundClient
from shared.outbound.network import Network
from tests.shared.outbound.peer import OK, PATIENT, Peer


@pytest.mark.parametrize("behind_a_quota", [True, False])
async def test_hops_and_vendors_go_one_way_which_is_not_httpxs_client(
    monkeypatch: pytest.MonkeyPatch, *, behind_a_quota: bool
) -> None:
    async def unasked(*_: object, **__: object) -> httpx.Response:
        raise AssertionError("httpx's client was asked")

    monkeypatch.setattr(httpx.AsyncClient, "send", unasked)
    quota = VendorQuota("nordwind/billing/NW-DE", "Stripe", Limits(8, None, 1.0), None)
    peer = Peer(OK)
    async with peer.listening() as url:
        transport = QuotaTransport(Network(PATIENT), quota) if behind_a_quota else None
        client = OutboundClient("peer", f"{url}/base", transport=transport, settings=PATIENT)
        answer = await client.send("GET", "/orders", params={"q": "a b"})
        await client.close()

    assert answer.content == b"ok"
    assert peer.requests[0].startswith(b"GET /base/orders?q=a+b HTTP/1.1\r\n")


async def test_what_stands_in_the_networks_place_is_asked_as_the_network_is() -> None:
    asked: list[httpx.URL] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url)
        return httpx.Response(200)

    client = OutboundClient("peer", "http://peer.test/base", transport=httpx.MockTransport(answer))
    await client.send("GET", "/orders", params={"q": "a b"})
    await client.close()

    assert [str(url) for url in asked] == ["http://peer.test/base/orders?q=a+b"]
