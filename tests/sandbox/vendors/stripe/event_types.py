"""What a Stripe account's events were."""

from __future__ import annotations

import stripe


def types_of(client: stripe.StripeClient, *object_ids: str) -> list[str]:
    """The types of the events about some objects, oldest first."""
    events = client.v1.events.list({"limit": 100}).data
    return [event.type for event in reversed(events) if event.data.object.to_dict().get("id") in object_ids]
