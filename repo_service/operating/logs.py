"""What a process says of itself while it runs: a constant message, and values as fields (``extra=`` of a log call).

As text for people, folded at 80 columns, or as one JSON object a line for programs. Account ids and tokens are never
fields; the client of a request is the name that the operator gave it.
"""

import json
import logging
import re
import sys
import textwrap
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Final, Literal, TextIO

REQUEST: Final[ContextVar[str | None]] = ContextVar("request", default=None)
"""The id of the request in hand, which every line about it carries."""
WIDTH: Final = 80
_PLAIN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
_SECRET: Final = re.compile(r"tally_([0-9a-f]{16})_[A-Za-z0-9_-]{43}|(?<=://)[^/\s@]*:[^/\s@]*(?=@)", re.ASCII)


def begin(form: Literal["text", "json", "quiet"], stream: TextIO | None = None) -> None:
    """Write the log of this process to a stream (standard error) from now on. ``quiet`` is text from warnings on."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(AsJson() if form == "json" else AsText())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("repo_service").setLevel(logging.WARNING if form == "quiet" else logging.INFO)


class AsJson(logging.Formatter):
    """One object a line: ``time``, ``level``, ``logger``, ``message``, then the fields."""

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON, without the secrets that an address or a message may hold."""
        said = {
            "time": _time(record, "milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **fields(record),
        }
        if record.exc_info:
            said["traceback"] = self.formatException(record.exc_info)
        return _without_secrets(json.dumps(said, default=str, ensure_ascii=False))


class AsText(logging.Formatter):
    """``10:00:00 info  message key=value``, folded where it is wide; a traceback below it."""

    def format(self, record: logging.LogRecord) -> str:
        """A line for people, in which what cannot be printed is a space."""
        words = [record.getMessage(), *(f"{name}={_shown(value)}" for name, value in fields(record).items())]
        line = f"{_time(record, 'seconds')[11:19]} {record.levelname.lower():7} {' '.join(words)}"
        clean = line if line.isprintable() else "".join(each if each.isprintable() else " " for each in line)
        indent = " " * 17
        folded = textwrap.fill(clean, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
        if record.exc_info:
            folded += "\n" + textwrap.indent(self.formatException(record.exc_info), "  ")
        return _without_secrets(folded)


def fields(record: logging.LogRecord) -> Mapping[str, object]:
    """The values of a log call, and the request that it is about."""
    found = {name: value for name, value in vars(record).items() if name not in _PLAIN and value is not None}
    request = REQUEST.get()
    return found if request is None else {**found, "request": request}


def _shown(value: object) -> str:
    text = str(value)
    return text if text and text.isprintable() and " " not in text else json.dumps(text)


def _time(record: logging.LogRecord, spec: str) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec=spec).replace("+00:00", "Z")


def _without_secrets(text: str) -> str:
    """Whatever an exception of some library quotes: no token, and no user and password of an address."""
    return _SECRET.sub(lambda found: f"tally_{found[1]}_***" if found[1] else "***:***", text)
