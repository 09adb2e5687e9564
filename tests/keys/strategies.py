"""Generated states of names: everything that the types of keys/state.py allow, and nothing else."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from hypothesis import strategies as st

from keys import names
from keys.names import normalise
from keys.state import (
    Act,
    Deprecation,
    File,
    Grant,
    Mark,
    Membership,
    NameState,
    Provenance,
    Reason,
    Release,
    Removal,
    Reservation,
    Yank,
)
from keys.times import moment, stamp

MOVES_A_CURSOR: Final = ("Cc", "Cf", "Cs", "Zl", "Zp")

lines = st.text(st.characters(exclude_categories=MOVES_A_CURSOR), min_size=1, max_size=20)
instants = st.integers(946_684_800, 4_000_000_000).map(lambda seconds: stamp(datetime.fromtimestamp(seconds, UTC)))
digests = st.text("0123456789abcdef", min_size=64, max_size=64)
actors = st.sampled_from(("owner", "moderator", "admin", "support", "system", "clock"))
project_names = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,12}[a-z0-9])?", fullmatch=True).map(normalise)
reasons = st.builds(Reason, st.from_regex(r"[a-z][a-z0-9_]{0,9}", fullmatch=True), st.none() | lines)
marks = st.builds(Mark, instants, actors, st.none() | reasons)
deprecations = st.builds(Deprecation, marks, st.none() | project_names)
yanks = st.builds(Yank, st.sampled_from(("owner", "security", "support")), marks)


def files(version: str) -> st.SearchStrategy[tuple[File, ...]]:
    """Files of one release, in order and with identities of their own."""
    kinds = st.lists(st.sampled_from(("py3-none-any.whl", "cp311-abi3-linux.whl", "tar.gz", "zip")), unique=True)
    return kinds.flatmap(
        lambda found: st.tuples(
            *(
                st.builds(
                    File,
                    st.just(f"x-{version}-{kind}"),
                    st.just(f"identity {kind}"),
                    digests,
                    st.integers(0, 2**53 - 1),
                    instants,
                    st.none() | lines,
                    st.none() | digests,
                    st.none() | st.just("https://files.example/x"),
                    st.none() | st.builds(Provenance, st.just("https://files.example/x.provenance"), digests),
                )
                for kind in sorted(found)
            )
        )
    )


@st.composite
def releases(draw: st.DrawFn, version: str) -> Release:
    """A release, published or a tombstone."""
    state = draw(st.sampled_from(("published", "unpublished", "purged")))
    removed = None if state == "published" else draw(marks)
    found = draw(files(version))
    return Release(
        version, f"canonical {version}", state, draw(st.integers(1, 9)), draw(instants),
        draw(st.none() | yanks), removed, found, draw(st.none() | marks), draw(st.none() | deprecations),
        draw(st.none() | marks), tuple(st_removal(draw, file.filename) for file in found[1:]),
    )  # fmt: skip


def st_removal(draw: st.DrawFn, filename: str) -> Removal:
    """A tombstone of one file."""
    return Removal(filename, draw(st.sampled_from(("removed", "purged"))), draw(marks))


@st.composite
def reservations(draw: st.DrawFn) -> Reservation:
    """A reservation whose grace period is not over before it begins."""
    expires = draw(instants)
    grace = stamp(moment(expires) + timedelta(days=draw(st.integers(0, 30))))
    return Reservation(
        draw(st.sampled_from(("user", "grant"))), draw(st.none() | lines), expires, grace, draw(st.integers(0, 9))
    )


@st.composite
def memberships(draw: st.DrawFn, name: str) -> tuple[Membership, ...]:
    """Some of the namespaces that a name can be in."""
    found = [prefix for prefix in names.prefixes(name) if draw(st.booleans())]
    return tuple(Membership(prefix, draw(st.booleans()), draw(st.integers(1, 99))) for prefix in found)


@st.composite
def name_states(draw: st.DrawFn) -> NameState:
    """Any state that can be written down, sensible or not."""
    versions = draw(st.lists(st.integers(0, 30).map(str), unique=True, max_size=3))
    status: Any = draw(st.sampled_from(("vacant", "reserved", "registered", "placeholder", "prohibited")))
    act = st.builds(Act, st.integers(1, 99), st.just("release.yanked"), st.none() | lines, marks)
    name = draw(project_names)
    return NameState(
        name=name,
        display=draw(lines),
        state=status,
        generation=draw(st.integers(1, 9)),
        serial=draw(st.integers(1, 2**53 - 1)),
        event=draw(st.integers(0, 2**53 - 1)),
        since=draw(marks),
        quarantine=draw(st.none() | marks),
        reservation=draw(reservations()) if status == "reserved" else None,
        releases=tuple(draw(releases(version)) for version in sorted(versions)),
        history=tuple(draw(st.lists(act, max_size=2))),
        locked=draw(st.none() | marks),
        namespace=draw(st.none() | st.builds(Grant, lines, marks, st.none() | project_names, st.tuples(lines))),
        namespaces=draw(memberships(name)),
        **draw(st.sampled_from(({}, {"archived": draw(marks)}, {"deprecated": draw(deprecations)}))),
    )
