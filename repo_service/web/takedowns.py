"""The takedown list, for programs: every entry there is, and the same as OSV records for scanners and mirrors.

Each entry is signed in the page of its name; this list is made of the journal, and its ``serial`` says of which page.
"""

import io
import zipfile
from typing import Any, Final, get_args
from urllib.parse import urlsplit

from flask import Flask, Response, request

from keys import names, strict
from keys.encoding import compact
from keys.state import NameState, Takedown, TakedownStatus
from repo_service.storage.journal import Journal
from repo_service.web.reading import number

MAX_ENTRIES: Final = 1000
OSV_VERSION: Final = "1.7.5"
_STATUS: Final = (*get_args(TakedownStatus), "any")


def register(app: Flask, journal: Journal, url: str) -> None:
    """The routes of the list below ``/v1``. ``url`` is where this registry is found."""

    @app.get("/v1/takedowns")
    def takedowns() -> Response:
        after, limit = request.args.get("after", ""), number("limit", request.args.get("limit", str(MAX_ENTRIES)))
        with journal.reading() as view:
            found = view.takedowns(_status(), after, min(limit, MAX_ENTRIES))
        listed = [{"name": state.name, "serial": state.serial, **strict.dump(entry)} for state, entry in found]
        body = {"takedowns": listed, "next": listed[-1]["id"] if listed else after}
        return Response(compact(body), 200, content_type="application/json")

    @app.get("/v1/takedowns/osv")
    def osv() -> Response:
        """As OSV's own exports: a zip with one JSON file for each record, the same bytes for the same records."""
        packed = io.BytesIO()
        with journal.reading() as view, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            after = ""
            while found := view.takedowns(None, after, MAX_ENTRIES):
                after = found[-1][1].id
                for state, entry in found:
                    if entry.status != "suspected":
                        record = osv_record(url, state, entry)
                        archive.writestr(zipfile.ZipInfo(f"{record['id']}.json"), compact(record))
        return Response(packed.getvalue(), 200, content_type="application/zip")


def osv_record(url: str, state: NameState, entry: Takedown) -> dict[str, Any]:
    """An entry as an OSV record, with exact versions and no range.

    The id begins with ``x_``, which OSV leaves to databases that it does not collect itself, and names this registry;
    so does the ecosystem, for a name here need not be the same project as on pypi.org.
    """
    _, generation, place = entry.id.rsplit("/", 2)
    what = f"{state.display} {', '.join(entry.versions)}"
    said = [mark.reason.text for mark in (entry.listed, entry.mark) if mark.reason and mark.reason.text]
    kind = entry.kind.replace("_", " ")
    record = {
        "schema_version": OSV_VERSION,
        "id": f"x_{urlsplit(url).netloc.replace(':', '_')}-{names.segment(state.name)}-{generation}-{place}",
        "published": entry.listed.at,
        "modified": entry.mark.at,
        "aliases": list(entry.external_ids),
        "summary": f"{'Withdrawn: ' if entry.status == 'withdrawn' else ''}{kind} in {what}",
        "details": "\n".join(dict.fromkeys(said)) or f"The registry took down {what}: {kind}.",
        "affected": [
            {"package": {"ecosystem": f"PyPI:{url}", "name": state.name}, "versions": list(entry.versions)},
        ],
        "database_specific": {
            "takedown": entry.id,
            "kind": entry.kind,
            "status": entry.status,
            "serial": state.serial,
            "sha256": list(entry.sha256s),
        },
    }
    return record | ({"withdrawn": entry.mark.at} if entry.status == "withdrawn" else {})


def _status() -> str | None:
    """The status that is asked for; None for any."""
    status = request.args.get("status", "any")
    if status not in _STATUS:
        raise strict.Malformed("status", f"must be one of {', '.join(_STATUS)}, not {status!r:.40}")
    return None if status == "any" else status
