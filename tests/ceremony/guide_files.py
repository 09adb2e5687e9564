"""The guides in tests/ceremony/guides, made again: ``python -m tests.ceremony.guide_files`` writes them."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from ceremony import emergency
from ceremony.situation import Public, Signed, Situation
from keys.trust import RootOfTrust
from tests.ceremony.people import LOG, NOW, drafted, first, held, keyring, plan, sealed_by

FILES: Final = Path(__file__).parent / "guides"
LATER: Final = NOW + timedelta(days=300)
NAMES: Final = {held(name).record.keyid: name for name in ("alice", "bob", "carol", "dan", "service")}
AFTER: Final = keyring("alice", "bob", "dan")
SEEN: Final = Public(
    Signed(2147483647, "2027-09-20T10:00:00Z"), Signed(17, "2027-09-24T10:00:00Z"), tuple(range(100_000, 100_016)), {}
)
"""A public folder whose timestamp a thief has raised."""


def second(*signers: str) -> RootOfTrust:
    """Dan came for carol, and a name is held: root 2, targets 2, held 2 and still bins 1."""
    return sealed_by(drafted(AFTER, first(), held=("admin", "root")), *(signers or ("alice", "bob")))


def logged() -> RootOfTrust:
    """The same, and root 2 names a log with witnesses."""
    return sealed_by(drafted(AFTER, first(), held=("admin", "root"), log=LOG), "alice", "bob")


def situation(found: RootOfTrust | None = None, **known: Any) -> Situation:
    """What somebody knows who has the sealed files of ``second`` and its plan."""
    return Situation(found or second(), NAMES, plan(AFTER), **known)


def forked() -> Public:
    """A public folder with another root 2: there erin came for carol."""
    other = sealed_by(drafted(keyring("alice", "bob", "erin"), first()), "alice", "bob")
    return Public(None, None, (), {file.name: file.data for file in (other.roots[1], other.newest["targets"])})


SITUATIONS: Final[Mapping[emergency.Kind, Situation]] = {
    "online-key": situation(public=SEEN),
    "log-key": situation(logged()),
    "holder-lost": situation(lost=("dan",)),
    "quorum-lost": situation(logged(), lost=("bob", "dan")),
    "quorum-stolen": situation(),
    "expired": situation(),
    "fork": situation(public=forked(), folder="mirror"),
}


def make() -> dict[str, str]:
    """Each guide by its file's name."""
    return {f"{kind}.txt": emergency.steps(kind, its, LATER).text for kind, its in SITUATIONS.items()}


def main() -> None:
    FILES.mkdir(exist_ok=True)
    for name, text in make().items():
        (FILES / name).write_text(text)


if __name__ == "__main__":
    main()
