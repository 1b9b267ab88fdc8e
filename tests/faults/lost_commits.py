"""A way to PostgreSQL on which the answer to a COMMIT can be lost: the server commits, and nobody is told."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

# A simple query of the wire protocol: its type, its length, its text. (PostgreSQL, "Message Formats", Query.)
_COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"


@dataclass
class LostCommits:
    """How likely a COMMIT's answer is lost, at most `times` times (None: always), and how often it was.

    `of`: only of transactions in which these bytes were sent.
    """

    host: str
    port: int
    chance: random.Random
    probability: float = 0.0
    times: int | None = None
    of: bytes = b""
    lost: int = 0
    url: str = ""
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    def lose(self, probability: float = 1.0, times: int | None = None, of: bytes = b"") -> None:
        """From now on."""
        self.probability, self.times, self.of = probability, times, of

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: what the program sends, and what the server answers until an answer is lost."""
        self._open.add(writer)
        try:
            with suppress(ConnectionError):  # also where the server is away
                await self._serve(reader, writer)
        finally:
            writer.close()
            self._open.discard(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection(self.host, self.port)
        losing = asyncio.Event()
        answers = asyncio.create_task(self._answer(up_reader, writer, losing))
        try:
            await self._pass_on(reader, up_writer, losing)
        finally:
            up_writer.close()
            writer.close()
            await answers

    async def close(self) -> None:
        """Break what is open."""
        while self._open:
            for writer in self._open:
                writer.close()
            await asyncio.sleep(0.01)

    async def _pass_on(
        self, reader: asyncio.StreamReader, up_writer: asyncio.StreamWriter, losing: asyncio.Event
    ) -> None:
        transaction = b""
        while sent := await reader.read(65_536):
            transaction += sent
            if _COMMIT in sent:
                if self._is_to_be_lost(transaction):
                    losing.set()
                transaction = b""
            up_writer.write(sent)
            await up_writer.drain()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, losing: asyncio.Event) -> None:
        with suppress(ConnectionError):
            while answered := await reader.read(65_536):
                if losing.is_set():
                    break
                writer.write(answered)
                await writer.drain()
        writer.close()

    def _is_to_be_lost(self, transaction: bytes) -> bool:
        if self.times == 0 or self.of not in transaction or self.chance.random() >= self.probability:
            return False
        self.times = None if self.times is None else self.times - 1
        self.lost += 1
        return True


@asynccontextmanager
async def losing_commits(database_url: str, seed: int) -> AsyncIterator[LostCommits]:
    """A way to that database; `url` is the address that leads over it."""
    parts = urlsplit(database_url)
    way = LostCommits(str(parts.hostname), int(parts.port or 5432), random.Random(seed))  # noqa: S311 no secret
    server = await asyncio.start_server(way.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    credentials = parts.netloc.rpartition("@")[0]
    way.url = urlunsplit(parts._replace(netloc=f"{credentials}@127.0.0.1:{port}"))
    try:
        yield way
    finally:
        server.close()
        await way.close()
