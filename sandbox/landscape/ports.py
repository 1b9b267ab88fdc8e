"""Ports of the loopback interface: which process listens on which, and those that are held for one until it starts."""

import socket
from dataclasses import dataclass, field
from threading import Lock

from sandbox.processes.ports import bind_free_port


@dataclass(frozen=True)
class Ports:
    """The ports to listen on; 0 takes a free one."""

    experience: int = 0
    process: int = 0
    system: int = 0
    issuer: int = 0
    salesforce: int = 0
    stripe: int = 0
    tryton: int = 0
    postgres: int = 0
    redis: int = 0


@dataclass
class ReservedPorts:
    """Bound and not listened on, so that no other program is given a port before the process that it is for starts."""

    _sockets: dict[str, socket.socket] = field(init=False, default_factory=dict)
    # Processes are started beside each other, and must be told the same of each.
    _reserving: Lock = field(init=False, default_factory=Lock)

    def reserve(self, name: str) -> int:
        """The port that is held for a process, a free one where none is yet."""
        with self._reserving:
            if name not in self._sockets:
                reserved = self._sockets[name] = socket.socket()
                bind_free_port(reserved)
            port: int = self._sockets[name].getsockname()[1]
        return port

    def release(self, name: str) -> None:
        """Let the process have its port, where one is held for it."""
        if name in self._sockets:
            self._sockets.pop(name).close()

    def release_all(self) -> None:
        """Hold none any more."""
        while self._sockets:
            self._sockets.popitem()[1].close()
