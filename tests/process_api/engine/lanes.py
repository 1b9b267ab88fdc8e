"""Orders that wait for a connection."""

import asyncio
import uuid
from typing import Any

import msgspec

from shared.canonical import Account
from tests.patience import HANG_S
from tests.process_api.conftest import Process
from tests.process_api.system_stand_in import mixed_quote


async def submitted(process: Process, legal_entity: str, count: int) -> list[str]:
    """Orders of that legal entity, each of a customer of its own."""
    order_ids = []
    for _ in range(count):
        account_id = f"001{uuid.uuid4().hex[:15]}"
        assert process.system.account is not None
        account: Account = msgspec.structs.replace(
            process.system.account, account_id=account_id, legal_entity=legal_entity
        )
        quote = msgspec.structs.replace(mixed_quote(), account_id=account_id, legal_entity=legal_entity)
        process.system.more_accounts.append(account)
        process.system.more_quotes.append(quote)
        answer = await process.submit(quoteId=quote.quote_id)
        assert answer.status_code == 202, answer.text
        order_ids.append(answer.json()["orderId"])
    return order_ids


async def all_ended(process: Process, order_ids: list[str], timeout_s: float = HANG_S) -> list[dict[str, Any]]:
    return list(await asyncio.gather(*(process.ended(order_id, timeout_s) for order_id in order_ids)))
