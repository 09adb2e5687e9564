"""What everyone may read: metadata, pages and, in the embedded registry, files, exactly as they were signed.

Versioned names are immutable for ever; the timestamp alone is asked for again. What is no longer signed is no longer
served, also under its hash: lock files remember addresses (a removal must cut the file's origin too).
"""

import json
from functools import lru_cache, partial
from typing import Final

from flask import Blueprint, Response, redirect, request, send_file
from werkzeug.exceptions import RequestedRangeNotSatisfiable
from werkzeug.wrappers import Response as WerkzeugResponse

from keys import html, names, page
from keys.encoding import compact, sha256
from keys.state import installable
from repo_service.build.pages import Layout, stored_at
from repo_service.domain.changes import Granted
from repo_service.storage.depot import CHECKPOINT, Depot, is_path
from repo_service.storage.headers import FRESH, caching, media_type
from repo_service.storage.journal import Journal
from repo_service.storage.view import View
from repo_service.web import encodings
from repo_service.web.problems import Problem

NAME: Final = "public"
_JSON: Final = (page.MEDIA_TYPE, "application/vnd.pypi.simple.latest+json")
_OWN_HTML: Final = ("application/vnd.pypi.simple.v1+html", "application/vnd.pypi.simple.latest+html")
_SIMPLE: Final = ("text/html", *_OWN_HTML, *_JSON)
"""What a page can be asked for as (PEP 691). Who says nothing, or anything else, is an old client and reads HTML."""


def blueprint(journal: Journal, depot: Depot, target_layout: Layout) -> Blueprint:
    """The public routes."""
    routes = Blueprint(NAME, __name__)
    encodings.register(routes)
    as_html = lru_cache(maxsize=64)(partial(_as_html, depot))  # a stored page never changes

    @routes.get("/metadata/<filename>")
    def metadata(filename: str) -> Response:
        return _send(depot, f"metadata/{filename}")

    @routes.get("/deltas/<filename>")
    def delta(filename: str) -> Response:
        return _send(depot, f"deltas/{filename}")

    @routes.get("/log/checkpoint")
    def log_checkpoint() -> Response:
        return _send(depot, CHECKPOINT)

    @routes.get("/log/<folder>/<filename>")
    def log_file(folder: str, filename: str) -> Response:
        return _send(depot, f"log/{folder}/{filename}")

    @routes.get("/log/tile/<level>/<path:number>")
    def log_tile(level: str, number: str) -> Response:
        return _send(depot, f"log/tile/{level}/{number}")

    @routes.get("/targets/simple/<segment>/<filename>")
    def page_target(segment: str, filename: str) -> Response:
        return _send(depot, f"targets/simple/{segment}/{filename}")

    @routes.get("/targets/packages/<segment>/<prefixed>")
    def file_target(segment: str, prefixed: str) -> Response:
        digest, _, filename = prefixed.partition(".")
        return _send_file(journal, depot, target_layout, segment, filename, digest)

    @routes.get("/targets/policy/<segment>/<filename>")
    def policy_target(segment: str, filename: str) -> Response:
        return _send(depot, f"targets/policy/{segment}/{filename}")

    @routes.get("/packages/<segment>/<filename>")
    def file(segment: str, filename: str) -> Response:
        return _send_file(journal, depot, target_layout, segment, filename, None)

    @routes.get("/simple/<name>/")
    def simple(name: str) -> WerkzeugResponse:
        normal = names.normalise(name)
        if normal != name:
            return redirect(f"/simple/{normal}/", 301)
        with journal.reading() as view:
            found = view.target(names.page_path(name))
        if found is None:
            raise _not_found(f"{name} is not known to this registry")
        path = found.stored_at
        kind = request.accept_mimetypes.best_match(_SIMPLE, default="text/html")
        response = _send_page(depot, path) if kind in _JSON else _send_html(as_html(path), kind)
        response.vary.add("Accept")
        return response

    @routes.get("/namespaces")
    def namespaces() -> Response:
        with journal.reading() as view:
            return _listed([{"name": each.prefix} for each in view.grants()])

    @routes.get("/namespace/<name>")
    def namespace(name: str) -> WerkzeugResponse:
        normal = names.normalise(name)
        if normal != name:
            return redirect(f"/namespace/{normal}", 301)
        with journal.reading() as view:
            over, below = view.grants_over(normal), view.grants_below(normal)
        if not over or over[-1].prefix != normal:
            raise _not_found(f"{normal} is a namespace of nobody")
        return _listed(_namespace(over, below))

    return routes


def _namespace(over: tuple[Granted, ...], below: tuple[Granted, ...]) -> dict[str, object]:
    """A namespace as PEP 752 shows it: the next one above it, and those directly below."""
    prefixes = [each.prefix for each in below]
    return {
        "name": over[-1].prefix,
        "parent": over[-2].prefix if len(over) > 1 else None,
        "children": [
            each for each in prefixes if not any(names.is_under(each, other) for other in prefixes if other != each)
        ],
        "owner": over[-1].owner,
    }


def _listed(body: object) -> Response:
    # Unsigned and for people's convenience, as PEP 752 has it; the grant itself is signed on the page of its prefix.
    response = Response(compact(body), content_type="application/json")
    response.headers["Cache-Control"] = FRESH
    return response


def _send_file(
    journal: Journal, depot: Depot, target_layout: Layout, segment: str, filename: str, digest: str | None
) -> Response:
    """A file, or its ``.metadata``, if the file is signed and installable now."""
    name = names.name_of(segment)
    wanted = filename.removesuffix(".metadata")
    with journal.reading() as view:
        signed = _signed_digest(view, target_layout, name, wanted)
    if signed is None or digest not in (None, signed):
        raise _not_found(f"{filename} is not, or no longer, a file of {name}")
    suffix = filename.removeprefix(wanted)
    return _send(depot, stored_at(names.file_path(name, wanted), signed) + suffix)


def _signed_digest(view: View, target_layout: Layout, name: str, filename: str) -> str | None:
    if target_layout == "full":
        found = view.target(names.file_path(name, filename))
        return found.sha256 if found else None
    own = view.target(names.page_path(name))
    body = view.file(own.stored_at) if own else None
    listed = installable(page.parse(body)) if body else ()
    return next((file.sha256 for _, file in listed if file.filename == filename), None)


def _send(depot: Depot, path: str) -> Response:
    """A file from the depot, piece by piece; all, a range, or nothing if the client has it."""
    found = depot.open(path) if is_path(path) else None
    if found is None:
        raise _not_found(f"there is no {path}")
    response = send_file(found.file, media_type(path), etag=found.etag, last_modified=found.modified, conditional=False)
    response.content_length = found.size
    response.content_type = media_type(path)  # Flask would say twice in which charset
    response.call_on_close(found.file.close)
    try:
        response.make_conditional(request, accept_ranges=True, complete_length=found.size)
    except RequestedRangeNotSatisfiable:
        found.file.close()
        raise
    response.headers["Cache-Control"] = caching(path)
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _send_page(depot: Depot, path: str) -> Response:
    """The signed page at ``path`` under its name, where the next one will be."""
    response = _send(depot, path)
    response.content_type = page.MEDIA_TYPE
    response.headers["Cache-Control"] = FRESH
    return response


def _send_html(rendered: bytes, kind: str) -> Response:
    """A signed page as HTML, for clients that read no JSON."""
    said = _OWN_HTML[0] if kind in _OWN_HTML else html.MEDIA_TYPE
    response = Response(rendered, content_type=said)
    response.headers["Cache-Control"] = FRESH
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.add_etag()
    response.make_conditional(request)
    return response


def _as_html(depot: Depot, path: str) -> bytes:
    """The signed page at ``path``, rendered."""
    body = depot.read(path)
    if body is None:
        raise _not_found(f"there is no {path}")
    assert path.rpartition("/")[2].startswith(f"{sha256(body)}."), f"{path} is not what was signed"
    return html.render(json.loads(body))


def _not_found(detail: str) -> Problem:
    return Problem(404, "not_found", "Not found", detail)
