"""Keys on tokens (PKCS#11): opened once, kept open for all signatures of a run, and every try at a PIN is a person's.

A token locks itself after a few wrong PINs, and then the key in it is lost. So its flags are read before anybody is
asked, a PIN is tried once, and the last try is never ours.
"""

import hashlib
from collections.abc import Callable, Iterator, Sized
from contextlib import contextmanager
from typing import Any, Final

import pkcs11
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pkcs11 import (
    Attribute,
    KeyType,
    Mechanism,
    MechanismFlag,
    ObjectClass,
    PrivateKey,
    PublicKey,
    Session,
    SignMixin,
    Token,
    TokenFlag,
)
from pkcs11.exceptions import PKCS11Error
from securesystemslib.signer import Signature, SSlibKey

from keys import records, token_uri
from keys.signing import Ask, NotOpened, verified
from keys.token_uri import TokenUri

CURVES: Final = {
    "P-256": bytes.fromhex("06082a8648ce3d030107"),
    "P-384": bytes.fromhex("06052b81040022"),
}
"""CKA_EC_PARAMS of what can be made: the curve's object identifier, in DER."""
_READ: Final[dict[bytes, tuple[int, Callable[[bytes], records.PublicKey]]]] = {
    CURVES["P-256"]: (65, lambda point: EllipticCurvePublicKey.from_encoded_point(SECP256R1(), point)),
    CURVES["P-384"]: (97, lambda point: EllipticCurvePublicKey.from_encoded_point(SECP384R1(), point)),
    bytes.fromhex("06032b6570"): (32, Ed25519PublicKey.from_public_bytes),
    bytes.fromhex("130c") + b"edwards25519": (32, Ed25519PublicKey.from_public_bytes),
}
"""CKA_EC_PARAMS to the length of a point, and how it is read."""
_KINDS: Final = (KeyType.EC, KeyType.EC_EDWARDS)

_GONE: Final = ("the token was removed, or no longer answers", "Plug it in again, wait for it, and run this again.")
_WRONG: Final = "Look the PIN up before you run this again: each wrong one uses up a try, and a token has few."
_LOCKED: Final = ("the PIN of the token is locked", "Unlock it with the PUK or the security officer's PIN.")
_ERRORS: Final[dict[str, tuple[str, str]]] = {
    "PinIncorrect": ("the token refused this PIN; one try is used up", _WRONG),
    "PinLenRange": ("the token refused this PIN: too short or too long", _WRONG),
    "PinInvalid": ("the token refused this PIN: it holds a character that no PIN of this token has", _WRONG),
    "PinLocked": _LOCKED,
    "PinExpired": ("the PIN of the token has expired", "Set a new PIN with the maker's tool."),
    "UserPinNotInitialized": ("the token has no PIN yet", "Set one with the maker's tool."),
    "UserNotLoggedIn": (
        "the token did not sign: it was not touched in time, or wants its PIN for each signature",
        "Run this again, and touch the token when it blinks.",
    ),
    "FunctionRejected": ("the token did not sign: somebody said no at it", "Run this again, and consent at the token."),
    "DeviceRemoved": _GONE,
    "DeviceError": _GONE,
    "TokenNotPresent": _GONE,
    "TokenNotRecognised": _GONE,
    "SessionHandleInvalid": _GONE,
    "SessionClosed": _GONE,
    "ObjectHandleInvalid": _GONE,
    "KeyHandleInvalid": _GONE,
    "TokenWriteProtected": ("the token takes no new key: it is write-protected", "Use another token."),
    "DeviceMemory": ("the token takes no new key: it is full", "Use another token."),
    "MechanismInvalid": ("the token does not sign or make keys of this kind", "Use P-256, or another token."),
    "KeyTypeInconsistent": ("the token does not sign with a key of this kind", "Use P-256, or another token."),
    "DomainParamsInvalid": ("the token does not know this curve", "Use P-256, or another token."),
}
"""What python-pkcs11 raises, by name, in words: most of it says nothing itself."""
_LOOK_UP: Final = "Run this again; if it stays, look this up in the manual of the token."


class TokenKey:
    """A key on a token, in a session that stays open. ``ask`` is used again only where the token wants it each time."""

    def __init__(self, token: Token, private: PrivateKey, record: SSlibKey, ask: Ask) -> None:
        self._token, self._private, self._record, self._ask = token, private, record, ask
        self._wants_pin_each_time = _each_time(private)

    @property
    def record(self) -> SSlibKey:
        """Its public half, as metadata lists it."""
        return self._record

    def sign(self, payload: bytes) -> Signature:
        """One verified signature. NotOpened if the token did not sign, SignerFailed if what it returned is none."""
        message = records.message(self.record, payload)
        pin = _asked_pin(self._token, self._ask) if self._wants_pin_each_time else None
        assert isinstance(self._private, SignMixin), "only such a key was opened"
        with _in_words():
            raw = self._private.sign(message, mechanism=_mechanism(self._private), pin=pin)
        return verified(self.record, message, raw if self.record.keytype == "ed25519" else records.der(raw))


def open_key(uri: str, ask: Ask) -> TokenKey:
    """The one key that ``uri`` says, on the one token; NotOpened if there is none, or more than one."""
    where = _where(uri)
    with _in_words():
        token = _token(where)
        session = _logged_in(token, ask)
        private = _private(session, where)
        return TokenKey(token, private, _record(session, private), ask)


def make_key(uri: str, curve: str, ask: Ask) -> TokenKey:
    """A new key that never leaves the token; ``curve`` is one of CURVES. NotOpened if its name or id is taken."""
    where = _where(uri)
    if where.label is None or curve not in CURVES:
        raise NotOpened(
            f"a new key needs a name, and a curve of {', '.join(CURVES)}",
            "Say object=NAME in the address of the token.",
        )
    with _in_words():
        token = _token(where)
        session = _logged_in(token, ask, rw=True)
        key_id = where.id or hashlib.sha256(where.label.encode()).digest()[:8]
        if taken := [each for each in _privates(session) if where.label == each.label or key_id == each.id]:
            raise NotOpened(
                f"the token has a key {_named(taken[0])}", "A key is never overwritten: choose another name."
            )
        parameters = session.create_domain_parameters(KeyType.EC, {Attribute.EC_PARAMS: CURVES[curve]}, local=True)
        _, private = parameters.generate_keypair(
            store=True,
            label=where.label,
            id=key_id,
            capabilities=MechanismFlag.SIGN | MechanismFlag.VERIFY,
            private_template={Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False},
        )
        return TokenKey(token, private, _record(session, private), ask)


def pin_question(token: str, flags: TokenFlag) -> str:
    """What a person is asked before a login, by what the token says of earlier tries. NotOpened where none is safe."""
    if flags & TokenFlag.USER_PIN_LOCKED:
        raise NotOpened(*_LOCKED)
    if flags & TokenFlag.USER_PIN_FINAL_TRY:
        raise NotOpened(
            "The token says 1 try is left. I will not try.",
            "Log in to it once with the maker's tool, which sets the tries back, or set a new PIN with the PUK.",
        )
    if not flags & TokenFlag.USER_PIN_INITIALIZED:
        raise NotOpened(*_ERRORS["UserPinNotInitialized"])
    if flags & TokenFlag.USER_PIN_COUNT_LOW:
        return f"PIN of token {token} (a wrong one was typed before; few tries are left)"
    return f"PIN of token {token}"


def _where(uri: str) -> TokenUri:
    try:
        return token_uri.parse(uri)
    except token_uri.BadUri as error:
        raise NotOpened(
            f"this is no address of a key on a token: {error}",
            "Say pkcs11:token=LABEL;object=NAME?module-path=/path/of/library.so (RFC 7512).",
        ) from None


def _token(where: TokenUri) -> Token:
    tokens: Iterator[Token] = _module(where.module).get_tokens()
    present = [each for each in tokens if each.flags & TokenFlag.TOKEN_INITIALIZED]
    fitting = [
        each
        for each in present
        if where.token in (None, each.label)
        and where.serial in (None, each.serial.decode(errors="replace"))
        and where.model in (None, each.model)
        and where.manufacturer in (None, each.manufacturer_id)
    ]
    if len(fitting) != 1:
        there = [
            f"token={_shown(each.label)};serial={_shown(each.serial.decode(errors='replace'))}" for each in present
        ]
        raise NotOpened(
            f"{_how_many(fitting)} token fits. There are: {_listed(there)}", "Say which in the key's address."
        )
    return fitting[0]


def _module(path: str) -> Any:
    try:
        return pkcs11.lib(path)
    except (PKCS11Error, ImportError) as error:
        raise NotOpened(
            f"the library {_shown(path)} cannot be loaded: {_shown(str(error) or type(error).__name__)}",
            "Install the library of the token's maker, and say where it is in module-path.",
        ) from None


def _logged_in(token: Token, ask: Ask, *, rw: bool = False) -> Session:
    pin = _asked_pin(token, ask)
    try:
        return token.open(user_pin=pin, rw=rw)
    except pkcs11.exceptions.UserAlreadyLoggedIn:  # by this process, for another key on the token
        return token.open(rw=rw)


def _asked_pin(token: Token, ask: Ask) -> str:
    with _in_words():
        fresh = token.slot.get_token()  # flags are of the moment in which a token was looked at
    return ask(pin_question(_shown(token.label), fresh.flags))


def _privates(session: Session) -> list[PrivateKey]:
    found = session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY})
    return [each for each in found if isinstance(each, PrivateKey)]


def _private(session: Session, where: TokenUri) -> Any:
    present = _privates(session)
    fitting = [each for each in present if where.label in (None, each.label) and where.id in (None, each.id)]
    if len(fitting) != 1:
        there = _listed([_named(each) for each in present])
        raise NotOpened(f"{_how_many(fitting)} key fits. There are: {there}", "Say which in the key's address.")
    if fitting[0].key_type not in _KINDS or not isinstance(fitting[0], SignMixin):
        raise NotOpened(f"the key {_named(fitting[0])} is of no kind that we use", "Use P-256, P-384 or Ed25519.")
    return fitting[0]


def _record(session: Session, private: PrivateKey) -> SSlibKey:
    wanted = {Attribute.CLASS: ObjectClass.PUBLIC_KEY, Attribute.KEY_TYPE: private.key_type, Attribute.ID: private.id}
    halves = [each for each in session.get_objects(wanted) if isinstance(each, PublicKey)]
    if len(halves) != 1:
        raise NotOpened(
            f"{_how_many(halves)} public key on the token has the id of {_named(private)}",
            "Store the public half of the key, and only it, under the key's id.",
        )
    try:
        return records.record(_public_key(halves[0]))
    except (KeyError, ValueError):
        raise NotOpened(
            f"the public half of {_named(private)} is of no kind that we use", "Use P-256, P-384 or Ed25519."
        ) from None


def _public_key(half: PublicKey) -> records.PublicKey:
    """KeyError or ValueError for what we do not use. A point stands alone or in a DER OCTET STRING: both occur."""
    length, read = _READ[half[Attribute.EC_PARAMS]]
    told: bytes = half[Attribute.EC_POINT]
    point = told[-length:]
    if told not in (point, bytes((4, length)) + point):
        raise ValueError("not a point of this curve")
    return read(point)


def _each_time(private: PrivateKey) -> bool:
    """Whether the token wants the PIN for each signature, as a PIV card does for its signature key."""
    try:
        return bool(private[Attribute.ALWAYS_AUTHENTICATE])
    except pkcs11.exceptions.AttributeTypeInvalid:
        return False


def _mechanism(private: PrivateKey) -> Mechanism:
    return Mechanism.EDDSA if private.key_type == KeyType.EC_EDWARDS else Mechanism.ECDSA


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except PKCS11Error as error:
        name = type(error).__name__
        what, todo = _ERRORS.get(name, (f"the token failed: {str(error) or name}", _LOOK_UP))
        raise NotOpened(what, todo) from error


def _how_many(found: Sized) -> str:
    return "no" if not found else f"more than one ({len(found)})"


def _listed(found: list[str]) -> str:
    return "; ".join(found) or "none"


def _named(key: PrivateKey) -> str:
    return f"object={_shown(key.label or '')}, id={key.id.hex()}"


def _shown(text: str) -> str:
    """What a token says of itself, with nothing in it that a terminal would obey."""
    return "".join(each if each.isprintable() else "?" for each in text)[:200]
