"""Finds free ports for servers, below those that the kernel gives to outgoing connections."""

import errno
import random
import socket

LOOPBACK = "127.0.0.1"
# Linux gives outgoing connections ports from 32768 on (net.ipv4.ip_local_port_range). A server that restarts on such a
# port would now and then find a client's connection there.
_PORTS = range(15_000, 32_768)
_ATTEMPTS_MAX = 200
_choice = random.SystemRandom()


def bind_free_port(listener: socket.socket, host: str = LOOPBACK) -> int:
    """Bind the socket to a free port and return the port. Raises OSError if none is free or the host is not local."""
    for port in _choice.sample(_PORTS, _ATTEMPTS_MAX):
        try:
            listener.bind((host, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            return port
    raise OSError(errno.EADDRINUSE, f"None of {_ATTEMPTS_MAX} ports tried on {host} is free")


def free_port() -> int:
    """Return a TCP port that nobody listens on now. Another program may take it: bind soon, and be ready to retry."""
    with socket.socket() as probe:
        return bind_free_port(probe)
