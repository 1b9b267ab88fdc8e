"""On whose behalf a request is made, from the tier where the user comes in to the tiers behind it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ActingUser:
    """The Salesforce user for whom a request is made; `scope["state"]["acting_user"]`, None where a service asks.

    `user_id` has 18 characters (005…). `txn` names the transaction in every tier's records. `client_id` is the
    application through which the user came in.
    """

    user_id: str
    tenant: str
    txn: str
    client_id: str
