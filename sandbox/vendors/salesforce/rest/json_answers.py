"""JSON as the REST API prints it: decimals as exact numbers, and the media type its clients expect."""

from collections.abc import Mapping

import msgspec
from starlette.responses import Response

_ENCODER = msgspec.json.Encoder(decimal_format="number")


def json_response(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    body = _ENCODER.encode(content)
    return Response(body, status_code=status, headers=headers, media_type="application/json;charset=UTF-8")
