"""A peer that answers at once: asks the real one for each address the first time, and remembers its answer.

So a benchmark of the way through the tiers does not measure the sandbox's vendors. REPLAY_TARGET names the real one.
A caller that has no credentials of the vendor's (the naive peer) gets what somebody else was answered at that path.
"""

import os

import httpx

TARGET = os.environ["REPLAY_TARGET"]
_KEPT = {"content-type", "sforce-limit-info"}
_known: dict[tuple[str, bytes, bytes], tuple[int, list[tuple[bytes, bytes]], bytes]] = {}
_client = httpx.AsyncClient(timeout=30)


async def app(scope, receive, send):
    """The ASGI application."""
    if scope["type"] != "http":
        return
    body = b""
    while (message := await receive()).get("more_body"):
        body += message["body"]
    body += message.get("body", b"")
    target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
    key = (scope["method"], target, body)
    if (b"authorization", b"Bearer vendor") in scope["headers"]:
        key = next(known for known in _known if known[1].partition(b"?")[0] == scope["raw_path"])
    if key not in _known:
        headers = [(name, value) for name, value in scope["headers"] if name not in {b"host", b"content-length"}]
        real = await _client.request(scope["method"], TARGET + target.decode(), headers=headers, content=body)
        kept = [(name.encode(), value.encode()) for name, value in real.headers.items() if name.lower() in _KEPT]
        _known[key] = (real.status_code, [*kept, (b"content-length", str(len(real.content)).encode())], real.content)
    status, headers, content = _known[key]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
