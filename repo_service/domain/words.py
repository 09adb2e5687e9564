"""Words that are no new name: the modules of a registry's language, and what Windows cannot store."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from keys.names import normalise
from keys.skeletons import skeleton
from repo_service.domain.policy import Policy


def is_reserved(name: str, policy: Policy) -> bool:
    """Whether a normalised name is such a word."""
    return policy.names.language_modules == "deny" and name in _words(policy.names.grammar).values()


def looks_like(name: str, policy: Policy) -> str | None:
    """The word that a normalised name looks like, if it is not that word itself."""
    if policy.names.language_modules == "off":
        return None
    word = _words(policy.names.grammar).get(skeleton(name))
    return word if word != name else None


@cache
def _words(grammar: str) -> Mapping[str, str]:
    """The words of a grammar's language in normal form, by their skeletons."""
    presets = files("repo_service.domain").joinpath("presets")
    text = "".join(presets.joinpath(f"{each}.words").read_text("utf-8") for each in (grammar, "windows"))
    listed = [word for line in text.splitlines() if not line.startswith("#") for word in line.split()]
    return {skeleton(word): word for word in map(normalise, listed)}
