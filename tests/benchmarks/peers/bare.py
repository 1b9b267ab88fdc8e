"""Bare Litestar: one route, a kilobyte of JSON, no policy at all."""

from litestar import Litestar, get

BODY = {"orders": [{"orderId": f"ord_{number:032x}", "status": "booked", "total": "1859.00"} for number in range(12)]}


@get("/v1/orders/{order_id:str}")
async def get_order(order_id: str) -> dict[str, list[dict[str, str]]]:
    """A kilobyte."""
    return BODY


app = Litestar([get_order], logging_config=None)
