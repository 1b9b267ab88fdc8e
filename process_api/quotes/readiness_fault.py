"""What keeps a quote from being ordered, one thing of it, as it is kept with an order and told to a caller."""

from typing import Annotated

import msgspec
from msgspec import Meta


class ReadinessFault(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One thing that has to be mended before a quote can be ordered.

    `code` is stable; `message` is a sentence for a seller. `line_id` names the line and `field` what is wrong with it,
    where it is about one; `system` is whose rule it is, where it is not Quoteway's own.
    """

    code: Annotated[str, Meta(examples=["quantity_not_whole"])]
    message: Annotated[str, Meta(examples=["Line 2 (MON-STD): 1.5 of it cannot be charged, billing counts units."])]
    line_id: str | None = None
    field: Annotated[str | None, Meta(examples=["quantity"])] = None
    system: Annotated[str | None, Meta(examples=["billing"])] = None
