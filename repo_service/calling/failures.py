"""Why a call brought no answer to use, and whether the change may have been taken."""

from repo_service.calling.answers import Problem


class CallFailed(Exception):
    """A call brought no answer to use. ``key`` is its Idempotency-Key, None where it needs none."""

    def __init__(self, said: str, key: str | None) -> None:
        super().__init__(said)
        self.key = key


class Refused(CallFailed):
    """The service turned the request away, and nothing was written. The same again will be turned away too."""

    def __init__(self, problem: Problem, key: str | None) -> None:
        super().__init__(_sentence(problem), key)
        self.problem = problem


class Unanswered(CallFailed):
    """Nobody answered in time, or only "not now". Unless it was a mere question, the change may have been taken.

    Send the same again with the same ``key``: it is done once. ``problem`` is what was said last, if anything was.
    """

    def __init__(self, method: str, url: str, key: str | None, tries: int, last: str, problem: Problem | None) -> None:
        times = f"{tries} {'try' if tries == 1 else 'tries'}"
        super().__init__(f"{method} {url}: no answer after {times} ({last}). {_again(method, key)}", key)
        self.problem = problem


class Misdirected(CallFailed):
    """The answer is a redirect or is not of the form that the service's answers have: it is not the service's.

    The token is never sent to where a redirect points.
    """


class Altered(CallFailed):
    """The service stored other bytes than those that were sent. What it has is not what was meant: publish it not."""


def _sentence(problem: Problem) -> str:
    said = f"{problem.status} {problem.code}: {problem.detail}"
    return "\n".join(
        [said, *(f"  {each.detail}. What helps: {each.help}; ask: {each.ask}" for each in problem.reasons)]
    )


def _again(method: str, key: str | None) -> str:
    if method == "GET":
        return "Ask again later."
    under = "" if key is None else f" with the Idempotency-Key {key}"
    return f"The change may have been taken; send the same again{under}: it is done once."
