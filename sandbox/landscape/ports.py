"""Ports on the loopback interface: the wanted one of each process, and those reserved until their process starts."""

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
    """Ports that are bound but not listened on, so that no other program gets one before its process starts."""

    _sockets: dict[str, socket.socket] = field(init=False, default_factory=dict)
    # Processes start in parallel, and must be told the same ports.
    _reserving: Lock = field(init=False, default_factory=Lock)

    def reserve(self, name: str) -> int:
        """Return the port reserved for a process; reserve a free one if there is none."""
        with self._reserving:
            if name not in self._sockets:
                reserved = self._sockets[name] = socket.socket()
                bind_free_port(reserved)
            port: int = self._sockets[name].getsockname()[1]
        return port

    def release(self, name: str) -> None:
        """Release the port reserved for a process, so that the process can bind it."""
        if name in self._sockets:
            self._sockets.pop(name).close()

    def release_all(self) -> None:
        """Release all ports."""
        while self._sockets:
            self._sockets.popitem()[1].close()
