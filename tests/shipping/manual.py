"""The manual pages of docs/man, made from the parsers: ``python -m tests.shipping.manual`` writes them again.

They are in man(7), for groff and mandoc alike. What a parser does not say (files, variables, exit statuses) is in
``PAGES``; tests/shipping/test_manual.py holds it against the code.
"""

import argparse
import textwrap
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import ceremony.cli
import client_verify.cli
import repo_service.cli
from client_verify.refusals import KINDS

ROOT: Final = Path(__file__).parents[2]
MAN: Final = ROOT / "docs" / "man"


@dataclass(frozen=True, slots=True)
class Page:
    """A command: its parser, and what no parser says. ``examples`` has the command line of each purpose."""

    name: str
    parser: argparse.ArgumentParser
    statuses: Mapping[int, str]
    environment: Mapping[str, str]
    files: Mapping[str, str]
    examples: Mapping[str, str]


def _refusals() -> dict[int, str]:
    kinds = sorted(KINDS.values(), key=lambda kind: kind.exit)
    return {code: "refused: " + "; ".join(kind.title for kind in same) for code, same in groupby(kinds, _exit_of)}


def _exit_of(kind: Any) -> int:
    return int(kind.exit)


def _ceremony_statuses() -> dict[int, str]:
    found: dict[int, str] = {}
    for error, status in ceremony.cli.EXIT.items():
        if error.__module__.startswith("ceremony") and error.__name__ != "Interrupted":
            found[status] = " ".join(
                [*([found[status]] if status in found else []), (error.__doc__ or "").partition(": ``")[0]]
            )
    return found


PAGES: Final = (
    Page(
        "tallystick",
        client_verify.cli.parser(),
        {
            0: "done",
            1: "an installer that was run failed by itself",
            2: "a mistaken command or configuration: nothing was asked of any repository",
            **_refusals(),
        },
        {
            "TALLYSTICK_HOME": "a folder for all that is kept, instead of this user's folders",
            "TALLYSTICK_OFFLINE": "1: use what this machine has verified, until its date",
            "TALLYSTICK_PORT": "the port of `tallystick serve`, if --port does not say one",
            "TALLYSTICK_CACHE_LIMIT": "how many bytes of files are kept, perhaps with K, M or G",
        },
        {
            "~/.config/tallystick/roots/": "the pinned repositories of this user",
            "/etc/tallystick/roots/": "those of all users; $XDG_CONFIG_DIRS/tallystick/roots/ and "
            "PREFIX/etc/tallystick/roots/ too",
            "~/.local/share/tallystick/": "what this machine has verified, and refusals.jsonl, what it refused",
            "~/.cache/tallystick/": "files that were verified; it may be lost",
        },
        {
            "Trust a registry, once, by a root that came another way:": "tallystick trust add acme --url "
            "https://packages.acme.example --root acme.root.json",
            "Install what it has signed:": "tallystick run -- pip install flask",
            "Why was something refused?": "tallystick explain security-yanked",
        },
    ),
    Page(
        "tallystick-service",
        repo_service.cli.parser(),
        {
            0: "done, or all is well",
            2: "settings, key, database or command cannot be used as they are",
            3: "a ceremony's files, or what the guard was given, were not taken in",
            4: "nothing was published, or an import was halted: a clock, a key, the guard, a flag",
            5: "something is out of reach, behind or held by somebody else",
            6: "something is wrong with the repository: `fsck`, `rebuild`, `doctor`, or an alarm of `monitor`",
        },
        {
            "TALLYSTICK_DATABASE": "the setting database, before what service.toml says; every other setting, in "
            "capitals. `tallystick-service settings DIR` shows them",
            "TALLYSTICK_WEBHOOK_SECRET": "what signs the calls of `monitor --webhook`",
            "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY": "who may write public files on S3",
        },
        {
            "DIR/service.toml": "the settings; `key` writes it with every setting and its default",
            "DIR/journal.sqlite": "the database, unless a setting names another",
            "DIR/public/": "what everyone may read, unless a setting names a bucket",
            "DIR/online.key, DIR/log.key": "the private keys; only their owner may read them. A guard holds the first "
            "elsewhere",
        },
        {
            "Begin a registry, after the ceremony:": "tallystick-service init DIR --sealed sealed",
            "Serve it:": "tallystick-service serve DIR",
            "Let a client of the API in:": "tallystick-service token new DIR registry --role registry",
            "Is the installation well, and what should be done?": "tallystick-service doctor DIR",
            "Does all of it agree?": "tallystick-service fsck DIR",
        },
    ),
    Page(
        "tallystick-ceremony",
        ceremony.cli.parser(),
        {0: "done", 2: "a mistaken command", **_ceremony_statuses()},
        {},
        {
            "DIR/plan.toml": "the plan that is reviewed",
            "DIR/sealed/": "the result, for the service and for clients",
            "NAME.key, NAME.pub": "a holder's key and its public half. What lies beside a key is the memory of what it "
            "has signed, and belongs to it",
            "*.request, *.answer": "what goes to a holder, and what comes back",
        },
        {
            "A holder's key, on their own machine:": "tallystick-ceremony key new alice --out /media/alice",
            "Read all of it, then sign:": "tallystick-ceremony sign acme-root-1.request --key /media/alice/alice.key",
            "What is still missing?": "tallystick-ceremony status DIR",
        },
    ),
)


def write() -> None:
    """Every page again."""
    MAN.mkdir(exist_ok=True)
    for page in PAGES:
        (MAN / f"{page.name}.1").write_text(written(page), "utf-8")


def written(page: Page) -> str:
    """A page's text."""
    kept: list[str] = []
    for line in _lines(page):
        if line != ".PP" or not kept[-1].startswith((".SH", ".SS")):  # a heading begins a paragraph
            kept.append(line)
    return "\n".join(kept) + "\n"


def _lines(page: Page) -> Iterator[str]:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    told = page.parser
    yield r".\" Made by tests/shipping/manual.py from the command itself: change that, and not this."
    yield f'.TH {page.name.upper()} 1 "" "tallystick {version}" "Tallystick"'
    yield from (".nh", ".ad l")  # a command that is hyphenated or stretched is another command
    yield from (".SH NAME", _plain(f"{page.name} - {_uncapped(told.description or '')}"))
    yield from (".SH SYNOPSIS", f".B {_plain(page.name)}", r"COMMAND [OPTION \&...]", ".br")
    yield from (f".B {_plain(page.name)}", r"COMMAND \-\-help")
    yield from (".SH DESCRIPTION", *_story(told.description), *_story(told.epilog))
    yield from _options(told)
    yield ".SH COMMANDS"
    for words, summary, command in _commands(told, ()):
        yield from _command(words, summary, command)
    yield from _tagged("EXIT STATUS", {str(status): said for status, said in page.statuses.items()})
    yield from _tagged("ENVIRONMENT", page.environment)
    yield from _tagged("FILES", page.files)
    yield ".SH EXAMPLES"
    for purpose, line in page.examples.items():
        yield from (".PP", *_prose(purpose), ".PP", ".RS 4", ".nf", _plain(line), ".fi", ".RE")
    others = [other.name for other in PAGES if other is not page]
    yield from (".SH SEE ALSO", ",\n".join(f".BR {_plain(other)} (1)" for other in others).replace(",\n", " ,\n"))


def _command(words: tuple[str, ...], summary: str, command: argparse.ArgumentParser) -> Iterator[str]:
    required = [
        _with_value(each) for each in command._actions if each.required and each.option_strings
    ]  # an action's list has no public name
    yield f'.SS "{_plain(" ".join((*words, *required, *(_value(each) for each in _positional(command)))))}"'
    yield from _story(command.description or f"{summary[:1].upper()}{summary[1:]}.")
    yield from _arguments(command)
    yield from _options(command)
    yield from _story(command.epilog)


def _commands(
    parser: argparse.ArgumentParser, before: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], str, argparse.ArgumentParser]]:
    """Every command that does something, in the order of the help: its words, its line there, its parser."""
    for family in _families(parser):
        for listed in family._choices_actions:
            command: argparse.ArgumentParser = family.choices[listed.dest]  # type: ignore[index]
            words = (*before, listed.dest)
            if _families(command):
                yield from _commands(command, words)
            else:
                yield words, listed.help or "", command


def _families(parser: argparse.ArgumentParser) -> "list[argparse._SubParsersAction[argparse.ArgumentParser]]":
    return [each for each in parser._actions if isinstance(each, argparse._SubParsersAction)]


def _positional(command: argparse.ArgumentParser) -> list[argparse.Action]:
    return [each for each in command._actions if not each.option_strings]


def _arguments(command: argparse.ArgumentParser) -> Iterator[str]:
    for each in _positional(command):
        if each.help:
            yield from _tag(_name(each), _help(each))


def _options(parser: argparse.ArgumentParser) -> Iterator[str]:
    for each in parser._actions:
        if each.option_strings and each.dest != "help" and each.help != argparse.SUPPRESS:
            said = "show the version, and end" if each.dest == "version" else _help(each)
            yield from _tag(", ".join((*each.option_strings[:-1], _with_value(each))), said)


def _help(action: argparse.Action) -> str:
    said = (action.help or "") % {**vars(action), "prog": ""}
    choices = " or ".join(str(each) for each in action.choices or ())
    default = (
        f"default: {action.default}" if isinstance(action.default, str | int | float) and action.nargs != 0 else ""
    )
    known = [part for part in (choices, default) if part and part not in said and "(default" not in said]
    return "; ".join(part for part in (said, *known) if part)


def _with_value(option: argparse.Action) -> str:
    return option.option_strings[-1] if option.nargs == 0 else f"{option.option_strings[-1]} {_value(option)}"


def _value(action: argparse.Action) -> str:
    name = _name(action).removesuffix("...")
    match action.nargs:
        case "?":
            return f"[{name}]"
        case "*" | "...":
            return f"[{name} ...]"
        case "+":
            return f"{name} ..."
    return name


def _name(action: argparse.Action) -> str:
    return str(action.metavar or action.dest.upper())


def _tagged(title: str, rows: Mapping[str, str]) -> Iterator[str]:
    if rows:
        yield f".SH {title}"
    for tag, said in rows.items():
        yield from _tag(tag, said)


def _tag(tag: str, said: str) -> Iterator[str]:
    yield from (".TP", f".B {_plain(tag)}", *(_prose(said) or [r"\&"]))


def _story(text: str | None) -> Iterator[str]:
    """Paragraphs; lines that are indented stand as they are."""
    for paragraph in (text or "").strip("\n").split("\n\n"):
        for indented, lines in groupby(paragraph.split("\n"), key=lambda line: line.startswith("  ")):
            if indented:
                yield from (".PP", ".RS 4", ".nf", *(_plain(line[2:]) for line in lines), ".fi", ".RE")
            elif (together := " ".join(line.strip() for line in lines)).strip():
                yield from (".PP", *_prose(together))


def _uncapped(sentence: str) -> str:
    return (sentence[:1].lower() + sentence[1:]).rstrip(".")


def _prose(text: str) -> list[str]:
    """A paragraph on lines of a good length."""
    return [_plain(line) for line in textwrap.wrap(text, 76, break_on_hyphens=False, break_long_words=False)]


def _plain(text: str) -> str:
    """Text that stays as it is written: hyphens that can be copied, and no line that reads as a request."""
    kept = text.replace("\\", r"\e").replace("-", r"\-").replace('"', r"\(dq").replace("…", r"\&...")
    return r"\&" + kept if kept.startswith((".", "'")) else kept


if __name__ == "__main__":
    write()
