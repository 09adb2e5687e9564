"""What the log says of events: every type goes round, and no text and no account ever stands in a leaf."""

import json
import typing
from dataclasses import fields, replace
from hashlib import sha256
from types import NoneType
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keys.encoding import compact
from keys.state import File, Reason
from keys.tlog import leaves
from keys.tlog.leaves import BadLeaf
from keys.tlog.tiles import MAX_LEAF
from repo_service.domain import changes as c
from repo_service.domain import logged
from repo_service.domain.logged import PageSum, leaf_of, read
from tests.keys.strategies import actors, digests, files, instants, lines, project_names

PRIVATE: Final = {"case", "evidence"}
"""Fields of changes that are on no page."""
SHOWN: Final = {"holder", "owner", "shared_with"}
"""Fields that people or organisations are called by."""
PUBLIC: Final = {
    *("kind", "display", "alike", "expires_at", "grace_until", "effective_at", "published_at", "version", "canonical"),
    *("file", "files", "filename", "alternative", "parent", "namespaces", "versions", "id", "sha256s", "external_ids"),
}
"""Facts: names, versions, files, dates, and what a takedown is called."""
SECRET: Final = "Jean-Luc Ünbekannt "
secrets = lines.map(lambda text: SECRET + text)


def salt(label: str) -> bytes:
    """Whatever it is, another one for each label."""
    return sha256(b"a secret" + label.encode()).digest()


def values(name: str, hint: Any) -> st.SearchStrategy[Any]:
    """What a field of a change may hold."""
    if typing.get_origin(hint) is typing.Literal:
        return st.sampled_from(typing.get_args(hint))
    if typing.get_origin(hint) is tuple:
        return (
            files("1.0")
            if typing.get_args(hint)[0] is File
            else st.lists(values(name, typing.get_args(hint)[0]), max_size=3).map(tuple)
        )
    if NoneType in typing.get_args(hint):
        return st.none() | values(name, next(each for each in typing.get_args(hint) if each is not NoneType))
    if hint is File:
        return files("1.0").filter(bool).map(lambda found: found[0])
    if hint is c.Match:
        return st.builds(c.Match, project_names, st.booleans())
    assert hint is str, hint
    return secrets if name in PRIVATE | SHOWN else instants if name.endswith(("_at", "_until")) else lines


def changes_of(kind: type) -> st.SearchStrategy[Any]:
    hints = typing.get_type_hints(kind)
    return st.builds(kind, **{field.name: values(field.name, hints[field.name]) for field in fields(kind)})


def events_of(kind: type) -> st.SearchStrategy[c.Event]:
    reasons = st.builds(Reason, st.sampled_from(("broken", "moved")), st.none() | secrets)
    accounts = st.none() | lines.map(lambda text: f"account-{SECRET}{text}")
    return st.builds(
        c.Event, st.integers(1, 2**53 - 1), project_names, instants, actors, st.none() | reasons,
        st.sampled_from(("standard/1", "strict/2")), changes_of(kind), accounts, accounts, accounts, accounts,
    )  # fmt: skip


pages = st.none() | st.builds(PageSum, st.integers(1, 10**6), digests)


def opener(texts: tuple[bytes, ...]) -> logged.Open:
    """Texts by their digests, as they lie beside the log."""
    known = {sha256(text).hexdigest(): text for text in texts}
    return lambda digest: known[digest][logged.SALT_BYTES :]


def seen_by_all(event: c.Event) -> c.Event:
    """The event without what nobody but the registry may see."""
    hidden = {
        name: "sha256:" + sha256(salt(f"{event.seq}/{name}")[:16] + getattr(event.change, name).encode()).hexdigest()
        for name in PRIVATE
        if getattr(event.change, name, None) is not None
    }
    return replace(
        event, change=replace(event.change, **hidden), actor=None, holder=None, approver=None, org=None
    )  # fmt: skip


def test_every_field_of_every_change_is_a_fact_or_a_text():
    """Who adds a field says here what it is: texts must be digests in the log (repo_service/domain/logged.py)."""
    named = {(name, field.name) for name, kind in c.TYPES.items() for field in fields(kind)}
    assert {field for _, field in named} == PUBLIC | SHOWN | PRIVATE
    tables = {(name, field) for table in (logged._SHOWN, logged._RESTRICTED) for name in table for field in table[name]}
    assert tables == {(name, field) for name, field in named if field in SHOWN | PRIVATE}


@pytest.mark.parametrize("kind", sorted(c.TYPES))
def test_every_type_of_event_goes_round(kind):
    @settings(max_examples=6, deadline=None)
    @given(events_of(c.TYPES[kind]), st.integers(1, 2**53 - 1), pages)
    def goes_round(event: c.Event, serial: int, page: PageSum | None) -> None:
        leaf, texts = leaf_of(event, serial, page, salt)
        found = read(leaf)
        assert leaves.kind_of(leaf) == "event"
        assert (found.seq, found.name, found.serial, found.page) == (event.seq, event.name, serial, page)
        assert (found.at, found.by, found.type) == (event.at, event.by, kind)
        assert (found.reason and found.reason.code) == (event.reason and event.reason.code)
        assert found.event(opener(texts)) == seen_by_all(event)

    goes_round()


@pytest.mark.parametrize("kind", sorted(c.TYPES))
def test_no_text_and_no_account_of_any_event_stands_in_a_leaf(kind):
    """Free text does not stand in the log, which can forget nothing. The evidence of a takedown and the case of a claim
    stand there in the same way, and their files are never public.
    """

    @settings(max_examples=6, deadline=None)
    @given(events_of(c.TYPES[kind]))
    def is_not_there(event: c.Event) -> None:
        leaf, texts = leaf_of(event, 1, None, salt)
        assert SECRET not in json.dumps(json.loads(leaf), ensure_ascii=False)
        public = [text[logged.SALT_BYTES :].decode() for text in texts]
        assert not {getattr(event.change, name, None) for name in PRIVATE} & {*public}
        assert not any("account-" in text for text in public)
        shown = [getattr(event.change, name, None) for name in SHOWN] + [event.reason and event.reason.text]
        listed = [text for each in shown if each for text in ([each] if isinstance(each, str) else each)]
        assert sorted(public) == sorted(listed)

    is_not_there()


RESERVED: Final = c.Event(
    7, "flask", "2026-11-28T09:00:00Z", "support", Reason("moved", "call +1 555 0100"), "standard/1",
    c.NameReserved("user", "Jane Doe", "2027-11-28T09:00:00Z", "2027-12-28T09:00:00Z", "Flask"), "account-7",
    "account-8",
)  # fmt: skip


def test_a_leaf_is_written_as_the_format_says():
    leaf, texts = leaf_of(RESERVED, 3, PageSum(900, "ab" * 32), salt)
    holder, reason = (sha256(text).hexdigest() for text in texts)
    assert json.loads(leaf) == {
        "kind": "event", "seq": 7, "name": "flask", "serial": 3, "at": "2026-11-28T09:00:00Z", "by": "support",
        "type": "name.reserved", "reason": {"code": "moved", "text": f"sha256:{reason}"}, "policy": "standard/1",
        "page": {"length": 900, "sha256": "ab" * 32},
        "change": {
            "kind": "user", "holder": f"sha256:{holder}", "expires_at": "2027-11-28T09:00:00Z",
            "grace_until": "2027-12-28T09:00:00Z", "display": "Flask",
        },
    }  # fmt: skip
    assert leaf == compact(json.loads(leaf))
    assert logged.text_path(holder) == f"texts/{holder}"
    assert texts == (salt("7/holder")[:16] + b"Jane Doe", salt("7/reason")[:16] + b"call +1 555 0100")


def test_equal_texts_have_other_digests_each_time():
    """Who knows a text does not find it elsewhere in the log."""
    event = replace(RESERVED, reason=Reason("moved", "Jane Doe"))
    shared = replace(RESERVED, change=c.NamespaceShared(("Jane Doe", "Jane Doe")), reason=None)
    texts = [text for each in (event, replace(event, seq=8), shared) for text in leaf_of(each, 3, None, salt)[1]]
    assert {text[16:] for text in texts} == {b"Jane Doe"}
    assert len({sha256(text).hexdigest() for text in texts}) == len(texts) == 6


def test_a_leaf_repeats_to_the_byte():
    assert leaf_of(RESERVED, 3, None, salt) == leaf_of(RESERVED, 3, None, salt)


def released(count: int) -> c.Event:
    found = tuple(
        File(f"flask-1.0-{at:04d}.tar.gz", f"sdist {at}", sha256(b"%d" % at).hexdigest(), at, "2026-11-28T09:00:00Z")
        for at in range(count)
    )
    return replace(RESERVED, change=c.ReleasePublished("1.0", "1.0", "2026-11-28T09:00:00Z", found))


def test_a_change_that_is_too_long_lies_beside_the_leaf():
    """As compact JSON, named by its digest."""
    event = released(400)
    leaf, texts = leaf_of(event, 3, None, salt)
    assert len(leaf) < 1_000 and len(texts) == 2
    assert json.loads(leaf)["change"] == f"sha256:{sha256(texts[-1]).hexdigest()}"
    assert texts[-1][:16] == salt("7/change")[:16] and len(texts[-1]) > MAX_LEAF
    assert read(leaf).event(opener(texts)) == seen_by_all(event)
    with pytest.raises(BadLeaf, match="event 7 is malformed"):
        read(leaf).event(lambda digest: b"{}")
    with pytest.raises(BadLeaf, match="event 7 is malformed"):
        read(leaf).event(lambda digest: texts[-1][16:] + b"\n")


def test_a_change_stands_in_its_leaf_as_long_as_it_fits():
    counts = [
        count
        for count in range(335, 365)
        if isinstance(json.loads(leaf_of(released(count), 3, None, salt)[0])["change"], dict)
    ]
    assert counts == [*range(335, counts[-1] + 1)]
    longest = leaf_of(released(counts[-1]), 3, None, salt)[0]
    assert MAX_LEAF - 300 < len(longest) <= MAX_LEAF


def test_the_texts_of_a_long_change_that_are_on_no_page_stay_digests():
    secret = "the informant is J. Doe"
    event = replace(RESERVED, change=c.TakedownListed("t-1", "malware", (), ("ab" * 32,) * 2_000, (), secret))
    leaf, texts = leaf_of(event, 3, None, salt)
    assert isinstance(json.loads(leaf)["change"], str)
    assert not any(secret.encode() in each for each in (leaf, *texts))


def test_a_text_whose_file_is_gone_is_said_by_whoever_opens():
    leaf, texts = leaf_of(RESERVED, 3, None, salt)
    with pytest.raises(KeyError):
        read(leaf).event(opener(texts[:1]))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("kind", "sealed"),
        ("type", "name.stolen"),
        ("at", "yesterday"),
        ("by", "nobody"),
        ("seq", "7"),
        ("serial", None),
        ("name", 7),
        ("reason", {"code": "UPPER"}),
        ("page", {"length": 1, "sha256": "ab"}),
        ("change", None),
        ("change", ["x"]),
        ("page", None),
        ("reason", {"code": "moved", "text": None}),
        ("other", 1),
    ],
)
def test_a_leaf_that_is_no_event_s_is_refused(field, value):
    plain = json.loads(leaf_of(RESERVED, 3, None, salt)[0])
    with pytest.raises(BadLeaf, match="a leaf "):
        read(compact(plain | {field: value}))
    if field in plain.keys() - {"reason", "page"}:
        with pytest.raises(BadLeaf, match="a leaf "):
            read(compact({name: kept for name, kept in plain.items() if name != field}))


@pytest.mark.parametrize(
    "change",
    [
        {"holder": "Jane Doe"},
        {"holder": "sha256:" + "AB" * 32},
        {"holder": "sha256:"},
        {"holder": 7},
        {"display": None},
        {"kind": "other"},
        {"alike": []},
        {"other": "x"},
    ],
)
def test_a_change_that_is_none_or_shows_a_text_is_refused(change):
    leaf, texts = leaf_of(RESERVED, 3, None, salt)
    plain = json.loads(leaf)
    with pytest.raises(BadLeaf, match="event 7 is malformed"):
        read(compact(plain | {"change": plain["change"] | change})).event(opener(texts))


def test_a_reason_that_stands_in_a_leaf_as_a_text_is_refused():
    leaf, texts = leaf_of(RESERVED, 3, None, salt)
    plain = json.loads(leaf)
    with pytest.raises(BadLeaf, match="a text must stand in a leaf as its digest"):
        read(compact(plain | {"reason": {"code": "moved", "text": "call +1 555 0100"}})).event(opener(texts))
