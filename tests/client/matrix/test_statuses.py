"""What each installer does by itself when an index says no: the reason for every status in client_verify.refusals.

A plain registry answers one kind of request with a status, a reason phrase of its own and a problem document (RFC
9457). Nothing of ours runs here. A new version that behaves otherwise turns a row red, and its version is in the
message; then look again at what the row is the reason for.
"""

from typing import Final, NamedTuple

import pytest

from client_verify.refusals import KINDS
from tests.client.matrix.registry import DETAIL, REASON, TITLE, Kind, registry, run
from tests.installers import INSTALLERS

ALL: Final = "reason title detail"


class Row(NamedTuple):
    """One kind of request is refused with a status: which parts of the answer are shown, exit code, how often asked."""

    installer: str
    kind: Kind
    status: int
    shown: str
    code: int
    asked: int


# Where an answer is asked for again the installers are told to try once more, not five times (pip, poetry cannot be) or
# three (uv): it tells the same, sooner.
ROWS: Final = (
    # No installer but uv and poetry says why a page was refused, and those two not with every status. So a page of what
    # must not be installed lists nothing, and the reason is told when the installer has ended.
    Row("pip", "page", 403, "", 1, 1),
    Row("pip", "page", 404, "", 1, 1),
    Row("pip", "page", 409, "", 1, 1),
    Row("pip", "page", 424, "", 1, 1),
    Row("uv", "page", 403, "", 1, 1),
    Row("uv", "page", 404, "", 1, 1),
    Row("uv", "page", 409, ALL, 2, 1),
    Row("uv", "page", 424, ALL, 2, 1),
    Row("uv", "page", 451, ALL, 2, 1),
    Row("poetry", "page", 403, "", 1, 1),
    Row("poetry", "page", 409, "reason", 1, 1),
    Row("pdm", "page", 403, "", 1, 1),
    Row("pdm", "page", 409, "", 1, 1),
    # A file: pip and poetry show the reason phrase, uv the whole document; pdm asks twice and shows neither.
    Row("pip", "file", 403, "reason", 1, 1),
    Row("pip", "file", 404, "reason", 1, 1),
    Row("pip", "file", 409, "reason", 1, 1),
    Row("pip", "file", 424, "reason", 1, 1),
    Row("uv", "file", 403, ALL, 2, 1),
    Row("uv", "file", 404, ALL, 1, 1),
    Row("uv", "file", 409, ALL, 2, 1),
    Row("poetry", "file", 403, "reason", 1, 1),
    Row("poetry", "file", 424, "reason", 1, 1),
    Row("pdm", "file", 403, "", 1, 2),
    # Core metadata: poetry and pdm read the wheel instead. So the file is verified and refused by itself.
    Row("pip", "metadata", 409, "reason", 1, 1),
    Row("uv", "metadata", 409, ALL, 2, 1),
    Row("poetry", "metadata", 409, "", 0, 1),
    Row("pdm", "metadata", 409, "", 0, 1),
    # 5xx: asked again and again, and then pip drops the reason. So no refusal is one, not even a gateway's 504.
    Row("pip", "page", 504, "", 1, 1),
    Row("pip", "file", 504, "reason", 1, 1),
    Row("pip", "file", 500, "", 1, 2),
    Row("pip", "file", 502, "", 1, 2),
    Row("pip", "page", 503, "", 1, 2),
    Row("uv", "file", 502, ALL, 2, 2),
    Row("uv", "page", 504, ALL, 2, 2),
    Row("poetry", "file", 504, "reason", 1, 6),
)
SAID: Final = {"reason": REASON, "title": TITLE, "detail": DETAIL}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.installer}-{row.kind}-{row.status}")
def test_a_refusal_is_shown_and_asked_for_again_as_it_always_was(tmp_path, row):
    installer = INSTALLERS[row.installer]
    with registry() as index:
        index.refused[row.kind] = row.status
        project = installer.project(tmp_path, "tallyflask==1.0", index=index.index)
        ended = run(project, PIP_RETRIES="1", UV_HTTP_RETRIES="1")
    shown = " ".join(part for part, text in SAID.items() if text in ended.printed)
    found = row._replace(shown=shown, code=ended.code, asked=index.asked.count(row.kind))
    assert found == row, f"{installer.version} behaves otherwise than those before it. It printed: {ended.printed}"
    assert ended.installed == (() if row.code else ("tallyflask-1.0",))


def test_every_status_of_a_refusal_is_in_the_table():
    for installer in ("pip", "uv"):
        tried = {row.status for row in ROWS if row.installer == installer and row.asked == 1}
        assert {int(kind.status) for kind in KINDS.values()} <= tried
