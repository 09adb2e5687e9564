"""What a person reads when something was refused: in the width of the terminal, and still found by searching."""

from client_verify.installing.report import Entry, sentence, wrapped

LONG = Entry(
    "packages/tallyflask/tallyflask-1.0-py3-none-any.whl",
    "placeholder",
    "six was removed and its name is kept empty since 2026-11-22 by its owner: a private key was inside",
)


def test_a_refusal_is_told_within_eighty_columns():
    assert wrapped(sentence(LONG, "Nothing of it was passed to pip."), 80) == (
        "tallystick: REFUSED packages/tallyflask/tallyflask-1.0-py3-none-any.whl: name is held after removal\n"
        "  six was removed and its name is kept empty since 2026-11-22 by its owner: a\n"
        "  private key was inside.\n"
        "  Nothing of it was passed to pip. See: tallystick explain placeholder"
    )


def test_what_was_refused_and_the_command_that_explains_it_are_never_broken():
    told = wrapped(sentence(LONG, "Nothing of it was passed to pip."), 45).splitlines()
    assert told[0].endswith("name is held after removal")
    assert told[-1] == "  See: tallystick explain placeholder"


def test_a_word_that_is_longer_than_the_line_is_kept_whole():
    url = "https://files.example.test/" + "x" * 90
    assert f"\n  {url}\n" in wrapped(f"tallystick: warning: the address\n  {url}\nis long", 40)


def test_what_a_terminal_shows_is_in_its_width(terminal, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    assert terminal("show", "flask") == 2
    assert max(map(len, terminal.err.splitlines())) <= 40
