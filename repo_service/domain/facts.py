"""What only the registry knows, as of when it looked. Missing or stale it means no: never none, never zero."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from keys.times import moment
from repo_service.domain import requests as r
from repo_service.domain.case import Case, Why


@dataclass(frozen=True, slots=True)
class Question:
    """Something that is counted: where a request says it, what is asked, what was found, and the code if too many."""

    said_in: str
    asked: str
    found: str
    code: str


DEPENDENTS: Final = Question(
    "dependents", "how many projects depend on it", "{} projects depend on it", "has_dependents"
)
UNSATISFIED: Final = Question(
    "dependents",
    "how many projects depend on it that no other release satisfies",
    "{} projects depend on it that no other release satisfies",
    "has_dependents",
)
DOWNLOADS: Final = Question(
    "downloads", "how often it was downloaded in 7 days", "it was downloaded {} times in 7 days", "too_many_downloads"
)
OWNERS: Final = Question(
    "owners", "how many accounts own the project", "{} accounts own the project", "multiple_owners"
)


PROJECT_DEPENDENTS: Final = replace(DEPENDENTS, said_in="facts.dependents")
PROJECT_OWNERS: Final = replace(OWNERS, said_in="facts.owners")
PROJECT_DOWNLOADS: Final = Question(
    "facts.downloads", "how often the project was downloaded so far", "it was downloaded {} times", "too_many_downloads"
)
OBSERVERS: Final = Question("observers", "how many reported it", "{} reported it", "too_few_observers")
TRUSTED: Final = Question("trusted", "how many of them are trusted", "{} of them are trusted", "too_few_observers")


def is_fresh(case: Case, as_of: str) -> bool:
    """Whether something was looked up recently enough to count."""
    age = (case.now - moment(as_of)).total_seconds()
    return -case.policy.files.upload_skew_s <= age <= case.policy.facts.max_age_s


def unknown(case: Case, fact: r.Fact | None, question: Question) -> Iterator[Why]:
    """An objection unless the registry says, freshly, how many there are."""
    if fact is None:
        yield Why("facts_missing", f"say {question.asked}: {question.said_in} {{value, as_of}}")
    elif not is_fresh(case, fact.as_of):
        age, oldest = int((case.now - moment(fact.as_of)).total_seconds()), case.policy.facts.max_age_s
        sentence = f"the number of {question.said_in} is {age} s old; it may be {oldest} s old at most"
        yield Why("facts_stale", sentence, {"as_of": fact.as_of, "max_age_s": oldest})


def at_most(case: Case, fact: r.Fact | None, most: int, question: Question) -> Iterator[Why]:
    """An objection unless the registry says, freshly, that there are no more than this."""
    not_known = [*unknown(case, fact, question)]
    yield from not_known
    if fact is not None and not not_known and fact.value > most:
        sentence = question.found.format(fact.value) + (f"; at most {most} let an owner unpublish it" if most else "")
        params: dict[str, str | int] = {"count": fact.value, "as_of": fact.as_of}
        yield Why(question.code, sentence, params | ({"most": most} if most else {}))


def enough_observers(case: Case, request: r.Quarantine, created: str) -> Iterator[Why]:
    """Whether reports alone may quarantine a project: of several observers, or one while it is young; one trusted."""
    rules = case.policy.quarantine
    if rules.automatic == "off":
        yield Why("feature_disabled", f"only moderators and admins quarantine here, says the policy {case.policy.id}")
        return
    not_known = [*unknown(case, request.observers, OBSERVERS), *unknown(case, request.trusted, TRUSTED)]
    yield from not_known
    if not_known or request.observers is None or request.trusted is None:
        return
    young = (case.now - moment(created)).total_seconds() < rules.young_s
    needed = 1 if young else rules.observers
    if request.observers.value < needed or not request.trusted.value:
        found = f"{request.observers.value} observers reported it, {request.trusted.value} of them trusted"
        params: dict[str, str | int] = {"observers": request.observers.value, "needs": needed}
        yield Why("too_few_observers", f"{found}; it takes {needed}, one of them trusted", params)
