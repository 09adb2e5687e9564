"""A TCP proxy between a client and a server that loses what a network loses. It changes no byte it lets pass.

with Proxy(port) as proxy:
    proxy.swallow(2)                      # the next two answers never arrive; their requests did
    proxy.reset_share = 0.05              # each further piece of traffic resets its connection, one in twenty
    proxy.delay_s = 0.2                   # every piece waits
    proxy.cut_after = 100                 # an answer ends after so many bytes, and the connection with it
    proxy.blackhole = True                # nothing passes, nothing is closed
"""

import asyncio
import contextlib
import random
import socket
import struct
import threading
from types import TracebackType

from tests.servers import free_port


class Proxy:
    """Listens on ``port`` of the loopback and forwards to ``to``. Its knobs can be turned while it runs."""

    def __init__(self, to: int, seed: int = 1) -> None:
        self.to = to
        self.port = free_port()
        self.reset_share = 0.0
        self.delay_s = 0.0
        self.cut_after: int | None = None
        self.blackhole = False
        self.resets = 0
        self.swallowed = 0
        self._to_swallow = 0
        self._match = b""
        self._chance = random.Random(seed)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)
        self._ready = threading.Event()

    def swallow(self, answers: int, match: bytes = b"") -> None:
        """Let the next so many requests through and reset their connections when the server answers. Only requests
        whose first piece begins with ``match`` (like ``PUT``) count."""
        self._match = match
        self._to_swallow = answers

    def __enter__(self) -> "Proxy":
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", self.port))
        self._ready.set()
        self._loop.run_forever()
        server.close()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.to)
        except OSError:
            _reset(writer)
            return
        connection = _Connection(writer)
        try:
            await asyncio.gather(
                self._pump(reader, back, connection, asked=True), self._pump(there, writer, connection, asked=False)
            )
        except (OSError, asyncio.CancelledError):
            pass  # broken on purpose, or the test is over
        finally:
            for each in (writer, back):
                with contextlib.suppress(OSError, RuntimeError):
                    each.close()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: "_Connection", *, asked: bool
    ) -> None:
        sent = 0
        while piece := await reader.read(1 << 16):
            while self.blackhole:
                await asyncio.sleep(0.02)
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            if asked and piece.startswith((b"GET ", b"HEAD ", b"PUT ", b"POST ", b"DELETE ")):
                connection.request, sent = piece, 0
            if not asked and self._swallows(connection.request):
                self._drop(connection)
            if self.reset_share and self._chance.random() < self.reset_share:
                self._drop(connection)
            if not asked and self.cut_after is not None and sent + len(piece) > self.cut_after:
                writer.write(piece[: self.cut_after - sent])
                await writer.drain()
                raise ConnectionResetError
            writer.write(piece)
            await writer.drain()
            sent += len(piece)
        raise ConnectionResetError

    def _swallows(self, request: bytes) -> bool:
        if self._to_swallow and request.startswith(self._match):
            self._to_swallow -= 1
            self.swallowed += 1
            return True
        return False

    def _drop(self, connection: "_Connection") -> None:
        self.resets += 1
        _reset(connection.client)
        raise ConnectionResetError


class _Connection:
    """One connection of a client, and the beginning of what it asked last."""

    def __init__(self, client: asyncio.StreamWriter) -> None:
        self.client = client
        self.request = b""


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST, as a network that breaks, not with FIN."""
    found = writer.get_extra_info("socket")
    if found is not None:
        with contextlib.suppress(OSError):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
