"""The soak's checker goes red where it must: on recorded runs of wrong publishers, and on a right one with a lie in it.

The recordings in ``recorded`` are of ``python -m tests.soak --broken NAME --keep``, with two of the projects left in.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from tests.soak.checker import Verdict, check, sorted_by_kind
from tests.soak.history import Answer, End, Entry, Look, Page, Shown, Sight, Signed, read

RECORDED: Final = Path(__file__).parent / "recorded"


def recorded(name: str) -> list[Entry]:
    """What happened in a run."""
    return list(read(RECORDED, f"{name}.jsonl"))


def judged(entries: list[Entry]) -> Verdict:
    return check(sorted_by_kind(entries))


def test_of_a_right_run_everything_is_proven() -> None:
    verdict = judged(recorded("right"))
    assert verdict.violations == []
    assert verdict.figures["acked"] > 50 and verdict.figures["generations"] > 20
    assert verdict.figures["visible_ms_p99"] >= verdict.figures["visible_ms_p50"] > 0


def test_a_publisher_that_points_first_is_caught_by_a_client() -> None:
    verdict = judged(recorded("timestamp-first"))
    assert verdict.failures and all("snapshot.json: HTTP status 404" in each for each in verdict.failures)
    assert not verdict.lost


def test_a_sleeper_that_takes_the_pointer_back_is_caught_by_clients_that_remember() -> None:
    verdict = judged(recorded("pointer-unguarded"))
    assert any("rollback attack detected" in each for each in verdict.failures)
    assert any("the pointer went back from 31 to 29" in each for each in verdict.failures)
    assert not verdict.lost


def test_a_publisher_that_forgets_a_name_is_caught_in_the_end() -> None:
    verdict = judged(recorded("event-forgotten"))
    assert any("is signed, and clients are not shown it" in each for each in verdict.lost)
    assert any("clients see soak-0-0 other than it was acknowledged" in each for each in verdict.lost)


LIES: Final[dict[str, tuple[type[Any], Callable[[Any], Any], str]]] = {
    "an event was lost": (Signed, lambda event: replace(event, change="another"), "has no event of it"),
    "an event was never signed": (Signed, lambda event: replace(event, release=None), "is in no release"),
    "an event was doubled": (Signed, lambda event: replace(event, type="release.yanked"), "made ["),
    "nobody asked for an event": (Signed, lambda event: replace(event, change="nobody's"), "nobody asked"),
    "events were signed in another order": (Signed, lambda event: replace(event, release=10_000), "asked for first"),
    "one key was answered with two changes": (Answer, lambda answer: replace(answer, change="a second"), "answered as"),
    "a receipt told a wrong serial": (
        Answer,
        lambda answer: replace(answer, serial=10_000),
        "was answered with serial",
    ),
    "a page went back": (Page, lambda page: replace(page, serial=1), "clients are not shown it"),
    "a page tells of other releases": (
        Page,
        lambda page: replace(page, releases={}),
        "other than it was acknowledged",
    ),
    "a client refused": (Look, lambda look: replace(look, failure="rollback: 3 after 4", network=False), "refused"),
    "a client saw an old snapshot": (Look, lambda look: replace(look, timestamp=1, begun=look.begun + 5), "was public"),
    "the pointer went back": (Shown, lambda shown: replace(shown, timestamp=1), "the pointer went back"),
    "one name had two contents": (Sight, lambda sight: replace(sight, sha256="0" * 64), "equivocation"),
    "the auditor found something": (End, lambda end: replace(end, wrong=["serials are not 1, 2, 3"]), "1, 2, 3"),
}


@pytest.mark.parametrize("lie", LIES)
def test_one_lie_in_a_right_run_is_found(lie: str) -> None:
    """The middle one of all entries of that kind that can carry it says something else."""
    kind, told, sentence = LIES[lie]
    entries = recorded("right")
    places = [place for place, entry in enumerate(entries) if isinstance(entry, kind) and _carries(entries, entry, lie)]
    place = places[len(places) // 2]
    lying = [*entries[:place], told(entries[place]), *entries[place + 1 :]]
    if kind is Sight:
        lying.append(entries[place])
    assert any(sentence in each for each in judged(lying).violations), judged(lying).violations


def _carries(entries: list[Entry], entry: Entry, lie: str) -> bool:
    """Whether a lie about this entry is one that anybody could notice."""
    if isinstance(entry, Answer):
        twins = [other for other in entries if isinstance(other, Answer) and other.key == entry.key]
        return entry.serial is not None and len(twins) > 1
    if isinstance(entry, Signed):
        return entry.type == "release.published" and entry.serial > 2
    return not isinstance(entry, Look) or (entry.failure is None and entry.timestamp > 1)
