"""The proxy loses what it is told to lose, and nothing else."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.proxy import Proxy

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


@pytest.fixture
def heard() -> Iterator[tuple[int, list[bytes]]]:
    """A server that answers every piece it hears, its port, and what it heard."""
    pieces: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

        def answer(connection: socket.socket) -> None:
            with connection:
                try:
                    while piece := connection.recv(1 << 16):
                        pieces.append(piece)
                        connection.sendall(ANSWER)
                except OSError:
                    return

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1], pieces
        server.shutdown(socket.SHUT_RDWR)


def ask(port: int, verb: bytes = b"GET", patience_s: float = 5) -> bytes:
    with socket.create_connection(("127.0.0.1", port), patience_s) as connection:
        connection.sendall(verb + b" / HTTP/1.1\r\n\r\n")
        answer = b""
        while len(answer) < len(ANSWER) and (piece := connection.recv(1 << 16)):
            answer += piece
        return answer


def test_it_loses_what_it_is_told_to_and_nothing_else(heard: tuple[int, list[bytes]]) -> None:
    port, pieces = heard
    with Proxy(port) as proxy:
        assert ask(proxy.port) == ANSWER
        proxy.swallow(1, match=b"PUT ")
        assert ask(proxy.port) == ANSWER
        with pytest.raises(ConnectionResetError):
            ask(proxy.port, b"PUT")
        assert ask(proxy.port, b"PUT") == ANSWER
        assert [piece[:3] for piece in pieces] == [b"GET", b"GET", b"PUT", b"PUT"]
        proxy.reset_share = 1
        with pytest.raises(ConnectionResetError):
            ask(proxy.port)
        assert len(pieces) == 4 and proxy.resets == 2
        proxy.reset_share = 0
        proxy.cut_after = 7
        assert ask(proxy.port) == ANSWER[:7]
        proxy.cut_after = None
        proxy.delay_s = 0.1
        began = time.monotonic()
        assert ask(proxy.port) == ANSWER and time.monotonic() - began >= 0.2
        proxy.delay_s = 0
        proxy.blackhole = True
        with pytest.raises(TimeoutError):
            ask(proxy.port, patience_s=0.3)


def test_a_server_that_is_down_resets_and_one_that_is_back_answers(heard: tuple[int, list[bytes]]) -> None:
    port, _ = heard
    with Proxy(1) as proxy:
        with pytest.raises(OSError):
            ask(proxy.port)
        proxy.to = port
        assert ask(proxy.port) == ANSWER
