"""Version 2: only what changed; everything else stays where it is."""

from experience_api.v2.accounts import get_account_overview
from shared.operations.versions import Version

V2 = Version(handlers=(get_account_overview,), number="2.0.0")
