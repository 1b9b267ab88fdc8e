"""Orders that are submitted and come to an end."""

from typing import Any

from tests.process_api.conftest import Process


async def submit_and_end(process: Process, **body: Any) -> dict[str, Any]:
    answer = await process.submit(**body)
    assert answer.status_code == 202, answer.text
    order = await process.ended(answer.json()["orderId"])
    await process.idle()
    return order
