"""Usage-based billing: meters, the events they count, and what metered prices charge for them."""
