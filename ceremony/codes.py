"""An answer as one QR code: signatures leave the offline machine as light, and no stick goes back.

    TALLYSTICK1: base45 (RFC 9285) of
      8 bytes of the draft's digest, 8 of the key id, 4 of the time in seconds, 1 whether words were heard, and for each
      file that the key signs, in the order of the draft: 2 bytes of length, then the signature

Whoever reads it has the draft, and verifies every signature as in an answer's file.
"""

from datetime import UTC, datetime
from io import StringIO
from typing import Final

from ceremony.answers import Answer, attached, signable
from ceremony.errors import BadInput, Refused
from ceremony.inputs import Ceremony
from keys.times import moment

PREFIX: Final = "TALLYSTICK1:"
MAX_CHARACTERS: Final = 1_200
"""About QR version 20 with medium correction: what a camera still reads off a screen."""
_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_AGAIN: Final = "Scan it again, or take the .answer file."


def is_code(data: bytes) -> bool:
    """Whether a file holds the text of a code."""
    return data.startswith(PREFIX.encode())


def write(answer: Answer) -> str:
    """The text of the code. Refused if it would be too large for one."""
    if answer.declined:
        raise Refused(["a no has no code"], "Bring the .answer file, or call the coordinator.")
    head = bytes.fromhex(answer.draft[:16]) + bytes.fromhex(answer.keyid[:16])
    head += int(moment(answer.at).timestamp()).to_bytes(4, "big") + bytes([answer.heard])
    raw = [bytes.fromhex(each.sig) for each in answer.signed]
    text = PREFIX + _base45(head + b"".join(len(sig).to_bytes(2, "big") + sig for sig in raw))
    if len(text) > MAX_CHARACTERS:
        raise Refused(["these signatures are too large for one code"], "Bring the .answer file.")
    return text


def read(where: str, data: bytes, its: Ceremony) -> Answer:
    """The answer in the text of a code, verified. BadInput or Mismatch if it is none to this draft."""
    try:
        raw = _unbase45(data.decode("ascii").strip().removeprefix(PREFIX))
        signatures = _split(raw[21:])
    except (UnicodeDecodeError, ValueError) as error:
        raise BadInput(f"{where}: not the whole text of a code: {error}", _AGAIN) from None
    drafted = its.drafted
    keyid = next((each for each in its.names if each.startswith(raw[8:16].hex())), None)
    if raw[:8].hex() != drafted.digest[:16] or keyid is None:
        raise BadInput(f"{where}: is a code of another draft or an unknown key", _AGAIN)
    mine = signable(drafted, keyid)
    if len(mine) != len(signatures):
        raise BadInput(f"{where}: holds {len(signatures)} signatures, and this key signs {len(mine)} files", _AGAIN)
    pairs = [(each.role, sig.hex()) for each, sig in zip(mine, signatures, strict=True)]
    at = datetime.fromtimestamp(int.from_bytes(raw[16:20], "big"), UTC)
    return attached(drafted, its.names[keyid], keyid, at, pairs, heard=raw[20] == 1)


def drawn(text: str) -> str:
    """The code in characters of a terminal. Refused where the package that draws it is missing."""
    try:
        import segno
    except ImportError:
        raise Refused(["codes need the package segno"], "Say: pip install 'tallystick[ceremony]'.") from None
    out = StringIO()
    segno.make(text, error="m", micro=False).terminal(out, compact=True, border=2)
    return out.getvalue()


def _split(data: bytes) -> list[bytes]:
    found = []
    while data:
        length = int.from_bytes(data[:2], "big")
        if len(data) < 2 + length:
            raise ValueError("it ends within a signature")
        found.append(data[2 : 2 + length])
        data = data[2 + length :]
    return found


def _base45(data: bytes) -> str:
    out = []
    for start in range(0, len(data), 2):
        pair = data[start : start + 2]
        value = int.from_bytes(pair, "big")
        for _ in range(len(pair) + 1):
            value, rest = divmod(value, 45)
            out.append(_ALPHABET[rest])
    return "".join(out)


def _unbase45(text: str) -> bytes:
    out = b""
    for start in range(0, len(text), 3):
        digits = [_ALPHABET.index(each) for each in text[start : start + 3]]
        value = sum(digit * 45**place for place, digit in enumerate(digits))
        if len(digits) == 1 or value >= 256 ** (len(digits) - 1):
            raise ValueError("it is cut or misread")
        out += value.to_bytes(len(digits) - 1, "big")
    if len(out) < 21:
        raise ValueError("it is too short")
    return out
