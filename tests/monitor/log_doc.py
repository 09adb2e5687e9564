"""The tables of docs/LOG.md about the monitor, from the code: ``python -m tests.monitor.log_doc`` writes them again."""

from dataclasses import fields
from pathlib import Path
from typing import Final

from repo_service.commands import monitor
from repo_service.monitor import limits, telling
from repo_service.monitor.limits import Limits

DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "LOG.md"
BEGIN, END = "<!-- monitor: begin -->\n", "<!-- monitor: end -->\n"


def tables() -> str:
    """Exit statuses, codes and limits."""
    statuses = [f"| {code} | {text} |" for code, text in monitor.EXITS.items()]
    bounds = [f"| `{each.name}` | {each.default} | {limits.ABOUT[each.name]} |" for each in fields(Limits)]
    return "\n".join([
        "| exit status | says |", "|---|---|", *statuses, "",
        "| code | level | says | next |", "|---|---|---|---|", *_codes(), "",
        "Limits are the most that is no alarm yet. `--limits FILE` gives others, in TOML (`withdrawn = 50`).", "",
        "| limit | default | counts |", "|---|---|---|", *bounds, "",
    ])  # fmt: skip


def _codes() -> list[str]:
    """Alarms first."""
    return [
        f"| `{code}` | {level} | {text} | {telling.DO[code] or '–'} |"
        for wanted in ("alarm", "notice")
        for code, (level, text) in telling.CODES.items()
        if level == wanted
    ]


def main() -> None:
    path = DOCUMENT
    text = path.read_text()
    before, after = text.partition(BEGIN)[0], text.partition(END)[2]
    path.write_text(f"{before}{BEGIN}{tables()}{END}{after}")


if __name__ == "__main__":
    main()
