"""A request as it goes over the line, its path below /v1 and its body; and as one line of text, for an outbox."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from keys import strict
from repo_service.calling.line import Call
from repo_service.domain import requests as r
from repo_service.domain import verbs


@dataclass(frozen=True, slots=True)
class Item:
    """A change of a batch. ``seen`` is the serial that it is about, ``number`` the registry's own of its project."""

    request: r.Request
    seen: int | None = None
    number: int | None = None


def path(*parts: str) -> str:
    """A path below /v1. ValueError for a part that would make it another path: transports resolve dots on their way."""
    for part in parts:
        if part in ("", ".", ".."):
            raise ValueError(f"{part!r} cannot be a part of {'/'.join(parts)!r:.200}")
    return "/".join(["/v1", *(quote(part, safe="") for part in parts)])


def _verb_of(request: r.Request) -> tuple[str, str]:
    """The family and the verb of a request, by the one list of them."""
    for family, table in verbs.FAMILIES.items():
        for verb, kind in table.items():
            if type(request) is kind:
                return family, verb
    raise ValueError(f"{type(request).__name__} is the service's own, and no registry sends it")


def path_of(request: r.Request) -> str:
    """Where a request is sent to."""
    family, verb = _verb_of(request)
    if family in ("release", "file"):
        file = ("files", getattr(request, "filename", "")) if family == "file" else ()
        return path("projects", request.name, "releases", getattr(request, "version", ""), *file, verb)
    return path(f"{family}s", request.name, verb)


def body(request: r.Request) -> dict[str, Any]:
    """What of a request its path does not say."""
    said: dict[str, Any] = strict.sparse(request, without=("name", *_said_by_path(request)))
    return said


def _said_by_path(request: r.Request) -> tuple[str, ...]:
    return {"release": ("version",), "file": ("version", "filename")}.get(_verb_of(request)[0], ())


def text_of(request: r.Request) -> str:
    """A request as one line of JSON: what an outbox keeps until it is sent."""
    return encoded(_item(Item(request))).decode()


def request_of(text: str) -> r.Request:
    """The inverse of ``text_of``. Malformed if the text is none of its."""
    said = strict.parse(text.encode())
    if not isinstance(said, dict):
        raise strict.Malformed("", "must be an object with a verb and a name")
    verb = said.pop("verb", None)
    table = next(table for part, _, table in verbs.ROUTES if part is None or part in said)
    if not isinstance(verb, str) or verb not in table:
        raise strict.Malformed("verb", f"must be one of {', '.join(sorted(table))}, not {verb!r:.40}")
    return strict.load(table[verb], said)


def encoded(value: object) -> bytes:
    """JSON (RFC 8259)."""
    return json.dumps(value, separators=(",", ":")).encode()


def batch(items: Sequence[Item], mode: str) -> dict[str, Any]:
    """The body of a batch; ``mode`` is ``all`` (or none) or ``each``."""
    return {"items": [_item(each) for each in items], "mode": mode}


def _item(item: Item) -> dict[str, Any]:
    said = {"expected_serial": item.seen, "source_seq": item.number}
    about = {"verb": _verb_of(item.request)[1], **strict.sparse(item.request)}
    return about | {member: value for member, value in said.items() if value is not None}


def put_state(wanted: r.Wanted, query: str) -> Call:
    """The call that takes a full state."""
    said = encoded(strict.sparse(wanted, without=("name",)))
    return Call("PUT", path("projects", wanted.name) + query, {"Content-Type": "application/json"}, said)


def if_match(seen: int | None) -> dict[str, str]:
    """The header that insists on a serial."""
    return {} if seen is None else {"If-Match": f'"serial-{seen}"'}
