"""What a refusal means and what to do: explain."""

import argparse

from client_verify.commands import terminal
from client_verify.places import Places
from client_verify.refusals import KINDS, Code


def add(commands: terminal.Commands) -> None:
    """Add this family to the parser."""
    command = terminal.command(
        commands,
        "explain",
        """
        What a refusal means and what to do about it. Without a code, all of them in
        a table with their exit codes.

        Example:
          tallystick explain rollback
        """,
        [terminal.JSON],
    )
    command.add_argument("code", nargs="?", choices=sorted(KINDS), metavar="CODE", help="one of the table")
    command.add_argument("--all", action="store_true", help="explain every refusal")
    command.set_defaults(answer=_explain)


def _explain(arguments: argparse.Namespace, _: Places) -> int:
    """With --json: ``refusals``, from each code to ``exit``, ``status`` (of HTTP), ``title`` and ``explanation``."""
    codes: list[Code] = [arguments.code] if arguments.code else list(KINDS)
    if arguments.json:
        terminal.tell({"refusals": {code: _as_json(code) for code in codes}})
    elif arguments.code or arguments.all:
        print("\n".join(_paragraph(code) for code in codes))
    else:
        print("\n".join(_table(codes)))
    return 0


def _as_json(code: Code) -> dict[str, object]:
    kind = KINDS[code]
    return {"exit": kind.exit, "status": kind.status, "title": kind.title, "explanation": kind.explanation}


def _paragraph(code: Code) -> str:
    kind = KINDS[code]
    return f"{code} (exit code {kind.exit}): {kind.title}\n{terminal.folded(kind.explanation)}"


def _table(codes: list[Code]) -> list[str]:
    rows = [("exit", "code", "it means"), *((str(KINDS[code].exit), code, KINDS[code].title) for code in codes)]
    table = [f"{exit_code:<6}{code:<17}{title}" for exit_code, code, title in rows]
    return [
        *table,
        "",
        "What to do about one: tallystick explain CODE.",
    ]
