"""What follows for people and for clients if a draft is signed and published, one sentence each."""

from collections.abc import Iterator, Mapping
from typing import Final

from tuf.api.metadata import Root

from ceremony.dates import long_date
from ceremony.draft import RENEW, Draft, bins_of
from keys import layout, rules
from keys.names import name_of

WARNING: Final = "WARNING"


def consequences(drafted: Draft, names: Mapping[str, str]) -> list[str]:
    """All of them, those that must be said loudly first."""
    said = [*_spare(drafted), *_online(drafted), *_bins(drafted), *_holders(drafted, names), *_threshold(drafted)]
    said += [*_held(drafted), *_minimum_client(drafted), *_dates(drafted)]
    return sorted(said, key=lambda sentence: not sentence.startswith(WARNING))


def _spare(drafted: Draft) -> Iterator[str]:
    count, threshold = len(drafted.plan.holders), drafted.plan.threshold
    if (spare := count - threshold) == 0:
        yield (
            f"{WARNING}: all {count} of {count} holders must sign. After one lost key nobody can ever change this root "
            "again. Lower the threshold or add a holder."
        )
    else:
        yield f"{_counted(spare, 'key')} of {count} can be lost before nobody can change this root any more."
    if threshold == 1:
        yield f"{WARNING}: one holder alone can change everything: whoever steals one key owns this repository."


def _online(drafted: Draft) -> Iterator[str]:
    if drafted.current is not None and drafted.plan.online.key not in rules.online_keyids(drafted.current.root):
        yield (
            f"{WARNING}: the online key changes. Before this is published the service must have signed everything with "
            "both keys, or every client fails until all is signed again; it takes these files in only then."
        )


def _bins(drafted: Draft) -> Iterator[str]:
    if drafted.current is not None and (before := bins_of(drafted.current)) != drafted.plan.bins:
        yield (
            f"{WARNING}: {before} bins become {drafted.plan.bins}. The service signs all of them in one release, so "
            "every client fetches what it needs once more."
        )


def _holders(drafted: Draft, names: Mapping[str, str]) -> Iterator[str]:
    if drafted.current is None:
        return
    before, after = _root_keyids(drafted.current.root), _root_keyids(_root(drafted))
    for keyid in sorted(before - after):
        yield f"{names.get(keyid, f'Key {keyid:.16}')} can no longer sign anything here."
    for keyid in sorted(after - before):
        yield f"{names.get(keyid, f'Key {keyid:.16}')} can sign from now on."


def _threshold(drafted: Draft) -> Iterator[str]:
    if drafted.current is None:
        return
    before, after = drafted.current.root.roles[layout.ROOT].threshold, drafted.plan.threshold
    if after < before:
        yield f"{WARNING}: {after} holders are enough from now on, where it took {before}."
    elif after > before:
        yield f"It takes {after} holders from now on, where {before} were enough."


def _held(drafted: Draft) -> Iterator[str]:
    before = drafted.current.pages.keys() if drafted.current is not None else frozenset[str]()
    for path in sorted(drafted.pages.keys() - before):
        yield f"Nobody can install {_named(path)} any more, whatever the service signs."
    for path in sorted(before - drafted.pages.keys()):
        yield f"{_named(path)} is no longer held: what the service signs of it counts again."


def _minimum_client(drafted: Draft) -> Iterator[str]:
    if drafted.plan.minimum_client:
        yield (
            f"{WARNING}: clients older than {drafted.plan.minimum_client} cannot read these files and stop for good "
            "until they are upgraded."
        )


def _dates(drafted: Draft) -> Iterator[str]:
    first = min((body.expires, role) for role, body in drafted.bodies.items())
    yield f"Clients go on until {long_date(first[0])}, when {first[1]} expires; sign again from {_renewal(drafted)}."
    if drafted.current is not None:
        ahead = drafted.bodies[layout.ROOT].version - drafted.plan.oldest_root
        yield f"Clients that were given root {drafted.plan.oldest_root} follow {_counted(ahead, 'root')} to this one."


def _renewal(drafted: Draft) -> str:
    return long_date(min(body.expires for body in drafted.bodies.values()) - RENEW)


def _root(drafted: Draft) -> Root:
    body = drafted.bodies[layout.ROOT]
    assert isinstance(body, Root)
    return body


def _root_keyids(root: Root) -> frozenset[str]:
    return frozenset(root.roles[layout.ROOT].keyids)


def _named(path: str) -> str:
    return name_of(path.split("/")[1])


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
