"""A name's page for installers that read no JSON: the same listing as HTML (PEP 503, 592, 714, 740, 792).

Never signed apart: it is made from a page that was verified, so it cannot say anything else than the page.
"""

from collections.abc import Mapping
from html import escape
from typing import Any, Final

MEDIA_TYPE: Final = "text/html; charset=utf-8"


def render(listing: Mapping[str, Any]) -> bytes:
    """A PEP 691 listing, as ``keys.page`` makes it, as a PEP 503 page."""
    name = escape(listing["name"])
    head = "".join(f'<meta name="pypi:{key}" content="{escape(value)}">\n' for key, value in _meta(listing))
    lines = "".join(_anchor(file) for file in listing["files"])
    return (
        f'<!DOCTYPE html>\n<html>\n<head>\n<meta charset="utf-8">\n{head}<title>Links for {name}</title>\n</head>\n'
        f"<body>\n<h1>Links for {name}</h1>\n{lines}</body>\n</html>\n"
    ).encode()


def _meta(listing: Mapping[str, Any]) -> list[tuple[str, str]]:
    status = listing.get("project-status", {})
    found = {
        "repository-version": listing["meta"]["api-version"],
        "project-status": status.get("status"),
        "project-status-reason": status.get("reason"),
    }
    return [(key, value) for key, value in found.items() if value is not None]


def _anchor(file: Mapping[str, Any]) -> str:
    attributes = {"href": f"{file['url']}#sha256={file['hashes']['sha256']}"}
    if "requires-python" in file:
        attributes["data-requires-python"] = file["requires-python"]
    if "core-metadata" in file:
        # PEP 714: the older name is for installers that came before it.
        attributes["data-core-metadata"] = f"sha256={file['core-metadata']['sha256']}"
        attributes["data-dist-info-metadata"] = attributes["data-core-metadata"]
    if "provenance" in file:
        attributes["data-provenance"] = file["provenance"]
    if file["yanked"]:
        attributes["data-yanked"] = "" if file["yanked"] is True else file["yanked"]
    written = "".join(f' {key}="{escape(value)}"' for key, value in attributes.items())
    return f"<a{written}>{escape(file['filename'])}</a><br>\n"
