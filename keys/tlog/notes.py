"""Signed notes (C2SP signed-note), the checkpoints in them (tlog-checkpoint) and witnesses' cosignatures
(tlog-cosignature).

Read strictly: one spelling each. A signature by a key that nobody asked for is passed over, as the specification wants;
one by a key that was asked for and that does not verify refuses the whole note.
"""

import hashlib
import hmac
import re
import textwrap
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from keys.tlog.merkle import EMPTY, HASH_BYTES

ED25519: Final = 0x01
COSIGNED_ED25519: Final = 0x04
COSIGNED_MLDSA44: Final = 0x06
"""Types of signatures (signed-note, "Signature types")."""
MAX_NOTE: Final = 1 << 17
"""Bytes of a note with its signatures: two dozen witnesses with ML-DSA."""
MAX_SIGNATURES: Final = 64
_KEY_BYTES: Final = {ED25519: 32, COSIGNED_ED25519: 32, COSIGNED_MLDSA44: 1312}
_SIGNATURE_BYTES: Final = {ED25519: 64, COSIGNED_ED25519: 8 + 64, COSIGNED_MLDSA44: 8 + 2420}
_DASH: Final = "\u2014 "
_PRIVATE: Final = "PRIVATE+KEY+"
_NAME: Final = re.compile(r"[^\s+\x00-\x1f\x7f\ud800-\udfff]{1,255}")
_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_MAX_SIZE: Final = (1 << 63) - 1


class BadNote(Exception):
    """What is no note, no checkpoint, no key or not signed as it must be. Nothing of it was used."""


class WrongEmptyRoot(BadNote):
    """A checkpoint of no leaves with the root of some tree: well spelled, and never true."""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key under a name and a type of signature: a log's (``ED25519``) or a witness's (the others)."""

    name: str
    kind: int
    public: bytes

    @property
    def id(self) -> bytes:
        """The four bytes before a signature."""
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{encoded(bytes([self.kind]) + self.public)}"

    @property
    def line(self) -> str:
        """The file that holds it."""
        return f"{self}\n"

    @property
    def digits(self) -> str:
        """What people compare: 16 digits of the SHA-256 of ``line``, in fours. Of ``id`` anybody could make another key
        with the same one.
        """
        return " ".join(textwrap.wrap(hashlib.sha256(self.line.encode()).hexdigest()[:16], 4))


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature line: the name, the key's id and what it made."""

    name: str
    id: bytes
    data: bytes

    def __str__(self) -> str:
        return f"{_DASH}{self.name} {encoded(self.id + self.data)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A text and who says that they signed it. ``text`` ends in a newline."""

    text: str
    signatures: tuple[Signature, ...]

    def __str__(self) -> str:
        return f"{self.text}\n{''.join(map(str, self.signatures))}"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of a log: its leaves, counted, and their root. ``extensions`` are lines that no proof covers."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """What signatures cover (tlog-checkpoint): a line each, the last one ended too."""
        lines = (self.origin, str(self.size), encoded(self.root), *self.extensions)
        return "".join(f"{line}\n" for line in lines)


class NoteSigner(Protocol):
    """A key that signs notes of one kind, wherever it is."""

    @property
    def key(self) -> VerifierKey:
        """The public half, by which its signatures are verified."""

    def sign(self, checkpoint: Checkpoint, at: int) -> Signature:
        """``at`` is the time in seconds since 1970, which only cosignatures hold."""


def read_key(text: str) -> VerifierKey:
    """A key as it is spelled in one line (signed-note, "Verifier keys"). Raises BadNote."""
    name, _, rest = text.partition("+")
    hint, _, encoded = rest.partition("+")
    try:
        if not (data := decoded(encoded)):
            raise BadNote("it is empty")
        key = VerifierKey(_name(name), data[0], data[1:])
        if _KEY_BYTES.get(key.kind) != len(key.public):
            raise BadNote("of a type of key that is not known here")
        if hint != key.id.hex():
            raise BadNote(f"its id is {key.id.hex()}, not {hint:.16}")
        _check_public(key)
    except BadNote as error:
        raise BadNote(f"{text[:80]!r} is no verifier key: {error}") from None
    return key


def read_note(data: bytes) -> Note:
    """A note. Raises BadNote."""
    if len(data) > MAX_NOTE:
        raise BadNote(f"a note of {len(data)} bytes is too long")
    try:
        whole = data.decode()
    except UnicodeDecodeError:
        raise BadNote("a note is UTF-8") from None
    if any(character == "\x7f" or (character < " " and character != "\n") for character in whole):
        raise BadNote("a note holds no control characters")
    text, blank, signed = whole.rpartition("\n\n")
    if not blank or not text or not signed.endswith("\n"):
        raise BadNote("a note is a text, an empty line and signatures, each line with its end")
    lines = signed[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise BadNote(f"a note with {len(lines)} signatures is too long")
    return Note(text + "\n", tuple(map(read_signature, lines)))


def read_signature(line: str) -> Signature:
    """A signature line without its end. Raises BadNote."""
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH):
        raise BadNote("a signature line begins with a dash and a space")
    data = decoded(encoded)
    if len(data) < 5:
        raise BadNote("a signature is longer than the id of its key")
    return Signature(_name(name), data[:4], data[4:])


def read_checkpoint(text: str) -> Checkpoint:
    """The checkpoint in a note's text. Raises BadNote."""
    origin, *rest = text.removesuffix("\n").split("\n")
    if not text.endswith("\n") or len(rest) < 2 or not all((origin, *rest)):
        raise BadNote("a checkpoint has at least three lines, none of them empty")
    size, root, *extensions = rest
    if not _SIZE.fullmatch(size) or int(size) > _MAX_SIZE:
        raise BadNote(f"{size:.24} is no size of a tree")
    if len(hash_ := decoded(root)) != HASH_BYTES:
        raise BadNote("a root is 32 bytes")
    if size == "0" and hash_ != EMPTY:
        raise WrongEmptyRoot("a tree without leaves has another root")
    return Checkpoint(origin, int(size), hash_, tuple(extensions))


def verified(note: Note, key: VerifierKey) -> Signature | None:
    """The signature of this key on a checkpoint's note; None if it has none. BadNote if it has one that is not."""
    found = None
    for signature in note.signatures:
        if (signature.name, signature.id) == (key.name, key.id):
            if not _verifies(key, note.text, signature.data):
                raise BadNote(f"the signature of {key.name} on this checkpoint does not verify")
            found = signature
    return found


def cosigned_at(note: Note, witnesses: Iterable[VerifierKey]) -> dict[VerifierKey, int]:
    """When each of these witnesses cosigned (seconds since 1970). One that did not verify is none: whoever carries a
    note to us may add lines to it.
    """
    found = dict[VerifierKey, int]()
    for key in witnesses:
        for signature in note.signatures:
            if (signature.name, signature.id) == (key.name, key.id) and _verifies(key, note.text, signature.data):
                found[key] = max(found.get(key, 0), int.from_bytes(signature.data[:8], "big"))
    return found


class HeldNoteKey:
    """A log's key in memory. ``written`` and ``read_held`` are its file: one line, as Go's note package writes it. The
    name is in it, for a key that signs under another name is another log's.
    """

    def __init__(self, name: str, private: Ed25519PrivateKey) -> None:
        self._private = private
        self._key = VerifierKey(_name(name), ED25519, private.public_key().public_bytes_raw())
        self._salts = hashlib.sha256(private.sign(b"tallystick-salt/1\n")).digest()  # a checkpoint has three lines

    @property
    def key(self) -> VerifierKey:
        """The public half, by which its signatures are verified."""
        return self._key

    def sign(self, checkpoint: Checkpoint, at: int) -> Signature:
        """Over the text alone: the log's own signature holds no time."""
        del at
        return Signature(self.key.name, self.key.id, self._private.sign(checkpoint.text.encode()))

    @property
    def written(self) -> str:
        """The secret as a line of a file, which ``read_held`` reads."""
        data = bytes([ED25519]) + self._private.private_bytes_raw()
        return f"{_PRIVATE}{self.key.name}+{self.key.id.hex()}+{encoded(data)}\n"

    def secret(self, label: str) -> bytes:
        """32 bytes that nobody without the key can guess, always the same for a label: for salts that must repeat."""
        return hmac.digest(self._salts, label.encode(), "sha256")


def read_held(text: str) -> HeldNoteKey:
    """The inverse of ``written``. Raises BadNote, which never says what stood there."""
    parts = text.removesuffix("\n").removeprefix(_PRIVATE).split("+", 2)
    try:
        data = decoded(parts[-1])
        held = HeldNoteKey(parts[0], Ed25519PrivateKey.from_private_bytes(data[1:]))
    except (BadNote, ValueError):
        held = None
    if held is None or held.written != text:
        raise BadNote("this is no private key of a log as `key` writes it")
    return held


class HeldWitnessKey:
    """A witness's key in memory, Ed25519 or ML-DSA-44."""

    def __init__(self, name: str, private: Ed25519PrivateKey | MLDSA44PrivateKey) -> None:
        self._private = private
        kind = COSIGNED_ED25519 if isinstance(private, Ed25519PrivateKey) else COSIGNED_MLDSA44
        self._key = VerifierKey(_name(name), kind, private.public_key().public_bytes_raw())

    @property
    def key(self) -> VerifierKey:
        """The public half, by which its cosignatures are verified."""
        return self._key

    def sign(self, checkpoint: Checkpoint, at: int) -> Signature:
        """Over the text and the time (tlog-cosignature)."""
        message = _cosigned(self.key, checkpoint.text, at)
        return Signature(self.key.name, self.key.id, at.to_bytes(8, "big") + self._private.sign(message))


def signed(checkpoint: Checkpoint, signers: Sequence[NoteSigner], at: int = 0) -> Note:
    """A checkpoint's note with these signatures."""
    return Note(checkpoint.text, tuple(each.sign(checkpoint, at) for each in signers))


def _verifies(key: VerifierKey, text: str, data: bytes) -> bool:
    if len(data) != _SIGNATURE_BYTES[key.kind]:
        return False
    try:
        if key.kind == ED25519:
            Ed25519PublicKey.from_public_bytes(key.public).verify(data, text.encode())
            return True
        at = int.from_bytes(data[:8], "big")
        if not 0 < at <= _MAX_SIZE:
            return False
        public = _PUBLIC[key.kind].from_public_bytes(key.public)
        public.verify(data[8:], _cosigned(key, text, at))
    except (InvalidSignature, ValueError, BadNote):
        return False
    return True


_PUBLIC: Final[dict[int, type[Ed25519PublicKey] | type[MLDSA44PublicKey]]] = {
    ED25519: Ed25519PublicKey,
    COSIGNED_ED25519: Ed25519PublicKey,
    COSIGNED_MLDSA44: MLDSA44PublicKey,
}


def _cosigned(key: VerifierKey, text: str, at: int) -> bytes:
    """What a witness signs (tlog-cosignature)."""
    if key.kind == COSIGNED_ED25519:
        return f"cosignature/v1\ntime {at}\n{text}".encode()
    head = read_checkpoint(text)
    name, origin = key.name.encode(), head.origin.encode()
    if not 0 < len(origin) < 256:
        raise BadNote("an origin of more than 255 bytes cannot be cosigned by this kind of key")
    return b"".join((
        b"subtree/v1\n\x00", bytes([len(name)]), name, at.to_bytes(8, "big"), bytes([len(origin)]), origin,
        bytes(8), head.size.to_bytes(8, "big"), head.root,
    ))  # fmt: skip


def public_key(key: VerifierKey) -> Ed25519PublicKey | MLDSA44PublicKey:
    """The public key itself, whatever it signs as."""
    return _PUBLIC[key.kind].from_public_bytes(key.public)


def _check_public(key: VerifierKey) -> None:
    try:
        public_key(key)
    except ValueError:
        raise BadNote("it holds no public key") from None


def _name(name: str) -> str:
    if not _NAME.fullmatch(name) or len(name.encode()) > 255:
        raise BadNote(f"{name[:80]!r} cannot be the name of a key")
    return name


def encoded(data: bytes) -> str:
    """Base64 (RFC 4648, section 4)."""
    return b64encode(data).decode()


def decoded(text: str) -> bytes:
    """The inverse of ``encoded``, which has one spelling. Raises BadNote."""
    try:
        data = b64decode(text, validate=True)
    except ValueError:
        raise BadNote("is no base64") from None
    if encoded(data) != text:
        raise BadNote("is spelled otherwise than base64 is")
    return data
