"""A load generator that hardly costs anything: requests that are bytes already, sockets that stay open, one thread.

It runs as a process of its own, because it shares two cores with the server, and tells what it cost itself. Orders come
pickled on stdin, an ``Order``; what became of them goes to stdout, an ``Outcome``. Only ``sent`` uses this way.

``at`` says for each request when it is due, in seconds from the beginning, whoever is waiting for an answer then
(open loop): its time counts from that moment, not from when a connection was free. Without ``at`` each of
``connections`` sends its next request when it has its answer (closed loop).
"""

import pickle
import selectors
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_LIMIT_S: Final = 60


@dataclass(frozen=True, slots=True)
class Order:
    """Requests for a server on this machine: whole, as bytes."""

    port: int
    requests: Sequence[bytes]
    connections: int
    at: Sequence[float] | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """Seconds that each answered request took, in the order of the answers; how many answers had which status, how
    many said that the change is signed and visible; and what it all took.
    """

    took_s: Sequence[float]
    statuses: dict[int, int]
    signed: int
    wall_s: float
    cpu_s: float
    wrong: str = ""
    """The first answer that was not a receipt."""


def sent(order: Order) -> Outcome:
    """Carry an order out in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load"], input=pickle.dumps(order), stdout=subprocess.PIPE, check=True
    )
    outcome: Outcome = pickle.loads(done.stdout)
    return outcome


class _Line:
    """One open connection, with the request it waits for."""

    __slots__ = ("buffer", "due", "socket")

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=_LIMIT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.due = 0.0

    def send(self, request: bytes, due: float) -> None:
        self.buffer, self.due = b"", due
        self.socket.sendall(request)

    def answer(self) -> tuple[int, bytes] | None:
        """Status and body, once the answer is whole."""
        chunk = self.socket.recv(1 << 20)
        if not chunk:
            raise ConnectionError(f"the server hung up after {self.buffer[:200]!r}")
        self.buffer += chunk
        head, found, body = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return None
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        return (int(head[9:12]), body) if len(body) >= int(length) else None


def carried_out(order: Order) -> Outcome:
    """Send everything, wait for every answer."""
    waiting, idle = selectors.DefaultSelector(), [_Line(order.port) for _ in range(order.connections)]
    requests = deque(enumerate(order.requests))
    took: list[float] = []
    statuses: dict[int, int] = {}
    signed, busy, wrong = 0, 0, ""
    cpu, began = time.process_time(), time.perf_counter()
    while requests or busy:
        now = time.perf_counter() - began
        while requests and idle and (order.at is None or order.at[requests[0][0]] <= now):
            number, request = requests.popleft()
            line = idle.pop()
            line.send(request, now if order.at is None else order.at[number])
            waiting.register(line.socket, selectors.EVENT_READ, line)
            busy += 1
        pause = None if order.at is None or not requests else max(order.at[requests[0][0]] - now, 0) if idle else None
        for key, _ in waiting.select(pause):
            line = key.data
            if (answer := line.answer()) is None:
                continue
            took.append(time.perf_counter() - began - line.due)
            statuses[answer[0]] = statuses.get(answer[0], 0) + 1
            signed += answer[1].count(b'"status":"signed"')
            if answer[0] not in (200, 202):
                wrong = wrong or answer[1].decode(errors="replace")[:600]
            waiting.unregister(line.socket)
            idle.append(line)
            busy -= 1
    wall = time.perf_counter() - began
    return Outcome(took, statuses, signed, wall, time.process_time() - cpu, wrong)


if __name__ == "__main__":
    # What is pickled must have the name of the module that the asker knows, not __main__.
    from benchmarks import load

    sys.stdout.buffer.write(pickle.dumps(load.carried_out(pickle.load(sys.stdin.buffer))))
