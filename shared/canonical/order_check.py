"""What a system is asked about an order before anything of it is written, and what it would refuse."""

from typing import Annotated

import msgspec
from msgspec import Meta

from shared.canonical.account import CustomerDraft
from shared.canonical.wire import Canonical, LongText, RecordId, ShortText


class OrderCheck(Canonical, frozen=True, kw_only=True):
    """An order as far as a system may refuse it for what it says: whose it is, and which texts go with it."""

    customer: CustomerDraft
    purchase_order_number: ShortText | None = None


class OrderFault(Canonical, frozen=True, kw_only=True):
    """One thing that the system would refuse, in a seller's words. `field` is of the account or the quote."""

    code: Annotated[ShortText, Meta(examples=["tax_id_impossible"])]
    message: LongText
    field: Annotated[ShortText, Meta(examples=["vatId"])]
    line_id: RecordId | None = None


class OrderFindings(Canonical, frozen=True, kw_only=True):
    """What the system would refuse, all at once. `notes` are sentences about what it will not keep as it was stated."""

    faults: Annotated[list[OrderFault], Meta(max_length=600)] = msgspec.field(default_factory=list)
    notes: Annotated[list[LongText], Meta(max_length=20)] = msgspec.field(default_factory=list)
