"""A fault that keeps a quote from being ordered, as it is stored with an order and sent to a caller."""

from typing import Annotated

import msgspec
from msgspec import Meta


class ReadinessFault(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A fault to mend before a quote can be ordered.

    `code` is stable; `message` is a sentence for a seller. `line_id` and `field` name the place, if it is about a line;
    `system` is the system with the rule, if it is not Quoteway's own.
    """

    code: Annotated[str, Meta(examples=["quantity_not_whole"])]
    message: Annotated[str, Meta(examples=["Line 2 (MON-STD): 1.5 of it cannot be charged, billing counts units."])]
    line_id: str | None = None
    field: Annotated[str | None, Meta(examples=["quantity"])] = None
    system: Annotated[str | None, Meta(examples=["billing"])] = None
