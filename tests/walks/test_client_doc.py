"""docs/CLIENT.md is true: every block runs, and prints what is shown; its refusals are those of the command."""

from tests.walks import client_doc


def test_every_block_prints_what_is_shown() -> None:
    text = client_doc.CLIENT_MD.read_text()
    assert client_doc.written(text) == text, "if a change is meant: python -m tests.walks.client_doc"
