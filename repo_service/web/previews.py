"""What a change would do, as an answer: for ``?dry_run=true``, and for an owner who asks what they may remove."""

from collections.abc import Mapping
from typing import Any, Final, get_type_hints

from keys import names, strict
from repo_service.domain import requests as r
from repo_service.domain.foresight import Foresight
from repo_service.web.problems import reason

FACTS: Final = sorted(name for name, kind in get_type_hints(r.Unpublish).items() if kind == r.Fact | None)
"""Query parameters of an eligibility: what the registry knows, each a number, all as of ``as_of``."""


def described(found: Foresight) -> dict[str, Any]:
    """A preview's answer; also where it is denied: nothing was asked to be done, so nothing was refused."""
    return {
        "name": found.name,
        "serial": found.serial,
        "policy": found.policy,
        "outcome": found.outcome,
        "reasons": [reason(why) for why in found.reasons],
        "would": strict.dump(found.would),
        "warnings": strict.dump(found.warnings),
        "alternatives": list(found.alternatives),
        "preview_digest": found.digest,
        "valid_until": found.valid_until,
    }


def unpublishing(name: str, version: str, query: Mapping[str, str]) -> r.Unpublish:
    """The owner's request that an eligibility is about. Malformed if the query says something else."""
    if unknown := sorted(query.keys() - {"as_of", "contact", "reason", *FACTS}):
        known = ", ".join(["as_of", "contact", "reason", *FACTS])
        raise strict.Malformed(unknown[0], f"is not known here; known are {known}")
    as_of = query.get("as_of")
    body: dict[str, Any] = {
        fact: {"value": _number(fact, query[fact]), "as_of": as_of} for fact in FACTS if fact in query
    }
    contact = {"contact": {"state": query["contact"], "as_of": as_of}} if "contact" in query else {}
    asked = {"name": names.normalise(name), "version": version, "reason": {"code": query.get("reason", "asked")}}
    return strict.load(r.Unpublish, {**asked, **body, "actor": {"kind": "owner", **contact}})


def _number(parameter: str, text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 15:
        raise strict.Malformed(parameter, f"must be a whole number, not {text!r:.40}")
    return int(text)
