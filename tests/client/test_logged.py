"""The transparency log in the client's hands: what each mode does of every way in which a log can fail."""

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import timedelta
from unittest.mock import patch

import pytest
from tuf.api.exceptions import DownloadHTTPError

from client_verify.accepted import NOTHING
from client_verify.answers import Found
from client_verify.fetching.offline import Offline
from client_verify.refusals import Refused
from client_verify.remembering import evidence, moving
from client_verify.remembering import proofs as record
from client_verify.remembering.evidence import doubts
from client_verify.remembering.memory import CHECKED, NEWEST, Head, Memory
from client_verify.session import Session
from client_verify.trust import LogTrust, Pin
from client_verify.verdict import Refuse, Warn
from client_verify.withdrawals import of_choice
from keys import layout, strict
from keys.encoding import compact
from keys.layout import Bins
from keys.signing import signed_file
from keys.times import stamp
from keys.tlog import contradictions, leaves, notes, proofs
from keys.tlog.binsums import BinSums
from tests import paper
from tests.client.conftest import NOW, URL, PaperFetcher, World, updater_at
from tests.paper_log import LOG_KEY, ORIGIN, WITNESSES, PaperLog, digest, leaf_of, private

ONE = paper.release(NOW, "1.0", paper.wheel("flask", "1.0"))
TWO = paper.release(NOW, "2.0", paper.wheel("flask", "2.0"))
EVIL = paper.release(NOW, "1.0", paper.wheel("flask", "1.0", says="steal"))
GONE = paper.yanked(NOW, ONE, "every fix is broken")
OFF, WARN, REQUIRE = (LogTrust(mode) for mode in ("off", "warn", "require"))


@dataclass
class Registry(World):
    """A world whose every release is in a log that its root names."""

    log: PaperLog = field(default_factory=PaperLog)

    def __post_init__(self):
        super().__post_init__()
        self.rebuild(self.log.forge)

    def publish(self, **changes):
        super().publish(**changes)
        self.log.append(self.repository, self.now)

    def publish_again(self, **forged):
        """Another release of the same states, and a leaf of it that is ``forged``."""
        World.publish(self)
        self.log.append(self.repository, self.now, **forged)

    @property
    def proof(self):
        """Where the proof of the newest release lies."""
        generation = self.repository._versions[layout.TIMESTAMP]
        return f"log/proofs/{generation}.tlog-proof"

    def head(self, kept_for=NEWEST):
        return self.memory().head(ORIGIN, kept_for)

    def sees(self, mode, say=None):
        """What a session and a page come to: a refusal's code, ``warned`` or ``fine``; and the sentence."""
        self.log_trust = replace(self.log_trust, mode=mode) if isinstance(mode, str) else mode
        try:
            session = self.session()
            assert isinstance(session.page("flask"), Found)
        except Refused as refused:
            return refused.code, refused.detail
        told = [each for each in session.warnings if "log" in each]
        return ("warned", *told) if told else ("fine",)


def registry_in(folder):
    """A registry that has published flask."""
    made = Registry(folder / "acme")
    made.say("flask", ONE)
    return made


@pytest.fixture
def registry(tmp_path):
    return registry_in(tmp_path)


def strike(registry, *, timestamp=True):
    """Whoever has the online key shows this client another state of flask, in a release that nobody logged."""
    registry.repository.say(paper.project(registry.now, "flask", GONE, serial=2))
    World.publish(registry)


def proven(registry):
    """The one piece of evidence, proved to whoever knows the root."""
    (found,) = registry.memory().evidence()
    assert doubts(evidence.load(found.data)) == []
    return found


MODES = pytest.mark.parametrize("mode", ["off", "warn", "require"])


def each_mode(warned):
    """What the three modes make of what ``warn`` says and ``require`` refuses."""
    return pytest.mark.parametrize(("mode", "code"), [("off", "fine"), ("warn", "warned"), ("require", warned)])


# An honest log.


@MODES
def test_a_release_that_is_in_a_log_which_witnesses_have_seen_is_used_in_every_mode(registry, mode):
    assert registry.sees(mode) == ("fine",)
    asked = [path for path in registry.fetcher.asked if path.startswith("log/")]
    assert bool(asked) == (mode != "off"), "whoever does not want the log does not ask for it"


def test_a_session_that_finds_nothing_new_asks_for_nothing_of_the_log(registry):
    registry.sees("require")
    registry.fetcher.asked.clear()
    assert registry.sees("require") == ("fine",)
    assert not [path for path in registry.fetcher.asked if path.startswith("log/")]


def test_what_is_kept_of_an_earlier_release_goes(registry):
    registry.sees("require")
    registry.later(minutes=5)
    registry.say("flask", ONE, TWO, serial=2)
    registry.sees("require")
    kept = [path.name for path in (registry.directory / "log" / "proofs").iterdir()]
    assert kept == ["2.tlog-proof"]


@pytest.mark.parametrize(("mode", "code"), [("off", "fine"), ("warn", "fine"), ("require", "not-logged")])
def test_a_root_that_names_no_log_is_refused_only_where_one_is_required(tmp_path, mode, code):
    world = Registry(tmp_path / "acme")
    world.rebuild(paper.as_signed)
    World.say(world, "flask", ONE)
    assert world.sees(mode)[0] == code


# Somebody who has the online key and shows one client another state.


@each_mode("not-logged")
def test_a_release_that_is_in_no_log_fools_who_does_not_ask_is_told_of_or_is_refused(registry, mode, code):
    registry.sees(mode)
    registry.later(minutes=5)
    strike(registry)
    seen = registry.sees(mode)
    assert seen[0] == code
    assert mode == "off" or "nothing proves that timestamp version 2" in seen[1]


def test_a_release_that_was_refused_was_never_here_and_the_next_honest_one_is_taken(registry):
    registry.sees("require")
    honest = dict(registry.repository.files)
    strike(registry)
    assert registry.sees("require")[0] == "not-logged"
    registry.repository.files.clear()
    registry.repository.files.update(honest)
    assert registry.sees("require") == ("fine",)


def test_a_first_release_that_was_refused_leaves_nothing_but_roots(registry):
    del registry.repository.files[registry.proof]
    registry.log_trust = REQUIRE
    with pytest.raises(Refused, match="nothing proves"):
        registry.session()
    assert not (registry.directory / "metadata" / "timestamp.json").exists()
    assert not (registry.directory / "metadata" / "snapshot.json").exists()


@pytest.mark.parametrize("mode", ["warn", "require"])
@pytest.mark.parametrize("role", [layout.TIMESTAMP, layout.SNAPSHOT])
def test_a_release_whose_number_the_log_has_with_another_content_proves_itself_and_is_refused(registry, mode, role):
    registry.sees(mode)
    registry.later(minutes=5)
    honest = registry.repository.files
    registry.say("flask", ONE, TWO, serial=2)
    logged = dict(honest)
    body = json.loads(honest["metadata/2.snapshot.json"])["signed"]
    body["expires"] = stamp(registry.now + timedelta(days=3))
    forged = signed_file(body, paper.ONLINE)
    said = json.loads(honest["metadata/timestamp.json"])["signed"]
    if role == layout.SNAPSHOT:
        honest["metadata/2.snapshot.json"] = forged
        said["meta"]["snapshot.json"] |= paper.page.target_entry(forged)
    else:
        said["expires"] = stamp(registry.now + timedelta(days=300))
    honest["metadata/timestamp.json"] = signed_file(said, paper.ONLINE)
    assert registry.sees(mode)[0] == "contradiction"
    found = proven(registry)
    assert (found.kind, found.subject) == ("logged", layout.TIMESTAMP)
    honest.update(logged)
    assert registry.sees(mode) == ("fine",), "the honest release of the same number is not locked out"


@pytest.mark.parametrize(("mode", "code"), [("off", "fine"), ("warn", "contradiction"), ("require", "contradiction")])
def test_a_bin_of_the_logged_version_with_another_content_proves_itself_and_is_refused(registry, mode, code):
    path = registry.repository.bin_file("flask")
    honest = registry.repository.files[path]
    forged_bin(registry)
    assert registry.sees(mode)[0] == code
    if mode != "off":
        found = proven(registry)
        assert (found.kind, found.subject) == ("logged", registry.repository.bin_of("flask"))
        registry.repository.files[path] = honest
        assert registry.sees(mode) == ("fine",), "the forged file does not stay"


@each_mode("not-logged")
def test_a_bin_whose_row_of_digests_is_another_or_missing_is_not_proven(registry, mode, code):
    for path in [path for path in registry.repository.files if path.startswith("log/bins/")]:
        registry.repository.files[path] = bytes(64)
    assert registry.sees(mode)[0] == code


@each_mode("not-logged")
def test_a_bin_that_the_log_does_not_have_is_not_proven(registry, mode, code):
    """The log is of two bins, the repository of four."""
    registry.later(minutes=5)
    World.publish(registry)

    made = BinSums.of(Bins(1), {0: bytes(32), 1: bytes(32)})

    leaf = leaves.written(leaf_of(registry.repository, made, bit_length=1))
    registry.log.leaves.append(leaf)
    registry.log.publish(registry.repository, registry.now, leaf, made.tops)
    assert registry.sees(mode)[0] == code


# Files of the log that are others.


@each_mode("not-logged")
def test_a_proof_of_an_earlier_release_is_none_of_this_one(registry, mode, code):
    old = registry.repository.files[registry.proof]
    registry.later(minutes=5)
    registry.publish()
    registry.repository.files[registry.proof] = old
    seen = registry.sees(mode)
    assert seen[0] == code
    assert mode == "off" or "of timestamp version 1, not of 2" in seen[1]


def rewritten(registry, change):
    """The newest proof's parts, changed, as a file again."""
    read = proofs.read(registry.repository.files[registry.proof])
    head = proofs.written(*change(read.leaf, read.tops, read.index, read.path))
    registry.repository.files[registry.proof] = f"{head}{read.note}".encode()


def test_a_leaf_that_is_not_in_the_tree_is_not_logged(registry):
    """Whoever has the online key writes the leaf that they need around the log's own head."""
    strike(registry)
    registry.log.append(registry.repository, registry.now)
    forged = proofs.read(registry.repository.files[registry.proof])
    honest = registry.log.fork(b'{"kind":"event"}')
    honest.publish(registry.repository, registry.now, forged.leaf, forged.tops)
    assert registry.sees("require")[0] == "not-logged"


def test_a_head_that_somebody_else_signed_proves_nothing(registry):
    """The lines of the log and of its witnesses are there, and none of them signed this head."""
    strike(registry)
    thief = registry.log.fork()
    thief.append(registry.repository, registry.now)
    data = registry.repository.files[registry.proof].decode()
    note = notes.read_note(data.partition("\n\n")[2].encode())
    wrong = tuple(replace(each, data=each.data[:-1] + bytes([each.data[-1] ^ 1])) for each in note.signatures)
    registry.repository.files[registry.proof] = data.replace(str(note), str(replace(note, signatures=wrong))).encode()
    assert registry.sees("require")[0] == "not-logged"


def forged_bin(registry):
    """Another file of the bin of flask, of the version that was logged; the digests of all bins with it."""
    path, page_path = registry.repository.bin_file("flask"), paper.names.page_path("flask")
    data = registry.repository._store_page(paper.project(registry.now, "flask", EVIL))
    body = json.loads(registry.repository.files[path])["signed"]
    body["targets"][page_path] = paper.page.target_entry(data)
    registry.repository.files[path] = signed_file(body, paper.ONLINE)
    bins = registry.repository.bins
    return BinSums.of(bins, {n: digest(registry.repository, role) for n, role in enumerate(bins.roles())})


def test_a_row_of_digests_that_fits_a_forged_bin_is_not_that_of_the_log(registry):
    tops = proofs.read(registry.repository.files[registry.proof]).tops
    for top, row in zip(tops, forged_bin(registry).rows, strict=True):
        registry.repository.files[f"log/bins/{top.hex()}"] = row
    assert registry.sees("require")[0] == "not-logged"


def test_roots_of_rows_that_fit_a_forged_bin_are_not_those_of_the_leaf(registry):
    forged = forged_bin(registry)
    registry.repository.files |= {f"log/{path}": row for path, row in forged.fresh(None)}
    rewritten(registry, lambda leaf, _, index, path: (leaf, forged.tops, index, path))
    assert registry.sees("require")[0] == "not-logged"


@pytest.mark.parametrize(
    "damage", [lambda _: b"", lambda data: data[:-5], lambda data: data.replace(b"index 0", b"index 1")]
)
def test_a_damaged_proof_proves_nothing_and_is_not_kept(registry, damage):
    good = registry.repository.files[registry.proof]
    registry.repository.files[registry.proof] = damage(good)
    assert registry.sees("require")[0] == "not-logged"
    registry.repository.files[registry.proof] = good
    assert registry.sees("require") == ("fine",)


def test_a_proof_on_this_machine_is_believed_no_more_than_one_that_arrives(registry):
    registry.sees("require")
    (kept,) = (registry.directory / "log" / "proofs").iterdir()
    kept.write_bytes(b"c2sp.org/tlog-proof@v1\n")
    assert registry.sees("require") == ("fine",)


def test_a_proof_without_end_is_cut_off(registry):
    registry.repository.files[registry.proof] += b"\xe2\x80\x94 other AAAA\n" * 100_000
    assert registry.sees("require")[0] == "not-logged"


# Witnesses.


@each_mode("log-unwitnessed")
def test_a_head_that_too_few_witnesses_have_signed_is_told_of_or_refused(registry, mode, code):
    registry.sees(mode)
    registry.log.away = {1, 2}
    registry.later(minutes=5)
    registry.publish()
    seen = registry.sees(mode)
    assert seen[0] == code
    assert mode == "off" or "1 of the 3 witnesses cosigned" in seen[1]


def test_one_witness_of_three_may_be_away(registry):
    registry.log.away = {3}
    registry.publish()
    assert registry.sees("require") == ("fine",)


def test_an_outage_of_witnesses_ends_with_the_next_release_that_they_see(registry):
    registry.log.away = {1, 2, 3}
    registry.publish()
    assert registry.sees("require")[0] == "log-unwitnessed"
    registry.log.away = set()
    registry.later(minutes=5)
    registry.publish()
    assert registry.sees("require") == ("fine",)


def test_a_person_may_believe_other_witnesses_than_the_root_does(registry):
    own = LogTrust("require", witnesses=(str(WITNESSES[0].key),), quorum=1)
    registry.log.away = {2, 3}
    registry.publish()
    assert registry.sees(own) == ("fine",)
    registry.log.away = {1}
    registry.later(minutes=5)
    registry.publish()
    assert registry.sees(own)[0] == "log-unwitnessed"


def test_a_quorum_that_the_root_s_witnesses_cannot_meet_is_no_log_that_can_be_believed(registry):
    assert registry.sees(LogTrust("require", quorum=4))[0] == "not-logged"


def test_a_person_may_name_the_key_of_a_log_that_the_root_does_not(tmp_path):
    world = Registry(tmp_path / "acme")
    world.rebuild(paper.as_signed)
    world.say("flask", ONE)
    key = str(world.log.policy.keys[0])
    own = LogTrust("require", (key,), tuple(map(str, world.log.policy.witnesses)), 2)
    assert world.sees(own) == ("fine",)
    strike(world)
    assert world.sees(own)[0] == "not-logged"


def test_a_cosignature_of_a_month_ago_is_stale_however_long_the_timestamp_lives(registry):
    """Who has the online key signs a release for years, once, in the open; nobody is kept on it for long."""
    registry.repository._bodies.clear()
    with patch.object(paper, "DAY", timedelta(days=300)):  # bins live for seven of these
        registry.repository.publish(registry.now, lifetime=timedelta(days=3000))
    registry.log.append(registry.repository, registry.now)
    registry.later(days=30)
    assert registry.sees("require") == ("fine",)
    registry.later(seconds=1)
    assert registry.sees("require")[0] == "log-unwitnessed"


def test_the_clock_is_no_earlier_than_what_enough_witnesses_say(registry):
    registry.later(hours=3)
    registry.publish()
    registry.later(hours=-3)
    registry.log_trust = WARN
    assert registry.session().now == NOW + timedelta(hours=3)


def test_one_witness_that_lies_about_the_time_pushes_no_clock(registry):
    honest, liar = registry.now, registry.now + timedelta(hours=20)
    registry.publish()
    one = registry.log.note(honest)
    signed = WITNESSES[0].sign(registry.log.checkpoint, int(liar.timestamp()))
    lied = replace(one, signatures=(*one.signatures[:1], signed, *one.signatures[2:]))
    data = registry.repository.files[registry.proof].decode()
    registry.repository.files[registry.proof] = data.replace(str(one), str(lied)).encode()
    registry.log_trust = REQUIRE
    assert registry.session().now == honest
    assert str(lied) in registry.repository.files[registry.proof].decode(), "there is such a time"


def test_witnesses_that_lie_together_push_the_clock_no_further_than_this_timestamp_lives(registry):
    registry.publish()
    registry.log.publish(registry.repository, NOW + timedelta(days=9), registry.log.leaves[-1], _tops(registry))
    registry.log_trust = WARN
    assert registry.session().now == NOW + paper.DAY


def _tops(registry):

    return proofs.read(registry.repository.files[registry.proof]).tops


# The log itself: it only grows.


def test_a_head_that_is_smaller_than_one_that_was_seen_is_a_rollback(registry):
    """The same release, with a proof of a smaller log: a later head of it was seen before."""
    registry.publish()
    registry.log.leaves += [b'{"kind":"event"}'] * 5
    registry.log.publish(registry.repository, registry.now, registry.log.leaves[1], ())
    bigger = registry.log.note(registry.now)
    registry.log.leaves = registry.log.leaves[:2]
    registry.log.publish(registry.repository, registry.now, registry.log.leaves[1], _sums(registry))
    registry.sees("warn")

    registry.memory().keep_head(ORIGIN, {NEWEST: Head(str(bigger).encode(), stamp(NOW))})
    assert registry.sees("require")[0] == "rollback"
    assert registry.sees("warn")[0] == "warned"


def _sums(registry):

    bins = registry.repository.bins
    return BinSums.of(bins, {n: digest(registry.repository, role) for n, role in enumerate(bins.roles())}).tops


@pytest.mark.parametrize("mode", ["warn", "require"])
def test_two_heads_of_one_size_prove_a_fork_and_are_refused(registry, mode):
    registry.sees(mode)
    kept = registry.head()
    other = registry.log.fork(b'{"kind":"event"}')

    registry.memory().keep_head(ORIGIN, {NEWEST: Head(str(other.note(NOW)).encode(), stamp(NOW))})
    assert registry.sees(mode)[0] == "contradiction"
    found = proven(registry)
    assert (found.kind, found.subject) == ("log", ORIGIN)
    assert kept is not None


def forked(registry):
    """The thief has the log's key too: what they sign is in a log of their own, from the last leaf on."""
    registry.log = registry.log.fork(b'{"kind":"event"}')
    registry.later(minutes=5)
    registry.repository.say(paper.project(registry.now, "flask", GONE, serial=2))
    registry.publish()


@pytest.mark.parametrize("mode", ["warn", "require"])
@pytest.mark.parametrize("quorum", [0, 2])
def test_a_log_that_does_not_begin_with_the_one_that_was_seen_is_a_fork(tmp_path, mode, quorum):
    registry = Registry(tmp_path / "acme", log=PaperLog(quorum))
    for _ in range(3):
        registry.publish()
    registry.say("flask", ONE)
    registry.sees(mode)
    registry.later(hours=23, minutes=50)  # with a quorum this machine looks for itself once a day
    forked(registry)
    registry.log.append(registry.repository, registry.now + timedelta(minutes=10)) if quorum else None
    registry.later(minutes=10)
    registry.publish()
    assert registry.sees(mode)[0] == "contradiction"
    assert proven(registry).kind == "log"


@pytest.mark.parametrize(("mode", "code"), [("warn", "warned"), ("require", "log-unwitnessed")])
def test_a_fork_that_honest_witnesses_refuse_is_not_vouched_for(registry, mode, code):
    registry.sees(mode)
    registry.log.away = {1, 2, 3}
    forked(registry)
    assert registry.sees(mode)[0] == code


def without_tiles(registry):
    for path in [path for path in registry.repository.files if path.startswith("log/tile/")]:
        del registry.repository.files[path]


def test_where_no_witness_must_every_step_of_the_log_is_checked(tmp_path):
    registry = Registry(tmp_path / "acme", log=PaperLog(0))
    registry.say("flask", ONE)
    registry.sees("require")
    registry.publish()
    without_tiles(registry)
    assert registry.sees("require")[0] == "log-unwitnessed"
    assert registry.sees("warn")[0] == "warned"


def test_where_witnesses_must_a_machine_looks_once_a_day_and_misses_the_files_for_a_week_at_most(registry):
    seen = []
    for day in (0.5, 1, 3, 6, 8):
        registry.sees("require") if not seen else None
        registry.now = NOW + timedelta(days=day)
        registry.repository._bodies.clear()  # all bins are signed again
        registry.publish()
        without_tiles(registry)
        registry.fetcher.asked.clear()
        seen.append((registry.sees("require")[0], any("tile" in path for path in registry.fetcher.asked)))
    assert seen == [("fine", False), *[("fine", True)] * 3, ("log-unwitnessed", True)]


def test_a_machine_that_has_looked_does_not_look_again_for_a_day(registry):
    registry.sees("require")
    registry.later(days=1)
    registry.repository._bodies.clear()
    registry.publish()
    assert registry.sees("require") == ("fine",)
    assert registry.head(CHECKED).at == stamp(registry.now)
    registry.later(hours=1)
    registry.publish()
    registry.fetcher.asked.clear()
    assert registry.sees("require") == ("fine",)
    assert not [path for path in registry.fetcher.asked if "tile" in path]


def test_a_head_that_only_a_replaced_key_signed_counts_for_nothing(registry):
    """A thief of the log's key left a huge head in the memory; a new root names another key."""

    registry.sees("require")
    thief = notes.HeldNoteKey(ORIGIN, private("thief"))
    huge = notes.signed(replace(registry.log.checkpoint, size=1 << 40), [thief])
    registry.memory().keep_head(ORIGIN, {NEWEST: Head(str(huge).encode(), stamp(NOW))})
    registry.publish()
    assert registry.sees("require") == ("fine",)


# What is kept, moved and shown to others.


def test_without_a_network_the_log_is_asked_on_this_machine(registry):
    assert registry.sees("require") == ("fine",)
    pin = Pin("acme", URL, registry.repository.root, log=REQUIRE)
    offline = Session(
        pin, registry.directory, Offline(registry.directory), registry.clock, NOTHING, updater_at(registry.clock)
    )
    assert isinstance(offline.page("flask"), Found)
    assert offline.log.vouched_at == NOW


def test_a_mirror_that_serves_another_proof_or_row_is_passed_over(registry):
    mirror = "http://mirror.test"
    bad = {**registry.repository.files}
    for path in bad:
        if path.startswith("log/"):
            bad[path] = b"\x00" * len(bad[path])

    class Both(PaperFetcher):
        def _fetch(self, url):
            if url.startswith(mirror):
                return iter([self.files[url.removeprefix(f"{mirror}/")]])
            if (path := url.removeprefix(f"{URL}/")) not in bad:
                raise DownloadHTTPError("", 404)
            return iter([bad[path]])

    pin = Pin("acme", URL, registry.repository.root, mirrors=(mirror,), log=REQUIRE)
    session = Session(
        pin, registry.directory, Both(registry.repository.files), registry.clock, NOTHING, updater_at(registry.clock)
    )
    assert isinstance(session.page("flask"), Found)


@pytest.fixture
def moved(registry, tmp_path):
    return moved_from(registry, tmp_path)


def moved_from(registry, tmp_path):
    """What one machine remembers as a file, and another machine's memory."""
    registry.sees("require")
    pin = Pin("acme", URL, registry.repository.root)
    roots = registry.session().trusted.roots
    (tmp_path / "other").mkdir()
    return moving.written(registry.memory(), pin, roots), Memory(tmp_path / "other" / "memory.sqlite"), pin


def test_the_head_of_a_log_moves_with_the_memory(moved, registry):
    data, other, pin = moved
    moving.take_in(other, pin, data, stamp(NOW))
    assert other.head(ORIGIN, NEWEST).note == registry.head().note
    assert other.head(ORIGIN, CHECKED) is None, "this machine has looked at nothing itself"


def test_an_imported_head_lowers_nothing_and_one_that_is_not_signed_is_none(moved, registry):
    data, other, pin = moved
    more = registry.log.fork()
    more.leaves = [*more.leaves, b'{"kind":"event"}']
    larger = Head(str(more.note(NOW)).encode(), stamp(NOW))
    other.keep_head(ORIGIN, {NEWEST: larger})
    moving.take_in(other, pin, data, stamp(NOW))
    assert other.head(ORIGIN, NEWEST) == larger
    huge = notes.signed(replace(more.checkpoint, size=9), [notes.HeldNoteKey(ORIGIN, private("thief"))])
    file = json.loads(data)
    file["heads"] = strict.dump(record.documents({ORIGIN: str(huge).encode()}))
    moving.take_in(other, pin, compact(file), stamp(NOW))
    assert other.head(ORIGIN, NEWEST) == larger


def test_two_machines_that_were_shown_two_logs_find_it_out(moved, registry):
    data, other, pin = moved
    fork = registry.log.fork(b'{"kind":"event"}')
    other.keep_head(ORIGIN, {NEWEST: Head(str(fork.note(NOW)).encode(), stamp(NOW))})
    assert moving.take_in(other, pin, data, stamp(NOW)).contradicted == (ORIGIN,)
    (found,) = other.evidence()
    assert doubts(found) == []


def test_a_memory_of_the_schema_before_has_no_heads_and_keeps_all_else(registry):
    registry.sees("require")
    with closing(sqlite3.connect(registry.directory / "memory.sqlite")) as database, database:
        database.execute("DROP TABLE head")
        database.execute("PRAGMA user_version = 2")
    assert registry.memory().names() == ["flask"]
    assert registry.memory().origins() == []
    assert registry.sees("require") == ("fine",)


CHANGES = {
    "the tiles are another log's": lambda found: replace(found, after=evidence.statement(
        {path: data[::-1] if path.startswith("tile") else data for path, data in found.after.files.items()}, "")),
    "a tile is missing": lambda found: replace(found, after=evidence.statement(
        {path: data for path, data in found.after.files.items() if not path.startswith("tile")}, "")),
    "the log's key did not sign": lambda found: replace(found, before=evidence.statement(
        {"checkpoint": signed_by_a_thief(found.before.files["checkpoint"])}, "")),
    "both are one head": lambda found: replace(found, after=replace(found.after, documents=(
        *(each for each in found.after.documents if each.role != "checkpoint"), *found.before.documents))),
    "it is another log's": lambda found: replace(found, roots=proofs_of(paper.Paper(NOW).root)),
}  # fmt: skip


def signed_by_a_thief(note):
    head = notes.read_checkpoint(notes.read_note(note).text)
    return str(notes.signed(head, [notes.HeldNoteKey(ORIGIN, private("thief"))])).encode()


def proofs_of(*roots):
    return record.documents_of(layout.ROOT, roots)


@pytest.mark.parametrize("change", CHANGES)
def test_evidence_of_a_fork_proves_nothing_where(tmp_path, change):
    registry = Registry(tmp_path / "acme", log=PaperLog(0))
    for _ in range(3):
        registry.publish()
    registry.say("flask", ONE)
    registry.sees("warn")
    forked(registry)
    assert registry.sees("warn")[0] == "contradiction"
    assert doubts(CHANGES[change](proven(registry))) != []


def test_a_person_checks_what_a_witness_kept_with_the_root_alone(registry, terminal, tmp_path):
    head, other = registry.log.checkpoint, registry.log.fork(b'{"kind":"event"}').checkpoint
    said = contradictions.Contradiction(
        registry.log.policy.keys, notes.signed(head, [LOG_KEY]), notes.signed(other, [LOG_KEY])
    )
    (tmp_path / "root.json").write_bytes(registry.repository.root)
    (tmp_path / "heads").write_text(str(said))
    assert terminal("evidence", "check", "heads", "--root", "root.json") == 0, terminal.err
    assert "signed two different heads of one size" in terminal.out
    (tmp_path / "other.json").write_bytes(paper.Paper(NOW).root)
    assert terminal("evidence", "check", "heads", "--root", "other.json") == 5
    assert "none of the roots names a log" in terminal.err
    (tmp_path / "same").write_text(str(replace(said, after=said.before)))
    assert terminal("evidence", "check", "same", "--root", "root.json") == 5


# What a yank that everybody can see is worth.


@pytest.mark.parametrize(("quorum", "hours"), [(2, 1), (0, 24)])
def test_a_yank_that_witnesses_have_seen_is_waited_for_an_hour_and_not_a_day(tmp_path, quorum, hours):
    registry = Registry(tmp_path / "acme", log=PaperLog(quorum))
    registry.say("flask", ONE, TWO)
    registry.sees("warn")
    registry.say("flask", ONE, paper.yanked(NOW, TWO, "broken"), serial=2)
    registry.later(minutes=30)  # this machine looks later than the witnesses did
    found = registry.session().page("flask")
    filename = ONE.files[0].filename
    until = NOW + timedelta(hours=hours, minutes=0 if quorum else 30)
    assert isinstance(of_choice(found, filename, NOTHING, until - timedelta(seconds=1)), Refuse)
    assert isinstance(of_choice(found, filename, NOTHING, until), Warn)


def test_a_yank_that_the_log_does_not_prove_is_waited_for_a_day_also_where_that_is_only_a_warning(registry):
    registry.say("flask", ONE, TWO)
    registry.sees("warn")
    registry.repository.say(paper.project(NOW, "flask", ONE, paper.yanked(NOW, TWO, "broken"), serial=2))
    World.publish(registry)
    found = registry.session().page("flask")
    given = of_choice(found, ONE.files[0].filename, NOTHING, NOW + timedelta(hours=2))
    assert isinstance(given, Refuse)


def test_that_a_yank_was_seen_does_not_come_from_another_machine(registry, tmp_path):
    registry.say("flask", ONE, TWO)
    registry.sees("warn")
    registry.say("flask", ONE, paper.yanked(NOW, TWO, "broken"), serial=2)
    session = registry.session()
    session.page("flask")
    pin = Pin("acme", URL, registry.repository.root)
    (tmp_path / "other").mkdir()
    other = Memory(tmp_path / "other" / "memory.sqlite")
    moving.take_in(other, pin, moving.written(registry.memory(), pin, session.trusted.roots), stamp(NOW))
    assert registry.memory().recall("flask").past.withdrawn[0].vouched_at == stamp(NOW)
    assert other.recall("flask").past.withdrawn[0].vouched_at is None
