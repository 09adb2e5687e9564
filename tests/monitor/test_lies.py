"""Whatever is signed and not logged, or logged and not allowed, is found: each lie, once, by its code.

Every lie is told by the registry itself: it holds the log's key and the online key, and everything that can be
consistent is. An honest release stands before it and another behind it, of which nothing is found.
"""

import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from keys import layout
from keys.encoding import compact_plain, sha256
from keys.layout import Bins
from keys.state import File, NameState, Reason
from keys.times import moment, stamp
from keys.tlog import leaves
from repo_service.build.listing import Meta
from repo_service.build.logbook import sealed_leaf
from repo_service.domain import changes as c
from repo_service.domain.announcing import Published
from repo_service.domain.flags import ClearFlag, FlagAct, SetFlag, clear_flag, set_flag
from repo_service.monitor.book import Book
from repo_service.monitor.findings import Finding
from repo_service.monitor.following import follow
from repo_service.monitor.reading import Folder
from repo_service.monitor.shelves import Sums
from tests.domain.book import POLICY
from tests.monitor.scribe import Scribe

BECAUSE: Final = Reason("malware", "it steals tokens")
OTHER: Final = "0" * 64
Lie = Callable[[Scribe], None]


def found(scribe: Scribe, book: Book) -> list[Finding]:
    return [*follow(Folder(scribe.folder), book, scribe.trust.roots[0].data, scribe.now)]


def changed(kind: str, change: Callable[[dict[str, Any]], None]) -> Callable[[list[bytes]], list[bytes]]:
    """Leaves of a kind, said otherwise."""

    def alter(written: list[bytes]) -> list[bytes]:
        plain = [json.loads(leaf) for leaf in written]
        for each in plain:
            if each["kind"] == kind:
                change(each)
        return [compact_plain(each) for each in plain]

    return alter


def without(kind: str) -> Callable[[list[bytes]], list[bytes]]:
    """Without the leaves of a kind."""
    return lambda written: [leaf for leaf in written if leaves.kind_of(leaf) != kind]


def a_yank(scribe: Scribe, **more: Any) -> c.Event:
    return scribe.event("foo", c.ReleaseYanked("1.0", "owner"), **{"reason": Reason("broken"), **more})


# Lies about events.


def event_dropped(scribe: Scribe) -> None:
    yank, unyank = a_yank(scribe), scribe.event("foo", c.ReleaseUnyanked("1.0"))
    scribe.release([yank, unyank], alter=lambda written: written[1:])


def event_altered(scribe: Scribe) -> None:
    scribe.release([a_yank(scribe)], alter=changed("event", lambda leaf: leaf.update(by="system")))


def yank_signed_and_never_logged(scribe: Scribe) -> None:
    """The thief of the online key."""
    scribe.release(unlogged=[a_yank(scribe)])


def step_that_no_table_allows(scribe: Scribe) -> None:
    scribe.release([a_yank(scribe), scribe.event("foo", c.ReleaseUnyanked("1.0"), "moderator")])


def step_of_somebody_else(scribe: Scribe) -> None:
    scribe.release([scribe.event("foo", c.ProjectQuarantined(), "owner", reason=BECAUSE)])


def digest_of_a_path_changed(scribe: Scribe) -> None:
    """The same file name with other bytes, on the page and in the bin."""

    def exchanged(state: NameState) -> NameState:
        (release,) = state.releases
        (file,) = release.files
        return replace(state, releases=(replace(release, files=(replace(file, sha256=OTHER),)),))

    scribe.release([a_yank(scribe)], amend=exchanged)


def history_forgotten(scribe: Scribe) -> None:
    scribe.release([a_yank(scribe)])
    scribe.release(
        [scribe.event("foo", c.ReleaseUnyanked("1.0"))], amend=lambda state: replace(state, history=state.history[:-2])
    )


def restored_with_confirmed_takedown(scribe: Scribe) -> None:
    digest = sha256(b"x")
    listed = c.TakedownListed("foo/1/1", "malware", ("1.0",), (digest,), (), None)
    scribe.release([
        scribe.event("foo", listed, "admin", reason=BECAUSE),
        scribe.event("foo", c.TakedownConfirmed("foo/1/1", None), "admin", reason=BECAUSE),
    ])  # fmt: skip


def event_before_its_name_was_changed_last(scribe: Scribe) -> None:
    scribe.release([a_yank(scribe)])
    scribe.now -= timedelta(hours=2)
    early = scribe.event("foo", c.ReleaseUnyanked("1.0"))
    scribe.now += timedelta(hours=2)
    scribe.release([early])


def event_after_its_release(scribe: Scribe) -> None:
    scribe.now += timedelta(hours=2)
    late = a_yank(scribe)
    scribe.now -= timedelta(hours=2)
    scribe.release([late])


# Lies about policies and flags.


def policy_that_nobody_announced(scribe: Scribe) -> None:
    scribe.release([a_yank(scribe, policy="other/7")])


def policy_that_is_not_in_force_yet(scribe: Scribe) -> None:
    new, now = replace(POLICY, version=2, effective_from=stamp(scribe.now + timedelta(days=60))), stamp(scribe.now)
    scribe.release(documents=[Published(now, new.effective_from or "", new)])
    scribe.now += timedelta(hours=1)
    scribe.release([a_yank(scribe, policy=new.id)])


def policy_without_notice(scribe: Scribe) -> None:
    new, now = replace(POLICY, version=2, effective_from=stamp(scribe.now)), stamp(scribe.now)
    scribe.release(documents=[Published(now, now, new)])


def unpublished_after_the_window(scribe: Scribe) -> None:
    scribe.now += timedelta(days=30)
    gone = scribe.event("foo", c.ReleaseUnpublished("1.0"), reason=Reason("broken"))
    scribe.release([gone, scribe.event("foo", c.PlaceholderSet())])


def purged_before_it_is_due(scribe: Scribe) -> None:
    gone = scribe.event("foo", c.ReleaseUnpublished("1.0"), reason=Reason("broken"))
    scribe.release([gone, scribe.event("foo", c.PlaceholderSet())])
    scribe.now += timedelta(hours=1)
    scribe.release([scribe.event("foo", c.ReleasePurged("1.0"), "clock")])


def reservation_ended_early(scribe: Scribe) -> None:
    days = POLICY.reservations.days[0]
    until, grace = (
        stamp(moment(stamp(scribe.now)) + timedelta(days=each))
        for each in (days, days + POLICY.reservations.grace_days)
    )
    scribe.release([scribe.event("soon", c.NameReserved("user", None, until, grace, "soon"), "system")])
    scribe.now += timedelta(hours=1)
    scribe.release([scribe.event("soon", c.ReservationExpired(), "clock")])


def file_of_another_project(scribe: Scribe) -> None:
    file = File("bar-2.0.tar.gz", "sdist", sha256(b"y"), 1, stamp(scribe.now))
    scribe.release([scribe.event("foo", c.ReleasePublished("2.0", "2", stamp(scribe.now), (file,)))])


def act(scribe: Scribe, acts: list[FlagAct]) -> FlagAct:
    made = set_flag(acts, SetFlag("uploads_halted", BECAUSE), scribe.now)
    assert made is not None
    return made


def published_while_uploads_are_halted(scribe: Scribe) -> None:
    scribe.release(documents=[act(scribe, [])])
    scribe.now += timedelta(hours=1)
    scribe.release(scribe.publication("foo", "2.0"))


def act_of_flags_left_out(scribe: Scribe) -> None:
    first = act(scribe, [])
    scribe.now += timedelta(hours=1)
    second = clear_flag([first], ClearFlag("uploads_halted", BECAUSE), scribe.now)
    assert second is not None
    scribe.release(documents=[second])


# Lies about what is signed.


def page_of_another_text(scribe: Scribe) -> None:
    scribe.release([a_yank(scribe)], amend=lambda state: replace(state, display="FOO"))


def bin_with_another_content(scribe: Scribe) -> None:
    number = scribe.shape.number("packages/evil/evil-1.0.tar.gz")
    scribe.content[number]["packages/evil/evil-1.0.tar.gz"] = '{"hashes":{"sha256":"' + OTHER + '"},"length":1}'
    scribe.release(bins=[number])
    del scribe.content[number]["packages/evil/evil-1.0.tar.gz"]
    scribe.release(bins=[number])


def bin_that_is_not_signed(scribe: Scribe) -> None:
    """What changed in it is withheld; the snapshot says so."""
    sign = scribe._sign_bins
    scribe._sign_bins = lambda numbers: sign(list(numbers)[:-1])  # type: ignore[method-assign]
    scribe.release(scribe.publication("foo", "2.0"))
    scribe._sign_bins = sign  # type: ignore[method-assign]
    scribe.release(bins=range(4))


def bin_of_an_old_version(scribe: Scribe) -> None:
    scribe.versions[2] -= 100_000
    scribe.release(bins=[2])


def bin_left_out_of_the_root(scribe: Scribe) -> None:
    scribe.release([a_yank(scribe)], alter=changed("snapshot", lambda leaf: leaf.update(bins=OTHER)))


def snapshot_of_other_bins(scribe: Scribe) -> None:
    before = scribe.listing
    scribe.listing = before.amended({"bin-2": Meta(777_700_002)})
    scribe.release([a_yank(scribe)])
    scribe.listing = before.amended({f"bin-{n}": Meta(version) for n, version in scribe.versions.items()})


def second_content_of_one_version(scribe: Scribe) -> None:
    scribe.release(alter=changed("snapshot", lambda leaf: leaf.update(sha256=OTHER)))


def release_left_out(scribe: Scribe) -> None:
    scribe.generation += 1
    scribe.release()


def release_that_goes_back(scribe: Scribe) -> None:
    scribe.generation -= 1
    scribe.release()


def release_signed_before_the_last(scribe: Scribe) -> None:
    scribe.now -= timedelta(hours=2)
    scribe.release()
    scribe.now += timedelta(hours=2)


def event_of_an_older_number(scribe: Scribe) -> None:
    scribe.release([replace(a_yank(scribe), seq=1)])


def bin_that_skips_a_version(scribe: Scribe) -> None:
    scribe.versions[2] += 100_000
    scribe.release(bins=[2])


def other_number_of_bins(scribe: Scribe) -> None:
    """Everything moves into eight bins."""
    entries = {path: entry for each in scribe.content.values() for path, entry in each.items()}
    scribe.shape, scribe.versions = Bins(3), {}
    scribe.sums = Sums(scribe.shape, {})
    scribe.content = defaultdict(dict)
    for path, entry in entries.items():
        scribe.content[scribe.shape.number(path)][path] = entry


def new_bins_that_begin_below_the_old(scribe: Scribe) -> None:
    other_number_of_bins(scribe)
    scribe.release(bins=range(8))


def new_bins_that_are_not_all_signed(scribe: Scribe) -> None:
    highest = max(scribe.versions.values())
    other_number_of_bins(scribe)
    scribe.versions = {number: layout.first_version(number, highest) - 100_000 for number in range(8)}
    scribe.release(bins=range(7))
    scribe.release(bins=[7])


def page_that_the_log_does_not_name(scribe: Scribe) -> None:
    scribe.release([a_yank(scribe)], alter=changed("event", lambda leaf: leaf.pop("page")))


def document_that_is_another_one(scribe: Scribe) -> None:
    scribe.release(documents=[act(scribe, [])], alter=changed("document", lambda leaf: leaf.update(sha256=OTHER)))


def sealed(scribe: Scribe, role: Any, version: int, sha256: str = OTHER) -> None:
    leaf = leaves.written(leaves.Sealed(role, version, 1, sha256))
    scribe.release(alter=lambda written: [leaf, *written])


def file_of_a_ceremony_logged_again(scribe: Scribe) -> None:
    """In the same words, so that nothing else is new."""
    file = scribe.trust.newest["targets"]
    leaf = leaves.written(sealed_leaf("targets", 1, file.data))
    scribe.release(alter=lambda written: [leaf, *written])


def file_of_a_ceremony_that_is_another_one(scribe: Scribe) -> None:
    scribe.write("metadata/2.targets.json", b"{}")
    sealed(scribe, "targets", 2)


def file_of_a_ceremony_that_is_none(scribe: Scribe) -> None:
    scribe.write("metadata/2.targets.json", b"{")
    sealed(scribe, "targets", 2, sha256(b"{"))


def file_of_a_ceremony_under_another_version(scribe: Scribe) -> None:
    data = scribe.trust.roots[0].data
    scribe.write("metadata/3.root.json", data)
    leaf = leaves.written(leaves.Sealed("root", 3, len(data), sha256(data)))
    scribe.release(alter=lambda written: [leaf, *written])


def root_that_is_not_there(scribe: Scribe) -> None:
    sealed(scribe, "root", 3)


def leaf_of_no_kind(scribe: Scribe) -> None:
    scribe.release(alter=lambda written: [b'{"kind":"rumour"}', *written])


def leaf_that_is_no_json(scribe: Scribe) -> None:
    scribe.release(alter=lambda written: [b"\xff{", *written])


def leaf_of_a_snapshot_that_is_none(scribe: Scribe) -> None:
    scribe.release(alter=lambda written: [b'{"kind":"snapshot"}', *written])


def name_of_no_form(scribe: Scribe) -> None:
    leaf = leaves.written(leaves.TakenOver("", 1, 1, OTHER))
    scribe.release(alter=lambda written: [leaf, *written])


def event_of_a_name_of_no_form(scribe: Scribe) -> None:
    scribe.release([a_yank(scribe)], alter=changed("event", lambda leaf: leaf.update(name="", serial=1)))


def version_of_no_form(scribe: Scribe) -> None:
    file = File("foo-x.tar.gz", "sdist", sha256(b"y"), 1, stamp(scribe.now))
    scribe.release([scribe.event("foo", c.ReleasePublished("no version", "?", stamp(scribe.now), (file,)))])
    gone = scribe.event("foo", c.ReleaseUnpublished("no version"), reason=Reason("broken"))
    scribe.release([gone])


def bin_signed_twice(scribe: Scribe) -> None:
    scribe.release(bins=[2], alter=lambda written: [written[0], *written])


def bins_of_another_shape(scribe: Scribe) -> None:
    scribe.release(bins=[2], alter=changed("bins", lambda leaf: leaf.update(bit_length=9)))


def times_at_the_end_of_time(scribe: Scribe) -> None:
    late = scribe.event("foo", c.ReleaseYanked("1.0", "owner"), reason=Reason("broken"), at="9999-12-31T23:59:59Z")
    scribe.release([late])


def leaf_out_of_order(scribe: Scribe) -> None:
    scribe.release([a_yank(scribe)], alter=lambda written: [*written[1:-1], written[0], written[-1]])


def log_that_does_not_end_with_a_release(scribe: Scribe) -> None:
    scribe.release([a_yank(scribe)], alter=lambda written: written[:-1])


LIES: Final[dict[Lie, set[str]]] = {
    event_dropped: {"serial", "step-illegal", "page-differs"},
    event_altered: {"page-differs"},
    yank_signed_and_never_logged: {"bin-differs"},
    step_that_no_table_allows: {"step-illegal"},
    step_of_somebody_else: {"step-illegal"},
    digest_of_a_path_changed: {"page-differs", "promise-broken"},
    history_forgotten: {"page-differs", "promise-broken"},
    restored_with_confirmed_takedown: {"invariant-broken"},
    event_before_its_name_was_changed_last: {"time-backwards"},
    event_after_its_release: {"time-backwards", "invariant-broken"},
    policy_that_nobody_announced: {"policy-unknown"},
    policy_that_is_not_in_force_yet: {"policy-not-in-force"},
    policy_without_notice: {"document-differs"},
    unpublished_after_the_window: {"policy-broken"},
    purged_before_it_is_due: {"policy-broken"},
    reservation_ended_early: {"policy-broken"},
    file_of_another_project: {"policy-broken"},
    published_while_uploads_are_halted: {"flag-broken"},
    act_of_flags_left_out: {"document-differs"},
    page_of_another_text: {"page-differs"},
    bin_with_another_content: {"bin-differs"},
    bin_that_is_not_signed: {"bin-unsigned"},
    bin_of_an_old_version: {"bin-version"},
    bin_left_out_of_the_root: {"bins-root"},
    snapshot_of_other_bins: {"snapshot-differs"},
    second_content_of_one_version: {"snapshot-differs"},
    release_left_out: {"version-gap"},
    release_that_goes_back: {"version-backwards"},
    release_signed_before_the_last: {"time-backwards"},
    event_of_an_older_number: {"time-backwards"},
    bin_that_skips_a_version: {"version-gap"},
    new_bins_that_begin_below_the_old: {"bin-version"},
    new_bins_that_are_not_all_signed: {"bin-unsigned", "version-gap"},
    page_that_the_log_does_not_name: {"page-unnamed"},
    document_that_is_another_one: {"document-differs", "bin-differs"},
    file_of_a_ceremony_logged_again: {"sealed-backwards"},
    file_of_a_ceremony_that_is_another_one: {"sealed-differs", "snapshot-differs"},
    file_of_a_ceremony_that_is_none: {"sealed-differs", "snapshot-differs"},
    file_of_a_ceremony_under_another_version: {"sealed-differs"},
    root_that_is_not_there: {"sealed-differs"},
    leaf_of_no_kind: {"leaf-malformed"},
    leaf_that_is_no_json: {"leaf-malformed"},
    leaf_of_a_snapshot_that_is_none: {"leaf-malformed"},
    name_of_no_form: {"page-taken-over"},
    event_of_a_name_of_no_form: {"step-illegal", "bin-differs"},
    version_of_no_form: {"policy-broken"},
    bin_signed_twice: {"bin-version"},
    bins_of_another_shape: {"bins-root", "snapshot-differs"},
    times_at_the_end_of_time: {"time-backwards", "invariant-broken"},
    leaf_out_of_order: {"leaf-misplaced"},
    log_that_does_not_end_with_a_release: {"log-open"},
}

AFTERMATH: Final[dict[Lie, set[str]]] = {
    policy_without_notice: {"policy-not-in-force"},
    log_that_does_not_end_with_a_release: {"leaf-misplaced", "version-gap"},
    bins_of_another_shape: {"bins-root", "snapshot-differs"},
    document_that_is_another_one: {"bin-differs"},
    file_of_a_ceremony_that_is_another_one: {"snapshot-differs"},
    file_of_a_ceremony_that_is_none: {"snapshot-differs"},
}
"""What is still found behind a lie: what it said of a policy, a bin, a document or a ceremony still stands."""


@pytest.fixture
def scribe(tmp_path: Path) -> Scribe:
    honest = Scribe(tmp_path / "public")
    honest.release([*honest.publication("foo"), *honest.publication("bar")])
    honest.now += timedelta(hours=1)
    return honest


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
def test_each_lie_is_found_by_its_code_and_no_other(lie: Lie, scribe: Scribe, book: Book) -> None:
    assert found(scribe, book) == []
    lie(scribe)
    assert {each.code for each in found(scribe, book)} == LIES[lie]


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
def test_after_a_lie_nothing_is_found_of_what_is_true(lie: Lie, scribe: Scribe, book: Book) -> None:
    lie(scribe)
    found(scribe, book)
    scribe.now += timedelta(hours=3)
    scribe.release([] if lie is published_while_uploads_are_halted else scribe.publication("baz"))
    behind = {each.code for each in found(scribe, book)}
    assert behind <= AFTERMATH.get(lie, set())
