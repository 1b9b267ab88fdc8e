"""Billing credits: granted ahead, and used up by what metered prices charge."""
