"""Fault injection: the rules of the fault proxy, and the harness that counts lost and duplicated records."""
