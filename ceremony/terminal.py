"""Asking a person: in plain text, one question at a time, and every default is no."""

import os
import sys
import textwrap
from collections.abc import Callable, Sequence
from getpass import getpass
from random import SystemRandom
from typing import Final

from ceremony.errors import Declined, Interrupted, Mismatch, Unfit
from ceremony.show import WIDTH, Screen
from keys import words

ASKED: Final = 4
"""So many words of a digest are not shown but asked: they can be neither skipped nor copied, only heard."""
TRIES: Final = 3


def need() -> None:
    """Unfit without a terminal: a person must answer, and a pipe is none."""
    if not sys.stdin.isatty():
        raise Unfit("there is no terminal, and a person must answer", "Run this by hand, with no pipe.")


def ask(question: str) -> str:
    """A line that a person types, without what an arrow key leaves in it."""
    return "".join(each for each in _asked(input, question) if each.isprintable()).strip()


def secret(question: str) -> str:
    """A line that nobody else can read."""
    return _asked(getpass, question)


def agree(screen: Screen) -> None:
    """Show a screen and ask its question; Declined unless the answer is yes."""
    *before, last = screen.pages
    for page in before:
        print(f"\n{page}")
        ask("Enter to read on. ")
    print(f"\n{last}\n")
    if screen.question and ask(f"{screen.question} [y/N] ").lower() not in ("y", "yes"):
        raise Declined(
            f"you did not say yes to: {screen.question}", "If something is wrong, tell the coordinator what."
        )


def unseen() -> list[int]:
    """The places of the words that are not shown, other ones each time."""
    return sorted(SystemRandom().sample(range(32), ASKED))


def heard(digest: str, places: Sequence[int]) -> None:
    """Have words of a digest typed as another person reads them; Mismatch if they are those of another file."""
    said = words.words(bytes.fromhex(digest))
    print(fill("These your screen does not show. Type them as the other holder reads them to you."))
    for number in places:
        if _word(number, len(said)) != said[number].lower():
            raise Mismatch(
                "the words you heard do not belong to this file: someone looks at another one",
                "Stop, all of you. Read all the words to each other and find out whose file differs.",
            )


def typed(phrase: str) -> None:
    """Declined unless the person types exactly this."""
    if ask(f"Type  {phrase}  in full, anything else to stop: ") != phrase:
        raise Declined(f"you did not type {phrase!r}", "Run this again when you are ready.")


def fill(text: str, then: str = "") -> str:
    """A line of any length in lines of 72; what has no space in it, as a digest or a path, stays whole."""
    return textwrap.fill(text, WIDTH, subsequent_indent=then, break_long_words=False, break_on_hyphens=False)


def say(lines: Sequence[str]) -> None:
    """Lines of any length, wrapped; what is to be typed, which is set in, stays as it is."""
    print("\n".join(line if line.startswith("  ") else fill(line, "  ") for line in lines))


def size() -> tuple[int, int]:
    """Columns and lines; 80 and 24 where the terminal does not say."""
    its = os.get_terminal_size(sys.stdout.fileno()) if sys.stdout.isatty() else os.terminal_size((0, 0))
    return its.columns or 80, its.lines or 24


def _word(number: int, count: int) -> str:
    """A word of the right list; a slip of the finger is asked again."""
    for _ in range(TRIES):
        word = ask(f"  word {number + 1:2}: ").lower()
        if words.is_word(word, number):
            return word
        print(f"  {word!r:.40} is no word of the list in this place; ask for it again.")
    raise Declined(f"word {number + 1} of {count} was not heard", "Run this again; spell the words to each other.")


def _asked(prompt: Callable[[str], str], question: str) -> str:
    try:
        return prompt(question)
    except (EOFError, KeyboardInterrupt):
        print()
        raise Interrupted("stopped at a question", "Run this again when you are ready.") from None
