"""What a request insists on: the serial that its sender saw, the preview that they approved (RFC 9110, RFC 6585)."""

import re
from typing import Final

from flask import Response
from werkzeug.datastructures import Headers

from keys import strict

_SERIAL: Final = re.compile(r'"serial-(\d{1,15})"', re.ASCII)
_DIGEST: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
PREVIEW: Final = "If-Preview-Match"


def expected_serial(headers: Headers) -> int | None:
    """``If-Match: "serial-7"``: change only what the caller has seen; ``"serial-0"`` is a name that is not known."""
    header = headers.get("If-Match")
    if header is None:
        return None
    if not (match := _SERIAL.fullmatch(header)):
        raise strict.Malformed("If-Match", f'must look like "serial-7", with its quotes, not {header!r:.40}')
    return int(match[1])


def expected_preview(headers: Headers) -> str | None:
    """``If-Preview-Match: <preview_digest>``: do what was previewed, or nothing."""
    header = headers.get(PREVIEW)
    if header is not None and not _DIGEST.fullmatch(header):
        raise strict.Malformed(PREVIEW, f"must be the preview_digest of a preview, not {header!r:.80}")
    return header


def tagged(response: Response, serial: int | None) -> Response:
    """An answer about one name, with what If-Match needs to be about the same."""
    response.headers["ETag"] = f'"serial-{serial or 0}"'
    return response
