"""Everything that a ceremony follows from, read strictly from its files, and the draft that it must be.

The files are the same whether they lie in the coordinator's directory or came in a request: nothing of a draft that is
handed around is believed, it is made again and compared.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ceremony import draft, plan
from ceremony.draft import Draft
from ceremony.errors import BadInput, Mismatch
from ceremony.plan import Keyring, Plan
from keys import possession, strict, trust
from keys.possession import PublicKeyFile
from keys.records import UnacceptableKey
from keys.trust import RootOfTrust

Files = Mapping[str, bytes]
"""A ceremony's files by their path in its directory."""
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
"""A holder's name: it becomes a file's name, and people read it aloud."""
PLAN: Final = "plan.toml"
ONLINE: Final = "online.pub"
HOLDERS: Final = "holders/"
CURRENT: Final = "current/"
FORMER: Final = "current/holders/"
DRAFT: Final = "draft/"
_PATH: Final = re.compile(
    rf"{re.escape(PLAN)}|{re.escape(ONLINE)}|(?:{FORMER}|{HOLDERS})[A-Za-z0-9._-]+\.pub|{DRAFT}[a-z]+\.json"
    rf"|{CURRENT}[0-9]+\.[a-z]+\.json|{CURRENT}targets/simple/[a-z0-9_-]+/[A-Za-z0-9._-]+",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything that a draft follows from; ``names`` says who is behind a key id, former holders included."""

    plan: Plan
    keyring: Keyring
    current: RootOfTrust | None
    names: Mapping[str, str]

    def draft(self, now: datetime) -> Draft:
        """What follows from these at a time: the same on every machine."""
        return draft.draft(self.plan, self.keyring, self.current, now)


@dataclass(frozen=True, slots=True)
class Ceremony:
    """A draft with everything that it follows from."""

    inputs: Inputs
    drafted: Draft

    @property
    def names(self) -> Mapping[str, str]:
        """Who is behind a key id, former holders included."""
        return self.inputs.names


def is_ours(path: str) -> bool:
    """Whether this is the path of a file that a draft follows from, or of the draft."""
    return _PATH.fullmatch(path) is not None


def read(files: Files) -> Inputs:
    """The plan, the key files and, if there is one, the root of trust of the ceremony before."""
    planned = plan.read(_needed(files, PLAN))
    keyring = Keyring(_public_keys(files, HOLDERS), public_key(ONLINE, _needed(files, ONLINE)))
    chain = {path.removeprefix(CURRENT): data for path, data in files.items() if path.startswith(CURRENT)}
    former = {path: chain.pop(path.removeprefix(CURRENT)) for path in files if path.startswith(FORMER)}
    current = trust.read(chain) if chain else None
    named = (*_public_keys(former, FORMER), *keyring)
    return Inputs(planned, keyring, current, {file.key.keyid: file.name for file in named})


def open_ceremony(files: Files) -> Ceremony:
    """The draft made again from its inputs; Mismatch unless ``draft/`` holds exactly the same bytes."""
    inputs = read(files)
    at = drafted_at(files, inputs.plan)
    if at is None:
        raise BadInput("draft/: there is no draft yet", "Run 'draft' first.")
    drafted = inputs.draft(at)
    if draft_files(files) != drafted.files():
        raise Mismatch(
            "draft/ is not what plan.toml, the key files and current/ make",
            "Do not sign. Somebody changed one of them after the draft was made: ask the coordinator which.",
        )
    return Ceremony(inputs, drafted)


def drafted_at(files: Files, planned: Plan) -> datetime | None:
    """When the draft among these files was made, by its own account; None if there is none."""
    for name, data in sorted(draft_files(files).items()):
        return draft.drafted_at(planned, trust.parse_body(f"{DRAFT}{name}", name.removesuffix(".json"), data))
    return None


def draft_files(files: Files) -> dict[str, bytes]:
    """What lies in ``draft/``, by file name."""
    return {path.removeprefix(DRAFT): data for path, data in files.items() if path.startswith(DRAFT)}


def public_key(path: str, data: bytes) -> PublicKeyFile:
    """A public key file, whose maker proved to hold the private key."""
    try:
        file = possession.read(data)
    except (strict.Malformed, UnacceptableKey, possession.NoPossession) as error:
        raise BadInput(f"{path}: {error}", "Ask its maker for the .pub file again.") from None
    if not NAME.fullmatch(file.name):
        raise BadInput(f"{path}: {file.name!r:.80} is not a name of letters, digits, '.', '_', '-'", "Make a new key.")
    return file


def _public_keys(files: Files, folder: str) -> tuple[PublicKeyFile, ...]:
    return tuple(public_key(path, files[path]) for path in sorted(files) if path.startswith(folder))


def _needed(files: Files, path: str) -> bytes:
    if path not in files:
        raise BadInput(f"{path}: is missing", "Give the directory of a ceremony, or a request that 'request' made.")
    return files[path]
