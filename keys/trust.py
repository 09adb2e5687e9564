"""A root of trust: what a ceremony leaves behind, read from its files only if every signature in it counts.

The ceremony reads back what it sealed, the service what it takes in: by this one function.

    1.root.json … N.root.json    every root there ever was, each signed for the one before it and for itself
    N.targets.json               signed for root N
    N.held.json  N.bins.json     signed for those targets
    targets/simple/…             the pages that held.json lists

It is also where a repository serves them, so the service adds these files as they are.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tuf.api.exceptions import RepositoryError, UnsignedMetadataError
from tuf.api.metadata import Metadata, Role, Root, Targets

from keys import counting, layout, names, page, rules, strict
from keys.counting import Delegator
from keys.encoding import compact, sha256

_FILE: Final = re.compile(r"([1-9][0-9]{0,8})\.(root|targets|held|bins)\.json", re.ASCII)
_PAGES: Final = "targets/"
Body = Root | Targets


class NotTrusted(Exception):
    """Files that are no root of trust: ``Unreadable``, ``Differs`` or ``Unsigned``."""


class Unreadable(NotTrusted):
    """A file is missing, or not of the form it must have."""


class Differs(NotTrusted):
    """Two things that must be the same are not."""


class Unsigned(NotTrusted):
    """A threshold is not met."""


@dataclass(frozen=True, slots=True)
class SignedFile:
    """A metadata file: its bytes, and what they say."""

    role: str
    data: bytes
    body: Body

    @property
    def name(self) -> str:
        """How the file is called where it is public."""
        return f"{self.body.version}.{self.role}.json"


@dataclass(frozen=True, slots=True)
class RootOfTrust:
    """Every root, the newest file of each role that roots delegate to offline, and the pages of held names by path."""

    roots: tuple[SignedFile, ...]
    newest: Mapping[str, SignedFile]
    pages: Mapping[str, bytes]

    @property
    def root(self) -> Root:
        """The newest root."""
        body = self.roots[-1].body
        assert isinstance(body, Root)
        return body

    def targets(self, role: str) -> Targets:
        """The newest ``targets``, ``held`` or ``bins``."""
        body = self.newest[role].body
        assert isinstance(body, Targets)
        return body

    def files(self) -> dict[str, bytes]:
        """The files by the path at which they lie in ``sealed/``, which is also where a repository serves them."""
        metadata = {file.name: file.data for file in (*self.roots, *self.newest.values())}
        return metadata | {page_file(path, data): data for path, data in self.pages.items()}


def page_file(path: str, data: bytes) -> str:
    """Where the page at a target path lies in ``sealed/``."""
    return _PAGES + names.hashed(path, sha256(data))


def read(files: Mapping[str, bytes]) -> RootOfTrust:
    """The root of trust in these files. Unreadable, Differs or Unsigned if any of it does not hold; dates are not read.

    Chain of roots and delegations as in the TUF specification, sections 5.3.4 and 5.6.3.
    """
    metadata = [_signed_file(path, data) for path, data in files.items() if not path.startswith(_PAGES)]
    roots = tuple(sorted((file for file in metadata if file.role == layout.ROOT), key=lambda file: file.body.version))
    if problems := rules.chain_problems([file.body for file in roots if isinstance(file.body, Root)], embedded=()):
        raise Unreadable("\n".join(problems))
    delegated = {file.role: file for file in metadata if file.role != layout.ROOT}
    if len(delegated) != len(layout.OFFLINE) - 1 or len(metadata) != len(roots) + len(delegated):
        raise Unreadable("there must be exactly one file of each of targets, held and bins")
    newest = {layout.ROOT: roots[-1]} | delegated
    _check_signatures(roots, newest)
    _check_apart(newest[layout.ROOT].body, newest[layout.TARGETS].body)
    _check_held(newest[layout.TARGETS].body, newest[layout.HELD].body)
    return RootOfTrust(roots, newest, _pages(newest[layout.HELD].body, files))


def continuing_problems(found: RootOfTrust, known: Mapping[str, bytes], now: datetime) -> list[str]:
    """Why who has the offline files ``known`` by their roles (none: the first) must not go on to these: they are past
    their date, of another chain, older, or others under one version.
    """
    return [*_dates(found, now), *_continuity(found, known)]


def bins_shape(bins: Targets) -> layout.Bins:
    """How many hash bins a verified ``bins`` role delegates to."""
    assert bins.delegations is not None and bins.delegations.succinct_roles is not None, "rules.bins_problems"
    return layout.Bins(bins.delegations.succinct_roles.bit_length)


def held_names(targets: Targets) -> frozenset[str]:
    """The names that verified targets give to ``held``."""
    assert targets.delegations is not None and targets.delegations.roles is not None, "rules.targets_problems"
    paths = targets.delegations.roles[layout.HELD].paths or ()
    return frozenset(names.name_of(path.split("/")[1]) for path in paths)


def online_roles(root: Root, bins: Targets) -> Iterator[tuple[str, Role]]:
    """``timestamp``, ``snapshot`` and ``bin``, with their keys and thresholds."""
    assert bins.delegations is not None and bins.delegations.succinct_roles is not None, "rules.bins_problems"
    yield from ((role, root.roles[role]) for role in layout.ONLINE)
    yield layout.BIN_PREFIX, bins.delegations.succinct_roles


def online_keyids(root: Root, bins: Targets) -> dict[str, frozenset[str]]:
    """For ``timestamp``, ``snapshot`` and ``bin`` the keys that may sign it."""
    return {kind: frozenset(role.keyids) for kind, role in online_roles(root, bins)}


def version_of(data: bytes) -> int:
    """The version of a metadata file of ours."""
    version: int = Metadata.from_bytes(data).signed.version
    return version


def body_problems(role: str, body: Body) -> list[str]:
    """Everything that keys/rules.py has against one of the four bodies."""
    if isinstance(body, Root):
        return rules.root_problems(body)
    checks = {
        layout.TARGETS: rules.targets_problems,
        layout.HELD: rules.held_problems,
        layout.BINS: rules.bins_problems,
    }
    return checks[role](body)


def _signed_file(path: str, data: bytes) -> SignedFile:
    if not (match := _FILE.fullmatch(path)):
        raise Unreadable(f"{path}: not the name of a sealed file")
    version, role = match.groups()
    body = parse_body(path, role, data)
    if body.version != int(version):
        raise Differs(f"{path}: holds version {body.version}")
    if problems := body_problems(role, body):
        raise Unreadable("\n".join(f"{path}: {problem}" for problem in problems))
    return SignedFile(role, data, body)


def parse_body(path: str, role: str, data: bytes) -> Body:
    """The body of a metadata file in our own form: compact, and saying which role it is for."""
    try:
        plain = strict.parse(data)
        metadata: Metadata[Root] = Metadata.from_bytes(data)
    except (strict.Malformed, RepositoryError) as error:
        raise Unreadable(f"{path}: not TUF metadata: {error}") from None
    body: object = metadata.signed
    if not isinstance(body, Root if role == layout.ROOT else Targets) or compact(plain) != data:
        raise Unreadable(f"{path}: not a {role} file as a ceremony writes it")
    assert isinstance(body, Root | Targets)
    # targets, held and bins have one type and the same signers: without this, one could be served for another.
    if role != layout.ROOT and (said := body.unrecognized_fields.get(layout.ROLE_FIELD)) != role:
        raise Differs(f"{path}: says it is {said!r:.40}, not {role}")
    return body


def _dates(found: RootOfTrust, now: datetime) -> Iterator[str]:
    for role, file in found.newest.items():
        yield from rules.date_problems(role, file.body.expires, now)


def _continuity(found: RootOfTrust, known: Mapping[str, bytes]) -> Iterator[str]:
    """It goes on from what we have: the same chain of roots, no older version, no other bytes under one version."""
    chain = {root.name: root.data for root in found.roots}
    for role, ours in known.items():
        version = version_of(ours)
        theirs = found.newest[role]
        if role == layout.ROOT and chain.get(f"{version}.root.json") != ours:
            yield f"root: this service trusts another root {version}; these files do not continue it"
        elif theirs.body.version < version:
            yield f"{role}: version {theirs.body.version} is older than {version}, which was taken in before"
        elif theirs.body.version == version and theirs.data != ours:
            yield f"{role}: version {version} was taken in before with other bytes"


def _check_signatures(roots: tuple[SignedFile, ...], newest: Mapping[str, SignedFile]) -> None:
    before = roots[0]
    for root in roots:
        require(before.body, root)
        require(root.body, root)
        before = root
    require(newest[layout.ROOT].body, newest[layout.TARGETS])
    require(newest[layout.TARGETS].body, newest[layout.HELD])
    require(newest[layout.TARGETS].body, newest[layout.BINS])


def _check_apart(root: Body, targets: Body) -> None:
    # Whoever stole the online key could otherwise hold and release names, or hand the bins to a key of their own.
    assert isinstance(root, Root) and isinstance(targets, Targets) and targets.delegations is not None
    if both := sorted(rules.online_keyids(root) & targets.delegations.keys.keys()):
        raise Differs(f"targets: delegates to the online key {both[0]:.16}; held and bins must be signed offline")


def require(delegator: Delegator, file: SignedFile) -> None:
    """Unsigned unless ``file`` is signed for ``delegator``, by our own count and by python-tuf's."""
    count = counting.count_file(delegator, file.role, file.data)
    if not count.met:
        raise Unsigned(
            f"{file.name}: signed by {count.distinct} of {count.threshold} keys that {delegator.type} "
            f"{delegator.version} asks for",
        )
    metadata: Metadata[Root] = Metadata.from_bytes(file.data)
    try:
        delegator.verify_delegate(file.role, metadata.signed_bytes, metadata.signatures)
    except UnsignedMetadataError as error:
        raise Unsigned(f"{file.name}: stock clients would refuse it: {error}") from None


def _check_held(targets: Body, held: Body) -> None:
    # A name with a page but without its paths would be left to the online key, whatever the page says.
    assert isinstance(targets, Targets) and targets.delegations is not None and targets.delegations.roles is not None
    assert isinstance(held, Targets)
    if sorted(targets.delegations.roles[layout.HELD].paths or ()) != held_paths(held.targets):
        raise Differs("targets.json does not hand to held exactly the names that held.json lists")


def held_paths(pages: Iterable[str]) -> list[str]:
    """The patterns by which ``targets`` hands the names of these pages to ``held``, in order."""
    named = [names.name_of(path.split("/")[1]) for path in pages]
    return sorted(pattern for name in named for pattern in layout.held_paths(name))


def _pages(held: Body, files: Mapping[str, bytes]) -> dict[str, bytes]:
    assert isinstance(held, Targets)
    listed = {_PAGES + names.hashed(path, entry.hashes["sha256"]): path for path, entry in held.targets.items()}
    present = {path for path in files if path.startswith(_PAGES)}
    if differing := sorted(present ^ listed.keys()):
        raise Differs(f"{differing[0]}: the pages are not exactly those that held.json lists")
    pages = {path: files[stored] for stored, path in listed.items()}
    for path, data in pages.items():
        if page.target_entry(data) != held.targets[path].to_dict():
            raise Differs(f"{path}: is not the page that held.json lists")
        _check_page(path, data)
    return pages


def _check_page(path: str, data: bytes) -> None:
    try:
        state = page.parse(data)
    except page.InvalidPage as error:
        raise Unreadable(f"{path}: {error}") from None
    if names.page_path(state.name) != path or state.state != "prohibited":
        raise Differs(f"{path}: is the page of {state.name}, which is {state.state}")
