"""What the operations on an account share: how it is named, and for how long an answer is kept."""

from typing import Annotated

from litestar.params import PathParameter

from shared.canonical.wire import END
from shared.operations.cache_policy import CachePolicy

# With what the process tier keeps before it, no answer is older than half a minute.
ACCOUNT_CACHE = CachePolicy(fresh_s=10, stale_s=10, tags=("account:{accountId}",))
AccountIdParameter = Annotated[
    str,
    PathParameter(
        name="accountId",
        pattern=r"^[A-Za-z0-9]{15,18}" + END,
        description="The account's Salesforce id, 15 or 18 characters.",
    ),
]
