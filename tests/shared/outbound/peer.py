"""A peer that answers as it is told, on a real socket."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from shared.outbound.outbound_settings import OutboundSettings
from tests.patience import HANG_S

PATIENT = OutboundSettings(connect_timeout_s=HANG_S, answer_timeout_s=HANG_S)
# For a peer that says nothing: long enough for it to read what was sent, on a busy machine too.
QUICK = OutboundSettings(connect_timeout_s=HANG_S, answer_timeout_s=0.5)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Peer:
    """A server on a real socket that does as it is told, and counts the connections and requests it took.

    None stands for no answer at all.
    """

    def __init__(self, *answers: bytes | None) -> None:
        self.answers = list(answers)
        self.connections = 0
        self.requests: list[bytes] = []
        self._ending = asyncio.Event()
        self._open: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        """Its address, while it listens."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()
            self._ending.set()
            serving = list(self._open.values())
            for writer in self._open:
                writer.transport.abort()
            await asyncio.gather(*serving)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open[writer] = task
        self.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await self._answer(reader, writer)
        writer.transport.abort() if self._ending.is_set() else writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            self.requests.append(await reader.readuntil(b"\r\n\r\n"))
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            if answer is None:
                await self._ending.wait()
                return
            writer.write(answer)
            await writer.drain()
            if answer != OK:
                return
