"""What the statuses of a subscription mean."""

# There is no way back from these.
ENDED = frozenset({"canceled", "incomplete_expired"})
