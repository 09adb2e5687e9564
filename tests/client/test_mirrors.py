"""A bad mirror among good ones costs time and nothing else; where all are bad, the first refusal is said."""

import gzip

import pytest
from tuf.api.exceptions import DownloadError, DownloadHTTPError

from client_verify.answers import Found
from client_verify.fetching import supply
from client_verify.fetching.blobs import Blobs, Content
from client_verify.fetching.mirrors import Mirrors
from client_verify.fetching.transport import Fetcher
from client_verify.refusals import Refused
from client_verify.session import Session
from client_verify.trust import Pin
from keys.encoding import sha256
from tests import paper
from tests.client.conftest import URL, updater_at


def fetcher():
    return Fetcher(lambda _: None, patience=0.4)


@pytest.fixture
def opened(world):
    """A session with one repository at the addresses of these servers, the first its own."""

    def open_at(*servers):
        first, *others = [each.url for each in servers]
        pin = Pin("acme", first, world.repository.root, mirrors=tuple(others))
        return Session(pin, world.directory, fetcher(), world.clock, make_updater=updater_at(world.clock))

    return open_at


def changed(role):
    """One byte of this role's newest file, or of flask's page, is another."""

    def change(world, files):
        path = world.repository.page_file("flask") if role == "page" else newest(world, role)
        files[path] = files[path].replace(b'"', b"'", 1)

    return change


def newest(world, role):
    return world.repository.bin_file("flask") if role == "bin" else world.repository.newest(role)


def too_long(role):
    def change(world, files):
        files[newest(world, role)] += b" " * 6_000_000

    return change


def missing(role):
    def change(world, files):
        del files[newest(world, role)]

    return change


def rolled_back(world, files):
    files["metadata/timestamp.json"] = world.oldest


def old_bin(world, files):
    old = next(path for path in world.before if path.endswith(newest(world, "bin").partition(".")[2]))
    files[newest(world, "bin")] = world.before[old]


def all_status(status):
    def change(world, files):
        files.status = status

    return change


BAD = {
    **{f"{role} changed": changed(role) for role in ("timestamp", "snapshot", "targets", "bins", "bin", "page")},
    **{f"{role} too long": too_long(role) for role in ("timestamp", "snapshot", "bin")},
    **{f"{role} missing": missing(role) for role in ("timestamp", "snapshot", "bins", "bin")},
    "rolled back": rolled_back,
    "older bin": old_bin,
}


@pytest.fixture
def serving(world, serve):
    """Servers of the second of two states of flask, with the good one's answer and what machines have verified."""
    world.repository.say(paper.project(world.now, "flask", serial=1))
    world.publish()
    world.oldest = world.repository.files["metadata/timestamp.json"]
    world.publish()
    world.before = dict(world.repository.files)
    world.session().page("flask")
    world.repository.ceremony(world.now)
    world.state = world.say("flask", paper.release(world.now, "1.0", paper.wheel("flask", "1.0")), serial=2)
    return lambda: serve(dict(world.repository.files))


@pytest.mark.parametrize("change", BAD.values(), ids=BAD.keys())
def test_what_a_bad_mirror_spoils_comes_from_the_next(world, serving, opened, change):
    bad, good = serving(), serving()
    change(world, bad.files)
    assert opened(bad, good).page("flask") == Found(world.state)
    assert bad.asked


@pytest.mark.parametrize("change", BAD.values(), ids=BAD.keys())
def test_a_bad_mirror_behind_a_good_one_is_not_noticed(world, serving, opened, change):
    bad, good = serving(), serving()
    change(world, bad.files)
    assert opened(good, bad).page("flask") == Found(world.state)


@pytest.mark.parametrize("change", BAD.values(), ids=BAD.keys())
def test_where_all_mirrors_are_bad_it_is_refused_as_from_one_and_says_who_was_asked(world, serving, opened, change):
    bad, worse = serving(), serving()
    change(world, bad.files)
    change(world, worse.files)
    with pytest.raises(Refused) as alone:
        opened(bad).page("flask")
    with pytest.raises(Refused) as both:
        opened(bad, worse).page("flask")
    assert both.value.code == alone.value.code
    assert both.value.detail.endswith(f". Its mirrors gave nothing better: {worse.url}")


def test_two_mirrors_that_are_bad_in_different_ways_leave_the_third(world, serving, opened):
    one, two, good = serving(), serving(), serving()
    changed("timestamp")(world, one.files)
    changed("bin")(world, two.files)
    assert opened(one, two, good).page("flask") == Found(world.state)


def test_a_first_address_that_lags_is_believed_until_its_timestamp_expires(world, serving, opened):
    """The choice of docs/adr/0029: the order is the person's, and no mirror is asked whether it has something newer."""
    lagging, good = serving(), serving()
    lagging.files = dict(world.before)
    before = opened(lagging, good)
    assert before.trusted.timestamp.version == 2 and "metadata/timestamp.json" not in good.asked
    world.later(hours=25)
    world.publish()
    good.files = dict(world.repository.files)
    assert opened(lagging, good).page("flask") == Found(world.state)


def test_a_mirror_that_is_off_is_passed_over(world, serving, opened):
    off, good = serving(), serving()
    off.stop()
    off.stop = lambda: None
    assert opened(off, good).page("flask") == Found(world.state)


@pytest.mark.parametrize("status", [403, 404, 429, 500, 503])
def test_a_mirror_that_only_says_no_is_passed_over(world, serving, opened, status):
    bad, good = serving(), serving()
    bad.status = status
    assert opened(bad, good).page("flask") == Found(world.state)


def test_a_mirror_that_drips_is_passed_over(world, serving, opened):
    slow, good = serving(), serving()
    slow.pause = 0.02
    assert opened(slow, good).page("flask") == Found(world.state)


def test_a_mirror_that_is_just_fast_enough_for_each_file_is_passed_over_in_the_end(world, serving, monkeypatch):
    slow, good = serving(), serving()
    slow.pause = 0.004
    monkeypatch.setattr(supply, "TOTAL_SECONDS", 1.5)
    pin = Pin("acme", slow.url, world.repository.root, mirrors=(good.url,))
    patient = Fetcher(lambda _: None, patience=20)
    session = Session(pin, world.directory, patient, world.clock, make_updater=updater_at(world.clock))
    assert session.trusted.timestamp.version == 3
    assert "metadata/timestamp.json" in slow.asked and world.repository.newest("snapshot") not in slow.asked


def test_where_all_of_it_takes_too_long_the_repository_is_out_of_reach(world, monkeypatch):
    world.publish()
    monkeypatch.setattr(supply, "TOTAL_SECONDS", -1.0)
    with pytest.raises(Refused, match="not asked for") as caught:
        world.session()
    assert caught.value.code == "unreachable"


def test_when_every_address_is_off_each_is_asked_once_and_not_again_in_another_order(world):
    world.publish()
    world.fetcher.broken = True
    pin = Pin("acme", URL, world.repository.root, mirrors=("http://one.test", "http://two.test"))
    with pytest.raises(Refused, match="connection refused") as caught:
        Session(pin, world.directory, world.fetcher, world.clock, make_updater=updater_at(world.clock))
    assert caught.value.code == "unreachable"
    root = "metadata/2.root.json"
    assert [path for path in world.fetcher.asked if path.endswith("root.json")] == [
        root,
        f"http://one.test/{root}",
        f"http://two.test/{root}",
    ]


# The walk along the roots.


def test_a_newer_root_that_one_address_hides_is_taken_from_another(world, serving, opened):
    hiding, good = serving(), serving()
    del hiding.files["metadata/2.root.json"]
    assert opened(hiding, good).trusted.root.version == 2


def test_the_walk_ends_when_no_address_has_a_newer_root(serving, opened):
    one, two = serving(), serving()
    opened(one, two)
    assert [each.asked.count("metadata/3.root.json") for each in (one, two)] == [1, 1]


def test_the_walk_ends_where_one_address_has_no_newer_root_and_the_other_is_off(serving, opened):
    off, good = serving(), serving()
    off.stop()
    off.stop = lambda: None
    assert opened(off, good).trusted.root.version == 2
    assert opened(good, off).trusted.root.version == 2


class Answers:
    """What each address answers, by its host; and who was asked."""

    def __init__(self, **answers):
        self.answers = answers
        self.asked = []

    def download_bytes(self, url, max_length):
        host = url.split("/")[2]
        self.asked.append(host)
        answer = self.answers[host]
        if isinstance(answer, DownloadError):
            raise answer
        return answer


ABSENT, BROKEN, OFF = DownloadHTTPError("no", 404), DownloadHTTPError("broken", 500), DownloadError("off")


@pytest.mark.parametrize(
    "answers, said",
    [((OFF, ABSENT), ABSENT), ((ABSENT, OFF), ABSENT), ((BROKEN, ABSENT), ABSENT), ((OFF, BROKEN), OFF)],
)
def test_that_one_has_no_such_file_counts_for_more_than_that_another_fails(answers, said):
    there = Answers(a=answers[0], b=answers[1])
    with pytest.raises(DownloadError) as caught:
        Mirrors(there, ("http://a", "http://b")).download_bytes("http://a/file", 10)
    assert caught.value is said


def test_an_address_that_failed_is_asked_last_and_not_at_all_once_another_has_no_such_file():
    there = Answers(a=OFF, b=b"here", c=b"here too")
    mirrors = Mirrors(there, ("http://a", "http://b", "http://c"))
    assert mirrors.download_bytes("http://a/file", 10) == mirrors.download_bytes("http://a/file", 10) == b"here"
    assert there.asked == ["a", "b", "b"]
    there.answers |= {"b": ABSENT, "c": ABSENT}
    there.asked.clear()
    with pytest.raises(DownloadHTTPError):
        mirrors.download_bytes("http://a/2.root.json", 10)
    assert there.asked == ["b", "c"]
    there.answers |= {"a": b"back", "b": OFF, "c": OFF}
    assert mirrors.download_bytes("http://a/file", 10) == b"back"


def test_what_is_not_below_the_repository_s_address_has_no_mirror():
    mirrors = Mirrors(Answers(), ("http://a/repo", "http://b"))
    assert mirrors.addresses("http://a/repo/x") == ["http://a/repo/x", "http://b/x"]
    for elsewhere in ("http://files.test/x", "http://a/repository/x"):
        assert mirrors.addresses(elsewhere) == [elsewhere]


# Files, by their hash.

DATA = b"the bytes that were signed"
SIGNED = Content("flask-1.0.whl", "", sha256(DATA), len(DATA))
WRONG = {
    "other bytes": b"X" * len(DATA),
    "too long": DATA + b"!",
    "too short": DATA[:-1],
    "as gzip": gzip.compress(DATA),
}


@pytest.fixture
def blob(serve, tmp_path):
    """Open the file from servers that have these bodies for it, None for none."""

    def open_from(*bodies):
        servers = [serve({} if body is None else {"file": body}) for body in bodies]
        mirrors = Mirrors(fetcher(), tuple(each.url for each in servers))
        content = Content(SIGNED.what, f"{servers[0].url}/file", SIGNED.sha256, SIGNED.size)
        with Blobs(tmp_path, mirrors).open(content) as file:
            return file.read()

    return open_from


@pytest.mark.parametrize("wrong", [*WRONG.values(), None], ids=[*WRONG, "missing"])
def test_a_file_that_one_mirror_has_wrong_comes_from_the_next(blob, wrong):
    assert blob(wrong, DATA) == DATA


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("other", [b"Y" * len(DATA), None], ids=["also wrong", "missing"])
def test_a_file_that_no_mirror_has_right_is_a_mismatch_and_nothing_of_it_is_kept(blob, tmp_path, wrong, other):
    for bodies in ((wrong, other), (other, wrong)):
        with pytest.raises(Refused) as caught:
            blob(*bodies)
        assert caught.value.code == "mismatch"
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_nobody_has_is_out_of_reach(blob):
    with pytest.raises(Refused) as caught:
        blob(None, None)
    assert caught.value.code == "unreachable"
