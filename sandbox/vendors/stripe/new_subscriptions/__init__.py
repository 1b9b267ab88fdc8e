"""How a subscription begins: its record, its first periods, and what its first invoice charges."""
