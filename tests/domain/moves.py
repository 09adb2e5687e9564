"""Generated requests to three names, one of them in the namespace of another; most are accepted now and then."""

from typing import Any, Final

from hypothesis import strategies as st

from keys.state import Reason
from repo_service.domain import requests as r
from tests.domain.cases import CLASSES, MODERATOR, a_file
from tests.world import ADMIN, OWNER

NAMES: Final = ("foo", "bar", "foo-bar")
ACCOUNTS: Final = (None, "account-1", "account-2")

ORGS: Final = ("org-1", "org-2")

anybody = st.builds(r.Actor, st.sampled_from(CLASSES), st.sampled_from(ACCOUNTS), org=st.none() | st.sampled_from(ORGS))
names = st.sampled_from(NAMES)
versions = st.sampled_from(("1.0", "2.0", "1.0.0"))
reasons = st.sampled_from((Reason("insecure", "leaks tokens"), Reason("broken"), Reason("moved", "siehe ☃")))


one_file = st.tuples(names, versions, st.sampled_from((".tar.gz", ".zip", "-py3-none-any.whl"))).map(
    lambda found: (found[0], found[1], f"{found[0]}-{found[1]}{found[2]}")
)


kinds = st.sampled_from(("malware", "spam"))
external_ids = st.sampled_from(((), ("CVE-2026-0001",), ("MAL-2026-1",), ("CVE-2026-0001", "MAL-2026-1")))
evidence = st.sampled_from(("case-7", "case-8"))


def actors(*likely: r.Actor) -> st.SearchStrategy[r.Actor]:
    """Those who may, mostly, and anybody."""
    return st.one_of(*(st.just(actor) for actor in likely), anybody)


@st.composite
def publications(draw: st.DrawFn) -> r.Publish:
    """One or two files, of few contents, so that they meet again."""
    name, version = draw(names), draw(versions)
    kinds = draw(st.lists(st.sampled_from((".tar.gz", ".zip", "-py3-none-any.whl")), min_size=1, max_size=2))
    files = tuple(a_file(f"{name}-{version}{kind}", draw(st.sampled_from((b"x", b"y")))) for kind in kinds)
    return r.Publish(name, version, files, draw(actors(OWNER, r.Actor("system"))))


def namespaces() -> tuple[st.SearchStrategy[r.Request], ...]:
    """Any verb about a namespace, and who may take names in one."""
    orgs, shown = st.sampled_from(ORGS), st.sampled_from(("Example Corp", "Example GmbH"))
    owners = st.builds(r.Actor, st.just("owner"), st.just("account-1"), org=orgs)
    support = r.Actor("support", "account-7")
    return (
        st.builds(r.Grant, names, orgs, shown, actors(support, ADMIN)),
        st.builds(r.GrantChild, names, owners),
        st.builds(r.Share, names, orgs, shown, owners),
        st.builds(r.Unshare, names, orgs, owners),
        st.builds(r.HandOver, names, orgs, shown, owners | st.just(support)),
        st.builds(r.EndGrant, names, owners | st.just(support)),
        names.flatmap(lambda name: st.builds(r.Respell, st.just(name), st.sampled_from((name, name.upper())), owners)),
        st.builds(r.Assign, names, st.none() | orgs, actors(support)),
        st.builds(r.Reserve, names, owners),
    )


verdicts = st.builds(
    r.Judge,
    names,
    st.sampled_from(("ok", "review", "quarantine", "remove")),
    evidence,
    actors(ADMIN, MODERATOR),
    kinds,
    st.none() | st.lists(versions, min_size=1, max_size=2).map(tuple),
    external_ids,
)


def requests(as_of: str) -> st.SearchStrategy[r.Request]:
    """Any verb, with facts that were looked up at ``as_of``."""
    release: tuple[st.SearchStrategy[Any], ...] = (names, versions)
    facts = st.just(r.Fact(0, as_of)) | st.none() | st.just(r.Fact(1, as_of))
    recipients = st.just(r.Recipient("account-2", r.Contact("verified", as_of)))
    support, clock = r.Actor("support"), r.Actor("clock")
    return st.one_of(
        publications(),
        publications(),
        st.builds(r.Yank, *release, st.none() | reasons, actors(OWNER, ADMIN)),
        st.builds(r.ApproveYank, *release, actors(ADMIN)),
        st.builds(r.Unyank, *release, st.none() | reasons, actors(OWNER, ADMIN)),
        st.builds(r.Unpublish, *release, reasons, facts, actors(OWNER, support)),
        st.builds(r.Restore, *release, reasons, actors(OWNER, ADMIN)),
        st.builds(r.Reserve, names, actors(OWNER)),
        st.builds(r.Renew, names, actors(OWNER)),
        st.builds(r.Release, names, actors(OWNER, ADMIN)),
        st.builds(r.Expire, names),
        st.builds(r.Quarantine, names, reasons, actors(ADMIN)),
        st.builds(r.Clear, names, reasons, actors(ADMIN)),
        st.builds(r.Claim, names, st.just("case-7"), st.just("account-1"), actors(support)),
        st.builds(r.Prohibit, names, reasons, anybody),
        st.builds(r.Unprohibit, names, reasons, anybody),
        st.builds(r.Revoke, names, reasons, anybody),
        st.builds(r.TransferProject, names, recipients, actors(OWNER, support)),
        st.builds(r.OpenSession, names, actors(OWNER)),
        st.builds(r.Archive, names, st.none(), actors(OWNER)),
        st.builds(r.Unarchive, names, st.none(), actors(OWNER)),
        st.builds(r.Deprecate, names, reasons, st.sampled_from((None, "bar")), actors(OWNER)),
        st.builds(r.Undeprecate, names, st.none(), actors(OWNER)),
        st.builds(r.Lock, names, reasons, anybody),
        st.builds(r.Unlock, names, reasons, actors(ADMIN)),
        st.builds(r.QuarantineRelease, *release, reasons, actors(ADMIN)),
        st.builds(r.ClearRelease, *release, reasons, actors(ADMIN)),
        st.builds(r.DeprecateRelease, *release, reasons, st.none(), actors(OWNER)),
        st.builds(r.UndeprecateRelease, *release, st.none(), actors(OWNER)),
        st.builds(r.CloseRelease, *release, st.none(), anybody),
        st.builds(r.CloseDue, names, actors(clock)),
        st.builds(r.PurgeRelease, *release, st.none(), actors(clock, ADMIN)),
        *namespaces(),
        one_file.flatmap(lambda f: st.builds(r.RemoveFile, *map(st.just, f), reasons, facts, actors(OWNER, support))),
        one_file.flatmap(lambda f: st.builds(r.RestoreFile, *map(st.just, f), reasons, actors(OWNER, ADMIN))),
        st.builds(
            r.UnpublishProject, names, reasons, st.just("foo"), st.builds(r.Facts, facts), actors(OWNER, support)
        ),
        st.builds(r.RestoreProject, names, reasons, actors(OWNER, ADMIN)),
        st.builds(r.RemoveProject, names, kinds, reasons, actors(ADMIN)),
        verdicts,
        verdicts,
        one_file.flatmap(lambda f: st.builds(r.PurgeFile, *map(st.just, f), st.none(), actors(clock, ADMIN))),
    )
