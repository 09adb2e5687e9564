"""The tables of docs/POLICY.md, from the data: ``python -m tests.domain.policy_doc`` writes them again."""

import inspect
import re
from pathlib import Path
from typing import Final

import repo_service.domain
from repo_service.domain import policy
from repo_service.wiring import presets

POLICY_MD: Final = Path(__file__).parents[2] / "docs" / "POLICY.md"
ORDER: Final = ("standard", "pypi", "pypi-strict", "npm", "npm-2016", "crates")
BEGIN, END = "<!-- tables: begin -->\n", "<!-- tables: end -->\n"
_DEFAULT: Final = re.compile(r" \(\d+ (?:hours?|days)\)")  # a value's own explanation, which the columns give
_LINE: Final = re.compile(r"^(\w+) = .*?\s# (.*)$")


def explained() -> dict[str, str]:
    """What standard.toml says of each parameter, by its dotted path."""
    found, section = {}, ""
    for line in presets()["standard"].splitlines():
        if line.startswith("["):
            section = line[1 : line.index("]")]
        elif section and (match := _LINE.match(line)):
            found[f"{section}.{match[1]}"] = _DEFAULT.sub("", match[2])
    return {path: text for path, text in found.items() if not path.startswith("phases.")}


def judged() -> set[str]:
    """Parameters that the domain's code reads: the service itself acts on them."""
    folder = Path(repo_service.domain.__path__[0])
    code = "\n".join(_unaliased(path.read_text()) for path in folder.glob("*.py"))
    window = inspect.getsource(policy.Unpublish.owner_window_s)
    return {
        path for path in explained()
        if re.search(rf"\b{re.escape(path)}\b", code)
        or (path.startswith("unpublish.") and re.search(rf"self\.{path.split('.')[1]}\b", window))
    }  # fmt: skip


def _unaliased(code: str) -> str:
    """``limits.x`` as ``yank.x``, where ``limits`` is ``case.policy.yank``."""
    for alias, section in re.findall(r"(\w+) = (?:[\w.]+, )?case\.policy\.(\w+)\n", code):
        code = re.sub(rf"\b{alias}\.", f"{section}.", code)
    return code


def tables() -> str:
    """One table a section: a row for each parameter, a column for each preset."""
    shipped = [policy.flat(policy.preset(name, presets())) for name in ORDER]
    mine, found, section = judged(), [], ""
    for path, text in explained().items():
        if path.split(".")[0] != section:
            section = path.split(".")[0]
            found += [f"\n### {section}\n", f"| parameter | meaning | {' | '.join(ORDER)} |", f"|{'---|' * 8}"]
        mark = " ●" if path in mine else ""
        values = " | ".join(_shown(path, preset[path]) for preset in shipped)
        found.append(f"| `{path.split('.')[1]}`{mark} | {text} | {values} |")
    return "\n".join(found) + "\n\n" + _rules()


def _rules() -> str:
    rows = [f"| `{code}` | {demand} |" for code, demand in policy.RULES.items()]
    return "\n".join(["### phases\n", "| rule | what it demands |", "|---|---|", *rows]) + "\n"


def _shown(path: str, value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and path.endswith("_s") and value >= 3600:
        return f"{value} ({value // 3600} h)"
    return ", ".join(map(str, value)) or "–" if isinstance(value, list) else str(value)


def main() -> None:
    text = POLICY_MD.read_text()
    before, after = text.partition(BEGIN)[0], text.partition(END)[2]
    POLICY_MD.write_text(f"{before}{BEGIN}{tables()}{END}{after}")


if __name__ == "__main__":
    main()
