"""Faults on purpose: the rules of the fault proxy, and the harness that counts what got lost or doubled under them."""
