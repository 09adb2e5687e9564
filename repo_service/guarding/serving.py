"""The guard's door: a unix socket that answers users by their number, and the process behind it."""

import logging
import os
import socket
import socketserver
import struct
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Final

from repo_service.guarding import protocol
from repo_service.guarding.guard import Guard
from repo_service.guarding.protocol import BadFrame
from repo_service.guarding.settings import BadGuard

logger: Final = logging.getLogger(__name__)
MOST_CONNECTIONS: Final = 32
_PEER: Final = struct.Struct("3i")  # pid, uid, gid


class Server(socketserver.ThreadingUnixStreamServer):
    """Answers at a path for as long as ``serve`` runs. A socket that nobody answers at is replaced."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, path: Path, guard: Guard, uids: Collection[int]) -> None:
        self.guard = guard
        self._path, self._uids = path, frozenset(uids)
        self._connections: set[socket.socket] = set()
        _make_way(path)
        before = os.umask(0o117)
        try:
            super().__init__(str(path), _Connection)
        finally:
            os.umask(before)

    def verify_request(self, request: object, client_address: object) -> bool:
        """Whether the user whose process asks may, and there are not too many at once (see ``socketserver``)."""
        del client_address
        assert isinstance(request, socket.socket)
        uid = _PEER.unpack(request.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))[1]
        if uid not in self._uids:
            logger.warning("uid %d asked, which guard.toml does not name", uid)
            return False
        if len(self._connections) >= MOST_CONNECTIONS:
            return False
        self._connections.add(request)
        return True

    def left(self, connection: socket.socket) -> None:
        """A connection has ended."""
        self._connections.discard(connection)

    def begin(self) -> Thread:
        """Serve in a thread, until ``end``."""
        thread = Thread(target=self.serve_forever, kwargs={"poll_interval": 0.1}, name="guard", daemon=True)
        thread.start()
        return thread

    def end(self) -> None:
        """Take no more questions; what is being answered is."""
        self.shutdown()
        self.server_close()
        for connection in tuple(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RD)
        with suppress(FileNotFoundError):
            self._path.unlink()


class _Connection(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        try:
            while (parts := protocol.receive(self.request)) is not None:
                self.request.sendall(server.guard.answer(parts))
        except BadFrame as error:
            logger.warning("what was asked cannot be read: %s", error)
        except OSError:
            pass  # whoever asked is gone; what was signed for them is remembered
        finally:
            server.left(self.request)


def _make_way(path: Path) -> None:
    if not path.exists():
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            path.unlink()
            return
    raise BadGuard(f"another guard answers at {path}. Stop it first; two must not hold one key")
