"""Which policy judges, which ones come, and what each changes and when."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from flask import Blueprint, Response

from keys.times import moment
from repo_service.console import pages
from repo_service.console.console import Console
from repo_service.domain import flags
from repo_service.domain.announcing import Difference, differences, in_force
from repo_service.domain.policy import RULES, Policy, Step, enforced_from, flat, phase
from repo_service.operating.status import span

DOES: Final = {"enforce": "refuses", "warn": "warns", "off": "is off"}
"""What a rule does in each phase."""
_META: Final = ("name", "version", "phases", "effective_from", "emergency")


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that comes by phases: where it stands, and when it will refuse, if that is settled."""

    code: str
    demands: str
    phase: str
    enforced_from: str | None


def register(routes: Blueprint, console: Console) -> None:
    """The page."""

    @routes.get("/policies")
    def policies() -> Response:
        now = console.desk.clock()
        with console.desk.journal.reading() as view:
            published, unsigned = view.policies(), {each.id for each in view.unsigned_policies()}
            standing = flags.standing(view.flags())
        judging = in_force(published, now)
        coming = [each for each in published if moment(each.effective_from) > now]
        return pages.page(
            "policies.html", now=now, judging=next(each for each in published if each.policy == judging),
            coming=[(each, shown(differences(judging, each.policy)), phases(judging, each.policy)) for each in coming],
            does=DOES, unsigned=unsigned,
            past=[each for each in published if each not in coming and each.policy != judging],
            rules=[rule(judging, code, now) for code in sorted(RULES)], parameters=parameters(judging),
            flags=standing,
        )  # fmt: skip


def rule(policy: Policy, code: str, now: datetime) -> Rule:
    """How far a rule has come."""
    return Rule(code, RULES[code], phase(policy, code, now), enforced_from(policy, code, now))


def parameters(policy: Policy) -> dict[str, list[tuple[str, str]]]:
    """Every parameter by its section, as people read it."""
    found: dict[str, list[tuple[str, str]]] = {}
    for path, value in flat(policy).items():
        section, _, own = path.partition(".")
        if section not in _META:
            found.setdefault(section, []).append((own, said(path, value)))
    return found


def shown(found: list[Difference]) -> list[tuple[str, str, str]]:
    """Differences as people read them, without what is another in every version."""
    changed = [each for each in found if each.parameter not in _META]
    return [(each.parameter, said(each.parameter, each.old), said(each.parameter, each.new)) for each in changed]


def phases(old: Policy, new: Policy) -> list[tuple[str, str, str]]:
    """The rules whose phases are others, and what they were and will be."""
    steps = [{code: _steps(policy, code) for code in RULES} for policy in (old, new)]
    return [(code, steps[0][code], steps[1][code]) for code in sorted(RULES) if steps[0][code] != steps[1][code]]


def _steps(policy: Policy, code: str) -> str:
    """In the order of time; without any, a rule refuses from the beginning."""
    found = next((each.steps for each in policy.phases if each.code == code), (Step("enforce"),))
    return ", ".join(DOES[step.phase] + (f" from {step.since[:10]}" if step.since else "") for step in found)


def said(path: str, value: object) -> str:
    """A value of a parameter."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and path.endswith("_s"):
        return span(timedelta(seconds=value)) if value else "0"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)
