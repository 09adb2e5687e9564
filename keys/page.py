"""A name's page: the PEP 691 document of the name with its whole state under ``_state``. See docs/FORMAT.md.

Nothing is said twice: ``_state`` leaves out what the listing of the same page says of a file, and what has its default.
The rest of the installers' part is derived from the state, so a page is valid only if rendering the state that it says
gives the same bytes again. With that one comparison page and state cannot disagree (a yank flag, a file, a status).
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from keys import names, strict
from keys.encoding import compact_plain, listed, read_plain, sha256, spliced
from keys.kept import kept, shared
from keys.state import SCHEMA, Act, File, NameState, Release, is_installable

API_VERSION: Final = "1.5"
MEDIA_TYPE: Final = "application/vnd.pypi.simple.v1+json"
_LISTED: Final = {
    "sha256": "hashes",
    "size": "size",
    "uploaded_at": "upload-time",
    "requires_python": "requires-python",
    "core_metadata": "core-metadata",
    "url": "url",
}
"""What the listing says of a file: the field of ``File``, and its key in the entry that ``_file`` makes."""
_FIELDS: Final = {key: field for field, key in _LISTED.items()}


class InvalidPage(ValueError):
    """The bytes are not a page of ours, or its parts disagree."""


def render(state: NameState) -> bytes:
    """The page of a name: deterministic bytes, canonical JSON (PEP 691, 592, 700, 714, 740, 752, 792)."""
    shown = [_shown(each, state.name) if is_installable(state, each) else _hidden(each) for each in state.releases]
    body: dict[str, Any] = {
        "_last-serial": state.event,
        "meta": {"api-version": API_VERSION},
        "name": state.name,
        "namespaces": [{"name": each.prefix, "owned": each.owned} for each in state.namespaces] or None,
        "versions": [each.version for each, parts in zip(state.releases, shown, strict=True) if parts.listing],
    }
    if state.state == "registered":
        body["project-status"] = _status(state)
    said = {"schema": SCHEMA, **_said(state)}
    del said["name"]
    encoded = {
        "_state": spliced(said, _lists(state, (parts.state for parts in shown))),
        "files": listed(parts.listing for parts in shown if parts.listing),
    }
    return b"".join(spliced(body, encoded))


def encode(state: NameState) -> bytes:
    """The state alone, in the form that ``strict.load`` reads: canonical JSON of ``strict.sparse(state)``."""
    return b"".join(spliced(_said(state), _lists(state, (_hidden(each).state for each in state.releases))))


def parse(data: bytes) -> NameState:
    """The state inside a page's bytes. InvalidPage unless ``render`` gives back exactly ``data``."""
    state = state_of(data)
    if render(state) != data:
        _read_strictly(data)  # which may say more of what is wrong with it
        raise InvalidPage(f"page of {state.name}: what it lists for installers is not what its state says")
    return state


def state_of(data: bytes) -> NameState:
    """The state inside a page that was parsed once and whose digest is known: as ``parse``, without the comparison."""
    with suppress(ValueError, RecursionError):
        return _read(read_plain(data))
    return _read_strictly(data)


def _read_strictly(data: bytes) -> NameState:
    """The state by the strict parser, which says what is wrong with a page."""
    try:
        return _read(strict.parse(data))
    except strict.Malformed as error:
        raise InvalidPage(str(error)) from None
    except UnicodeEncodeError as error:
        raise InvalidPage(
            f"holds the character U+{ord(error.object[error.start]):04X}, which no text may hold"
        ) from None


def target_entry(data: bytes, custom: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A target's description in targets metadata (TUF specification section 4.5)."""
    entry: dict[str, Any] = {"hashes": {"sha256": sha256(data)}, "length": len(data)}
    return entry if custom is None else {**entry, "custom": dict(custom)}


@dataclass(frozen=True, slots=True)
class _Parts:
    """A release in both parts of a page, encoded: in ``_state``, and its entries of ``files`` with commas between."""

    state: bytes
    listing: bytes = b""


@kept
def _shown(release: Release, name: str) -> _Parts:
    listing = {file.filename: _file(name, release, file) for file in release.present}
    files = [strict.sparse(file, _LISTED if file.filename in listing else ()) for file in release.files]
    said = strict.sparse(release, ("files",)) | ({"files": files} if files else {})
    return _Parts(compact_plain(said), compact_plain([*listing.values()])[1:-1])


@kept
def _hidden(release: Release) -> _Parts:
    return _Parts(compact_plain(strict.sparse(release)))


@kept
def _told(act: Act) -> bytes:
    return compact_plain(strict.sparse(act))


def _said(state: NameState) -> dict[str, Any]:
    said: dict[str, Any] = strict.sparse(state, ("releases", "history"))
    return said


def _lists(state: NameState, releases: Iterable[bytes]) -> dict[str, list[bytes]]:
    found = {"releases": listed(releases)} if state.releases else {}
    return found | ({"history": listed(map(_told, state.history))} if state.history else {})


def _read(document: object) -> NameState:
    """The state in a page's plain values. Of a key that came twice, or an entry that belongs to no file, it knows
    nothing: that is for the comparison.
    """
    if not isinstance(document, dict) or not isinstance(document.get("_state"), dict):
        raise InvalidPage("not a page: it has no _state")
    body = {"name": document.get("name"), **document["_state"]}
    if (schema := body.pop("schema", None)) != SCHEMA:
        raise InvalidPage(f"its schema is {schema!r}; this program reads {SCHEMA}. Upgrade tallystick")
    if isinstance(releases := body.get("releases"), list):
        body["releases"] = _releases(releases, document.get("files"))
    return strict.load(NameState, body)


def _releases(said: list[object], listing: object) -> list[object]:
    """Releases as both parts of a page say them. What is none stays as it is, for ``strict.load`` to refuse."""
    entries = {str(entry.get("filename")): entry for entry in _objects(listing)}
    found: list[object] = []
    try:
        for each in said:
            if isinstance(each, dict):
                its = [entries.get(str(file.get("filename"))) for file in _objects(each.get("files"))]
                each = _release((each, its))
            found.append(each)
    except strict.Malformed as error:
        raise error.within(f"releases[{len(found)}]") from None
    return found


@shared
def _release(said: tuple[dict[str, Any], list[dict[str, Any] | None]]) -> Release:
    """A release of ``_state`` with the entries that the listing has of its files: the page before and the page after
    share what they say alike.
    """
    release, entries = said
    for file, entry in zip(_objects(release.get("files")), entries, strict=True):
        if entry is not None:
            file |= _facts(entry)
    return strict.load(Release, release)


def _facts(entry: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for key, item in entry.items():
        if (field := _FIELDS.get(key)) is not None:
            found[field] = item.get("sha256") if isinstance(item, dict) else item
    if str(found.get("url")).startswith("../"):
        del found["url"]  # it lies at its target path, and the state has no url
    return found


def _objects(found: object) -> Iterator[dict[str, Any]]:
    return (each for each in (found if isinstance(found, list) else ()) if isinstance(each, dict))


def _file(name: str, release: Release, file: File) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "filename": file.filename,
        "hashes": {"sha256": file.sha256},
        "size": file.size,
        "upload-time": file.uploaded_at,
        "url": file.url or f"../../{names.file_path(name, file.filename)}",
        "yanked": _yanked(release),
    }
    if file.requires_python is not None:
        entry["requires-python"] = file.requires_python
    if file.core_metadata is not None:
        entry["core-metadata"] = {"sha256": file.core_metadata}
    if file.provenance is not None:
        entry["provenance"] = file.provenance.url
    return entry


def _yanked(release: Release) -> bool | str:
    # Only false, true or a non-empty line: pip and uv disagree about everything else.
    if release.yank is None:
        return False
    reason = release.yank.mark.reason
    return reason.text if reason is not None and reason.text is not None else True


def _status(state: NameState) -> dict[str, str]:
    # PEP 792 has one status. Quarantine lies over the owner's, which comes back when it is cleared.
    deprecated = state.deprecated.mark if state.deprecated else None
    found = (("quarantined", state.quarantine), ("deprecated", deprecated), ("archived", state.archived))
    for status, mark in found:
        if mark is not None:
            return {"status": status} | ({"reason": mark.reason.text} if mark.reason and mark.reason.text else {})
    return {"status": "active"}
