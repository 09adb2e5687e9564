"""What follows for people and for clients if a draft is signed and published, one sentence each."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from tuf.api.metadata import Root

from ceremony.dates import long_date
from ceremony.draft import RENEW, Draft, bins_of
from keys import layout, rules
from keys.names import name_of
from keys.tlog import proofs
from keys.tlog.proofs import Policy

WARNING: Final = "WARNING"


def consequences(drafted: Draft, names: Mapping[str, str]) -> list[str]:
    """All of them, those that must be said loudly first."""
    said = [*_spare(drafted), *_online(drafted), *_bins(drafted), *_holders(drafted, names), *_threshold(drafted)]
    said += [*_held(drafted), *_minimum_client(drafted), *_log(drafted), *_dates(drafted)]
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
    before, after = _root_keyids(drafted.current.root), _root_keyids(drafted.root)
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


def _log(drafted: Draft) -> Iterator[str]:
    before = proofs.policy_of(drafted.current.root) if drafted.current is not None else None
    after = proofs.policy_of(drafted.root)
    if after is not None:
        yield from (*_another_log(drafted, after), *_log_changes(before, after), *_seen_by(after), *_one_house(after))
    elif before is not None:
        yield (
            f"{WARNING}: no log is named any more. Clients that require one refuse everything, and the others no "
            "longer find out what was signed for them alone."
        )


def _another_log(drafted: Draft, after: Policy) -> Iterator[str]:
    roots = [file.body for file in drafted.current.roots if isinstance(file.body, Root)] if drafted.current else []
    if (old := rules.last_log(roots)) is None:
        yield (
            f"Clients can require the log {after.origin} from now on. The service takes these files in only if it has "
            "the log's key."
        )
    elif old.origin != after.origin:
        yield (
            f"{WARNING}: {after.origin} is another log than {old.origin}, and begins anew. Who remembers the old one "
            "cannot compare them: say publicly why, keep the old one readable, and tell its monitors and witnesses."
        )


def _log_changes(before: Policy | None, after: Policy) -> Iterator[str]:
    if before is None:
        return
    if before.origin == after.origin and set(after.keys) - set(before.keys):
        yield (
            f"{WARNING}: the log's key changes. Before this is published each witness must know the new one, or it "
            "cosigns no more; the service takes these files in only if it has it."
        )
    for key in before.keys:
        if key not in after.keys:
            yield f"What key {key.id.hex()} signs of the log {key.name} does not count any more."
    for key in before.witnesses:
        if key not in after.witnesses:
            yield f"{key.name}, key {key.id.hex()}, is no witness any more."
    for key in after.witnesses:
        if key not in before.witnesses:
            yield f"{key.name}, key {key.id.hex()}, is a witness from now on."
    if after.quorum < before.quorum:
        yield f"{WARNING}: {_witnesses(after.quorum)} enough from now on, where it took {before.quorum}."


def _seen_by(policy: Policy) -> Iterator[str]:
    count = len(policy.witnesses)
    if not policy.quorum:
        yield (
            f"{WARNING}: no witness need have seen the log. Whoever steals the online key and the log's can show one "
            "client another log than everybody else, and only who compares them finds out."
        )
        return
    yield (
        f"Clients that require the log refuse what fewer than {policy.quorum} of these {_counted(count, 'witness')} "
        "have seen."
    )
    if policy.quorum == count:
        yield (
            f"{WARNING}: all {count} of {count} witnesses must have seen it. One that is away stops every client that "
            "requires the log. Lower the quorum or add a witness."
        )


def _one_house(policy: Policy) -> Iterator[str]:
    """Where all witnesses are of one domain, or as many as are enough."""
    domains = Counter(_domain(key.name) for key in policy.witnesses)
    for domain, count in domains.items():
        if count > 1 and (count == len(policy.witnesses) or 1 < policy.quorum <= count):
            yield (
                f"{WARNING}: {count} of the {len(policy.witnesses)} witnesses are of {domain}, one house, which can "
                "lie or be broken into once for all of them."
            )


def _domain(name: str) -> str:
    """The last two labels of a host's name, by which people tell houses apart."""
    return ".".join(name.partition("/")[0].partition(":")[0].split(".")[-2:])


def _witnesses(count: int) -> str:
    return f"{_counted(count, 'witness')} {'is' if count == 1 else 'are'}"


def _dates(drafted: Draft) -> Iterator[str]:
    first = min((body.expires, role) for role, body in drafted.bodies.items())
    yield f"Clients go on until {long_date(first[0])}, when {first[1]} expires; sign again from {_renewal(drafted)}."
    if drafted.current is not None:
        ahead = drafted.bodies[layout.ROOT].version - drafted.plan.oldest_root
        yield f"Clients that were given root {drafted.plan.oldest_root} follow {_counted(ahead, 'root')} to this one."


def _renewal(drafted: Draft) -> str:
    return long_date(min(body.expires for body in drafted.bodies.values()) - RENEW)


def _root_keyids(root: Root) -> frozenset[str]:
    return frozenset(root.roles[layout.ROOT].keyids)


def _named(path: str) -> str:
    return name_of(path.split("/")[1])


def _counted(number: int, noun: str) -> str:
    ending = "es" if noun.endswith("s") else "s"
    return f"{number} {noun}{'' if number == 1 else ending}"
