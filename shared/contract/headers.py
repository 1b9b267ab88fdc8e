"""The response headers of single operations, as the contract describes them."""

from litestar.datastructures import ResponseHeader

STATUS_ADDRESS = ResponseHeader(
    name="Location", documentation_only=True, required=True, description="Where to ask for the record's status."
)
ASK_AGAIN_AFTER = ResponseHeader(
    name="Retry-After", documentation_only=True, description="Whole seconds after which its status is worth asking for."
)
VERSION_TAG = ResponseHeader(
    name="ETag", documentation_only=True, required=True, description="The record's version (RFC 9110)."
)
