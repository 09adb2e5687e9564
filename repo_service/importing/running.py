"""An import from its source to the journal: some projects at a time, decided by several processes, written by one."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final, Protocol

from repo_service.importing.entries import Entry, Problem
from repo_service.importing.preparing import Counted, Prepared, prepare
from repo_service.importing.recording import record
from repo_service.storage.journal import Journal
from repo_service.storage.tables import open_engine

CHUNK: Final = 100
"""Projects that are written in one transaction: about 600 releases, some tens of milliseconds."""
CHUNK_BYTES: Final = 1 << 20
"""As lines, they are at most about this long, so that one large project is alone."""


class Told(Protocol):
    """What wants to know how an import goes."""

    def recorded(self, entries: int, counted: Counted) -> None:
        """So many more entries are durable, or were before."""

    def left_out(self, problem: Problem) -> None:
        """This is not taken."""


@dataclass(frozen=True, slots=True)
class Run:
    """Where an import writes, by which clock, and in how many processes it reads and decides (0: in this one)."""

    journal: Journal
    database: str
    clock: Callable[[], datetime]
    processes: int


def run(its: Run, source: Iterable[Entry | Problem], told: Told) -> None:
    """Take everything that the source gives. Killed anywhere, run again: what was recorded is passed over.

    Raises Halted, ClockWentBack or what the source raises; what was recorded before stays.
    """
    with ExitStack() as stack:
        prepared = _decide_here(its) if not its.processes else _decide_elsewhere(its, stack)
        for entries, found in prepared(_chunks(source, told)):
            done = record(its.journal, entries, found, its.clock())
            for problem in done.problems:
                told.left_out(problem)
            told.recorded(len(entries), done.counted)


_Deciding = Callable[[Iterable[Sequence[Entry]]], Iterator[tuple[Sequence[Entry], Prepared]]]


def _decide_here(its: Run) -> _Deciding:
    def decided(chunks: Iterable[Sequence[Entry]]) -> Iterator[tuple[Sequence[Entry], Prepared]]:
        for entries in chunks:
            with its.journal.reading() as view:
                found = prepare(view, entries, its.clock())
            yield entries, found

    return decided


def _decide_elsewhere(its: Run, stack: ExitStack) -> _Deciding:
    """A few chunks ahead of the writing, and no more: memory stays as it is however long the import is."""
    pool = ProcessPoolExecutor(
        its.processes, multiprocessing.get_context("spawn"), initializer=_open, initargs=(its.database,)
    )
    stack.callback(partial(pool.shutdown, cancel_futures=True))

    def decided(chunks: Iterable[Sequence[Entry]]) -> Iterator[tuple[Sequence[Entry], Prepared]]:
        ahead: deque[tuple[Sequence[Entry], Future[Prepared]]] = deque()
        for entries in chunks:
            ahead.append((entries, pool.submit(_prepared, entries, its.clock())))
            if len(ahead) > 2 * its.processes:
                yield _result(ahead)
        while ahead:
            yield _result(ahead)

    return decided


def _result(ahead: deque[tuple[Sequence[Entry], Future[Prepared]]]) -> tuple[Sequence[Entry], Prepared]:
    entries, future = ahead.popleft()
    return entries, future.result()


def _chunks(source: Iterable[Entry | Problem], told: Told) -> Iterator[list[Entry]]:
    chunk: list[Entry] = []
    size = 0
    for each in source:
        if isinstance(each, Problem):
            told.left_out(each)
            continue
        chunk.append(each)
        size += len(each.said) if isinstance(each.said, bytes) else sum(len(r.files) << 8 for r in each.said.releases)
        if len(chunk) == CHUNK or size > CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


_here: list[Journal] = []
"""The journal that a process of the pool reads."""


def _open(database: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is for the process that writes
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _here.append(Journal(open_engine(database)))


def _end_with_parent() -> None:
    """Killed, a pool's owner leaves its processes waiting for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "a process of the pool"
    parent.join()
    os._exit(1)


def _prepared(entries: Sequence[Entry], now: datetime) -> Prepared:
    with _here[0].reading() as view:
        return prepare(view, entries, now)
