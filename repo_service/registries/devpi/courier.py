"""What waits for one service goes out: row by row, in order within each project, again until somebody answers."""

import hashlib
import json
import logging
import sqlite3
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, Protocol

from keys.state import NameState
from keys.times import stamp
from repo_service.calling.api import Api
from repo_service.calling.failures import CallFailed, Refused, Unanswered
from repo_service.calling.line import Patience
from repo_service.registries.devpi import asking, index
from repo_service.registries.devpi.configuration import Index
from repo_service.registries.devpi.outbox import Outbox, Row

POLL_S: Final = 2.0
"""How often the outbox is looked at when no bell rings: what a person asked for by a command is in it."""
LONGEST_S: Final = 30.0
_PATIENCE: Final = Patience(total_s=2, answer_s=30)  # the outbox is patient, so a call need not be
_LOG: Final = logging.getLogger(__name__)


class Thread(Protocol):
    """devpi's own kind of thread."""

    def exit_if_shutdown(self) -> None:
        """Raises what ends the thread, if devpi ends."""


class Courier:
    """One index and the service that signs it. ``thread_run`` is for devpi's pool of threads, which sets ``thread``."""

    thread: Thread

    def __init__(self, xom: index.Xom, name: str, own: Index, outbox: Outbox, clock: Callable[[], datetime]) -> None:
        self._xom, self._name, self._own, self._outbox, self._clock = xom, name, own, outbox, clock
        self._bell = threading.Event()
        self._compare_at = clock()

    def ring(self) -> None:
        """Something waits."""
        self._bell.set()

    def compare_soon(self) -> None:
        """Something was lost: look at everything."""
        self._compare_at = self._clock()
        self.ring()

    thread_shutdown = ring

    def thread_run(self) -> None:
        """Until devpi ends. Nothing but that ends it, for devpi would end with it."""
        pause = POLL_S
        while True:
            self._bell.wait(pause)
            self._bell.clear()
            self.thread.exit_if_shutdown()
            pause = POLL_S if self._round() else min(2 * pause, LONGEST_S)

    def _round(self) -> bool:
        """Whether all went as it should; what did not is written down, for the status and the log."""
        try:
            self._deliver()  # first: an index that is gone is no reason to keep back what happened in it
            self._compare_if_due()
        except (CallFailed, index.NoIndex, OSError, ValueError, sqlite3.Error) as error:
            self._trouble(str(error))
            return False
        except Exception as error:  # our own mistake: devpi would end with this thread, so it is logged whole instead
            _LOG.exception("%s: a round of deliveries failed", self._name)
            self._trouble(f"{type(error).__name__}: {error}")
            return False
        self._trouble("")
        return True

    def _trouble(self, why: str) -> None:
        try:
            if why != self._outbox.noted(self._name, "trouble").partition(" ")[2]:
                self._outbox.note(self._name, "trouble", f"{stamp(self._clock())} {why}" if why else "")
                _LOG.warning("%s: %s", self._name, f"deliveries wait: {why}" if why else "deliveries go on")
        except sqlite3.Error as error:
            _LOG.error("%s: the outbox cannot be used (%s); deliveries wait: %s", self._name, error, why)

    def _api(self) -> Api:
        return Api(self._own.service, self._own.token, _PATIENCE)

    def _deliver(self) -> None:
        """Until nothing is left that can go. Raises Unanswered if nobody answers, and lets a project wait if somebody
        does, but not for its row.
        """
        waits: set[str] = set()
        last: Unanswered | None = None
        while rows := [each for each in self._outbox.next_rows(self._name) if each.stood.project not in waits]:
            api = self._api()
            for row in rows:
                try:
                    self._send(api, row)
                except Unanswered as error:
                    if error.problem is None:
                        raise
                    waits.add(row.stood.project)
                    last = error
        if last is not None:
            raise last

    def _send(self, api: Api, row: Row) -> None:
        """Ask for what is still missing. Killed before ``done``, it is looked at again, and nothing is missing then."""
        stood = row.stood
        about = self._name, stood.project, stood.version, stood.serial  # devpi's log shows no fields
        try:
            for request in asking.requests(api.name(stood.project), stood):
                api.send(request, key=_key(row, request))
        except (Refused, ValueError) as error:  # by the service, or by us: what is no name is not sent at all
            if _is_the_tokens(error):
                raise
            self._outbox.refuse(row, str(error))
            _LOG.error("%s: %s %s of serial %s is refused; the project waits for a person", *about)
        else:
            self._outbox.done(row)
            _LOG.info("%s: %s %s of serial %s is taken", *about)

    def _compare_if_due(self) -> None:
        asked = self._outbox.noted(self._name, "asked")
        if not asked and self._clock() < self._compare_at:
            return
        self._compare_at = self._clock() + timedelta(
            seconds=self._own.reconcile_s
        )  # before: a hook may move it forward
        try:
            self._compare(*asked.split())
        except Exception:  # whatever it was, it was not compared: it is due still
            self._compare_at = self._clock()
            raise

    def _compare(self, asked: str = "", what: str = "changed") -> None:
        """Put into the outbox what devpi has otherwise than it is signed. A project that is gone altogether takes a
        person to ask: from here it cannot be told from an index that was lost.
        """
        api = self._api()
        stood, serial = index.whole(self._xom, self._name, self._own.files)
        names = {each.project for each in stood} | self._outbox.projects(self._name) | self._ever_signed(api)
        found = asking.differences({name: _signed(api, name) for name in names}, stood, serial)
        rows = found.changed + (found.gone if what == "gone" else ())
        added = self._outbox.add_found(self._name, rows, self._clock())
        gone = sorted({each.project for each in found.gone}) if what != "gone" else []
        report = {"at": stamp(self._clock()), "serial": serial, "asked": asked, "added": added, "gone": gone}
        self._outbox.note(self._name, "compared", json.dumps(report))
        self._outbox.note(self._name, "asked", "")
        self.ring()
        _LOG.info("%s: compared with what is signed; %s rows to send, %s projects gone", self._name, added, len(gone))

    def _ever_signed(self, api: Api) -> set[str]:
        """Every name that the service ever signed something of, from where we looked last."""
        note = f"signed by {self._own.service}"
        known = json.loads(self._outbox.noted(self._name, note) or '{"cursor": "0-0", "names": []}')
        names, cursor = set(known["names"]), known["cursor"]
        for event in api.events(cursor):
            names.add(event.name)
            cursor = event.cursor
        self._outbox.note(self._name, note, json.dumps({"cursor": cursor, "names": sorted(names)}))
        return names


def _signed(api: Api, name: str) -> NameState | None:
    """What is signed under a name; nothing, where it is no name: its row will be refused, and says so."""
    try:
        return api.name(name)
    except (Refused, ValueError) as error:
        if _is_the_tokens(error):
            raise
        return None


def _is_the_tokens(error: Exception) -> bool:
    """Whether it is about who asks and not about what: no row is refused for that."""
    return isinstance(error, Refused) and error.problem.status == 401


def _key(row: Row, request: object) -> str:
    # A row is one question of a kind for each file; sent again after a crash, it is the same one.
    filename = hashlib.sha256(getattr(request, "filename", "").encode()).hexdigest()[:16]
    return f"{row.key}:{type(request).__name__}:{filename}"
