"""A request (``*.request``): one ceremony in one strict file, for a stick that goes to a holder.

It carries what the draft follows from, as text that people can read, and the draft. The holder's machine believes none
of it: it makes the draft again, and takes the chain of roots from its own memory on.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

from ceremony import inputs
from ceremony.draft import Draft
from ceremony.errors import BadInput, Mismatch
from ceremony.inputs import Ceremony, Files
from keys import strict
from keys.encoding import compact

TYPE: Final = "tallystick-request/1"
SUFFIX: Final = ".request"
_AGAIN: Final = "Ask the coordinator for the request again."


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Request:
    """``draft`` is the digest that people read aloud; ``tool`` made the file."""

    type: Literal["tallystick-request/1"]
    draft: str
    tool: str
    files: tuple[_File, ...]


def name(drafted: Draft) -> str:
    """What the file is called: the repository, and the first thing that is signed."""
    first = drafted.candidates[0]
    repository = re.sub(r"[^A-Za-z0-9._]+", "-", drafted.plan.name)
    return f"{repository}-{first.role}-{first.version}"


def write(files: Files, drafted: Draft, tool: str) -> bytes:
    """The request for a draft, of the files that it follows from and its own."""
    carried = tuple(_File(path, tuple(files[path].decode().split("\n"))) for path in sorted(files))
    return compact(strict.dump(_Request(TYPE, drafted.digest, tool, carried)))


def read(where: str, data: bytes) -> Ceremony:
    """The ceremony that a request is for, its draft made again. BadInput or Mismatch if anything of it is not as it
    should be.
    """
    try:
        request = strict.load(_Request, strict.parse(data))
    except strict.Malformed as error:
        raise BadInput(f"{where}: {error}", _AGAIN) from None
    if compact(strict.dump(request)) != data:
        raise BadInput(f"{where}: not written as 'request' writes it", _AGAIN)
    files = {file.path: "\n".join(file.lines).encode() for file in request.files}
    if strange := sorted(path for path in files if not inputs.is_ours(path)):
        raise BadInput(f"{where}: carries {strange[0]!r:.80}, which belongs to no ceremony", _AGAIN)
    if len(files) < len(request.files):
        raise BadInput(f"{where}: carries a file twice", _AGAIN)
    opened = inputs.open_ceremony(files)
    if opened.drafted.digest != request.draft:
        raise Mismatch(f"{where}: names the draft {request.draft:.16}, and carries {opened.drafted.digest:.16}", _AGAIN)
    return opened
