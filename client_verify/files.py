"""A file in somebody's hands: is it what the registry signed under its name, and may it be installed now?"""

import hashlib
from pathlib import Path

from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, parse_sdist_filename, parse_wheel_filename

from client_verify import verdict
from client_verify.answers import ProvenAbsent
from client_verify.refusals import Usage
from client_verify.session import Session
from keys import names


def check(session: Session, path: Path) -> verdict.Verdict:
    """The verdict on a file by its name and bytes. Usage if it is no wheel or sdist, or cannot be read."""
    name = project(path.name)
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise Usage(f"{path} cannot be read: {error.strerror}") from None
    answer = session.page(name)
    if isinstance(answer, ProvenAbsent):
        return verdict.of_absence(answer)
    signed = answer.state.file(path.name)
    if signed is not None and signed[1].sha256 != digest:
        return verdict.Refuse(
            "mismatch", f"{path.name} has sha256 {digest}; the registry signed {signed[1].sha256} under this name"
        )
    return verdict.of_file(answer.state, path.name)


def project(filename: str) -> str:
    """The normal form of the project's name in a wheel's or sdist's file name (PEP 427, PEP 625)."""
    try:
        if filename.endswith(".whl"):
            return names.normalise(parse_wheel_filename(filename)[0])
        return names.normalise(parse_sdist_filename(filename)[0])
    except (InvalidWheelFilename, InvalidSdistFilename, names.InvalidName) as error:
        raise Usage(f"{filename} is no wheel or sdist: {error}") from None
