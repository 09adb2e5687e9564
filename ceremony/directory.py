"""The directory that is a ceremony: what lies where, written durably and never over anything.

How far a ceremony has come follows from its files. A command that died half-way is run again: what it had written is
complete, and writing the same bytes again changes nothing.
"""

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from ceremony import answers, inputs, memory, request, transcript
from ceremony.answers import Answer
from ceremony.draft import Draft
from ceremony.errors import BadInput, Refused
from ceremony.inputs import Ceremony, Files
from ceremony.memory import Memory
from keys import trust
from keys.possession import PublicKeyFile
from keys.tlog import notes
from keys.tlog.notes import BadNote, VerifierKey
from keys.trust import RootOfTrust

MAX_FILE: Final = 4_000_000
TRANSCRIPT: Final = "transcript.jsonl"


def files(folder: Path) -> Files:
    """What a draft follows from, and the draft, by path in the directory."""
    found = (path for path in folder.rglob("*") if path.is_file())
    named = {path.relative_to(folder).as_posix(): path for path in found}
    return {name: read_file(path) for name, path in sorted(named.items()) if inputs.is_ours(name)}


def open_ceremony(path: Path) -> Ceremony:
    """The ceremony in a directory, or in a request; its draft is made again and compared."""
    if path.is_dir():
        return inputs.open_ceremony(files(path))
    return request.read(path.name, read_file(path))


def write_draft(folder: Path, drafted: Draft) -> None:
    """Write ``draft/``; Refused if it holds a file of another draft."""
    if extra := sorted(inputs.draft_files(files(folder)).keys() - drafted.files().keys()):
        raise Refused([f"draft/{name} belongs to another draft" for name in extra], "Use a new directory.")
    write_all(folder, {f"{inputs.DRAFT}{name}": data for name, data in drafted.files().items()})


def collected(folder: Path) -> list[Answer]:
    """The answers that were collected, not verified again yet."""
    return [read_answer(path) for path in sorted((folder / "answers").glob(f"*{answers.SUFFIX}"))]


def read_answer(path: Path) -> Answer:
    """An answer, not verified yet."""
    return answers.read(path.name, read_file(path))


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
    return inputs.public_key(str(path), read_file(path))


def read_log_key(path: Path) -> VerifierKey:
    """The public key of a log, in the one line of its file."""
    try:
        return notes.read_key(read_file(path).decode().removesuffix("\n"))
    except (BadNote, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: {error}", "Ask the operator for the log's .pub file again.") from None


def read_memory(path: Path) -> Memory:
    """What the key beside this file remembers; nothing, if the file does not exist yet."""
    return memory.read(read_file(path)) if path.exists() else memory.NEW


def tell(path: Path, now: datetime, event: str, **told: object) -> str:
    """Add a line to a transcript; its head then. BrokenChain if it is not whole."""
    before = read_file(path) if path.exists() else b""
    after = transcript.continued(before, now, event, told)
    if after != before:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace(path, after)
    return transcript.head(after)


def check_told(folder: Path | None) -> None:
    """BrokenChain if the transcript of a ceremony is not whole: nothing is done on top of it."""
    if folder is not None:
        check_whole(folder / TRANSCRIPT)


def check_whole(path: Path) -> None:
    """BrokenChain if there is a transcript here and it is not whole."""
    if path.exists():
        transcript.read(read_file(path))


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


def replace_in(folder: Path, name: str, data: bytes) -> None:
    """Write a file by its path in ``folder``, over what was there."""
    path = folder / name
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
