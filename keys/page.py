"""A name's page: the PEP 691 document of the name with its whole state under ``_state``. See docs/FORMAT.md.

The installers' part of the page is derived from the state, so a page is valid only if rendering its state gives the
same bytes again. With that one comparison page and state cannot disagree (a yank flag, a file, a status).
"""

from collections.abc import Mapping
from typing import Any, Final

from keys import names, strict
from keys.encoding import compact, sha256
from keys.state import SCHEMA, File, NameState, Release, installable

API_VERSION: Final = "1.5"
MEDIA_TYPE: Final = "application/vnd.pypi.simple.v1+json"


class InvalidPage(ValueError):
    """The bytes are not a page of ours, or its parts disagree."""


def render(state: NameState) -> bytes:
    """The page of a name: deterministic bytes, canonical JSON (PEP 691, 592, 700, 714, 740, 752, 792)."""
    listed = list(installable(state))
    body: dict[str, Any] = {
        "_last-serial": state.event,
        "_state": {"schema": SCHEMA, **_without_name(strict.dump(state))},
        "files": [_file(state.name, release, file) for release, file in listed],
        "meta": {"api-version": API_VERSION},
        "name": state.name,
        "namespaces": [{"name": each.prefix, "owned": each.owned} for each in state.namespaces] or None,
        "versions": sorted({release.version for release, _ in listed}),
    }
    if state.state == "registered":
        body["project-status"] = _status(state)
    return compact(body)


def parse(data: bytes) -> NameState:
    """The state inside a page's bytes. InvalidPage unless ``render`` gives back exactly ``data``."""
    try:
        document = strict.parse(data)
        if not isinstance(document, dict) or not isinstance(document.get("_state"), dict):
            raise InvalidPage("not a page: it has no _state")
        body = dict(document["_state"])
        if (schema := body.pop("schema", None)) != SCHEMA:
            raise InvalidPage(f"its schema is {schema!r}; this program reads {SCHEMA}. Upgrade tallystick")
        state = strict.load(NameState, {"name": document.get("name"), **body})
    except strict.Malformed as error:
        raise InvalidPage(str(error)) from None
    if render(state) != data:
        raise InvalidPage(f"page of {state.name}: what it lists for installers is not what its state says")
    return state


def target_entry(data: bytes, custom: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A target's description in targets metadata (TUF specification section 4.5)."""
    entry: dict[str, Any] = {"hashes": {"sha256": sha256(data)}, "length": len(data)}
    return entry if custom is None else {**entry, "custom": dict(custom)}


def _without_name(body: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key != "name"}


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
