"""How long an outgoing request waits, and how many go at once."""

from dataclasses import dataclass


@dataclass(frozen=True)
class OutboundSettings:
    """How long to wait, in seconds, and how many connections to hold."""

    connect_timeout_s: float = 3.0
    answer_timeout_s: float = 15.0
    connections_max: int = 100
    read_attempts_max: int = 3
