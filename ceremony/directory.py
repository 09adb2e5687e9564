"""The directory that is a ceremony: what lies where, read strictly, written durably and never over anything.

How far a ceremony has come follows from its files. A command that died half-way is run again: what it had written is
complete, and writing the same bytes again changes nothing.
"""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from ceremony import draft, memory, plan, responses
from ceremony.draft import Draft
from ceremony.errors import BadInput, Mismatch, Refused
from ceremony.memory import Memory
from ceremony.plan import Keyring, Plan
from ceremony.responses import Response
from keys import possession, strict, trust
from keys.possession import PublicKeyFile
from keys.records import UnacceptableKey
from keys.trust import RootOfTrust

MAX_FILE: Final = 4_000_000
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
"""A holder's name: it becomes a file's name, and people read it aloud."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything that a draft follows from; ``names`` says who is behind a key id, former holders included."""

    plan: Plan
    keyring: Keyring
    current: RootOfTrust | None
    names: Mapping[str, str]

    def draft(self, now: datetime) -> Draft:
        return draft.draft(self.plan, self.keyring, self.current, now)


def load(folder: Path) -> Inputs:
    """The plan, the key files and, if there is one, the root of trust of the ceremony before."""
    planned = plan.read(read_file(folder / "plan.toml"))
    holders = tuple(read_public_key(path) for path in sorted((folder / "holders").glob("*.pub")))
    keyring = Keyring(holders, read_public_key(folder / "online.pub"))
    current = read_trust(folder / "current") if (folder / "current").is_dir() else None
    former = [read_public_key(path) for path in sorted((folder / "current" / "holders").glob("*.pub"))]
    return Inputs(planned, keyring, current, {file.key.keyid: file.name for file in (*former, *keyring)})


def load_draft(folder: Path, inputs: Inputs) -> Draft:
    """The draft made again from its inputs; Mismatch unless ``draft/`` holds exactly the same bytes."""
    at = drafted_at(folder, inputs.plan)
    if at is None:
        raise BadInput(f"{folder / 'draft'}: there is no draft yet", "Run 'draft' first.")
    drafted = inputs.draft(at)
    if _draft_files(folder) != drafted.files():
        raise Mismatch(
            "draft/ is not what plan.toml, the key files and current/ make",
            "Do not sign. Somebody changed one of them after the draft was made: ask the coordinator which.",
        )
    return drafted


def drafted_at(folder: Path, planned: Plan) -> datetime | None:
    """When the draft in this directory was made, by its own account; None if there is none."""
    for name, data in sorted(_draft_files(folder).items()):
        return draft.drafted_at(planned, trust.parse_body(f"draft/{name}", name.removesuffix(".json"), data))
    return None


def write_draft(folder: Path, drafted: Draft) -> None:
    """Write ``draft/``; Refused if it holds a file of another draft."""
    files = {f"draft/{name}": data for name, data in drafted.files().items()}
    if extra := sorted(_draft_files(folder).keys() - drafted.files().keys()):
        raise Refused([f"draft/{name} belongs to another draft" for name in extra], "Use a new directory.")
    write_all(folder, files)


def load_responses(folder: Path) -> list[Response]:
    """The responses in ``signatures/``, not yet verified."""
    return [responses.read(path.name, read_file(path)) for path in sorted((folder / "signatures").glob("*.json"))]


def collected(folders: Iterable[Path]) -> list[Response]:
    """The responses of other copies of the directory; BadInput for a folder that is no such copy."""
    folders = list(folders)
    if strange := [str(folder) for folder in folders if not (folder / "signatures").is_dir()]:
        raise BadInput(f"{', '.join(strange)}: has no signatures/", "Name copies of the directory that were signed.")
    return [response for folder in folders for response in load_responses(folder)]


def read_trust(folder: Path) -> RootOfTrust:
    """The root of trust in a folder of sealed files."""
    paths = [*folder.glob("*.json"), *folder.glob("targets/simple/*/*")]
    return trust.read({path.relative_to(folder).as_posix(): read_file(path) for path in sorted(paths)})


def read_former(sealed: Path) -> dict[str, bytes]:
    """The sealed files of the ceremony before, verified, with its holders' files if they lie beside."""
    former = {f"holders/{path.name}": path for path in sorted((sealed.resolve().parent / "holders").glob("*.pub"))}
    for path in former.values():
        read_public_key(path)
    return read_trust(sealed).files() | {name: read_file(path) for name, path in former.items()}


def read_public_key(path: Path) -> PublicKeyFile:
    """A public key file, whose maker proved to hold the private key."""
    try:
        file = possession.read(read_file(path))
    except (strict.Malformed, UnacceptableKey, possession.NoPossession) as error:
        raise BadInput(f"{path}: {error}", "Ask its maker for the .pub file again.") from None
    if not NAME.fullmatch(file.name):
        raise BadInput(f"{path}: {file.name!r:.80} is not a name of letters, digits, '.', '_', '-'", "Make a new key.")
    return file


def read_memory(path: Path) -> Memory:
    """What the key beside this file signed; nothing, if the file does not exist yet."""
    return memory.read(read_file(path)) if path.exists() else memory.NEW


def read_file(path: Path) -> bytes:
    """The bytes of a file that came on somebody's stick: BadInput if it is missing, too large or unreadable."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}", "Give the path of a file that can be read.") from None
    if len(data) > MAX_FILE:
        raise BadInput(f"{path}: larger than {MAX_FILE} bytes", "This is no file of a ceremony.")
    return data


def write_all(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files by their path in ``folder``, durable when this returns.

    Refused, before anything is written, if one of them exists with other bytes.
    """
    paths = {folder / name: data for name, data in files.items()}
    if taken := [path for path, data in paths.items() if path.exists() and read_file(path) != data]:
        raise Refused(
            [f"{path} exists and holds something else; nothing is ever overwritten" for path in taken],
            "Use a new directory, or move the old file away if you are sure.",
        )
    for path, data in paths.items():
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            replace(path, data)


def replace(path: Path, data: bytes) -> None:
    """Write a file so that after a power cut it is there whole or not at all."""
    temporary = path.with_name(f".{path.name}.part")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _draft_files(folder: Path) -> dict[str, bytes]:
    return {path.name: read_file(path) for path in (folder / "draft").glob("*.json")}
