"""Keys on real tokens in software: what they sign verifies, and no try at a PIN is wasted."""

import shutil
import sys
from collections.abc import Iterator

import pkcs11
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, SECP521R1, derive_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from pkcs11 import Attribute, ObjectClass, TokenFlag

from keys import custody, records, sealed, tokens
from keys.custody import NotOpened
from keys.signing import HeldKey, SignerFailed
from tests import servers
from tests.servers import SoftHsm

FIXED = {
    "P-256": derive_private_key(7, SECP256R1()),
    "P-384": derive_private_key(7, SECP384R1()),
    "Ed25519": Ed25519PrivateKey.from_private_bytes(b"7" * 32),
}


class Person:
    """Who is asked for a PIN, and what they were asked."""

    def __init__(self, *pins: str) -> None:
        self.pins, self.asked = list(pins), list[str]()

    def __call__(self, what: str) -> str:
        self.asked.append(what)
        return self.pins.pop(0)


@pytest.fixture
def hsm() -> Iterator[SoftHsm]:
    with servers.softhsm() as tokens_in_software:
        tokens_in_software.init("alice")
        yield tokens_in_software


def flags(hsm: SoftHsm, label: str = "alice") -> TokenFlag:
    return TokenFlag(pkcs11.lib(hsm.module).get_token(token_label=label).flags)


def refused(hsm: SoftHsm, uri: str, *pins: str) -> tuple[NotOpened, Person]:
    person = Person(*pins)
    with pytest.raises(NotOpened) as error:
        custody.open_key(uri, person)
    return error.value, person


@pytest.mark.parametrize("curve", ["P-256", "P-384"])
def test_a_key_made_on_a_token_signs_what_tuf_verifies(hsm: SoftHsm, curve: str) -> None:
    uri = hsm.uri("alice", "root")
    made = custody.make_on_token(uri, curve, Person(hsm.pin))
    hsm.forget()
    opened = custody.open_key(uri, Person(hsm.pin))
    assert opened.record == made.record == records.check(opened.record)
    opened.record.verify_signature(opened.sign(b"payload"), b"payload")


@pytest.mark.parametrize("kind", FIXED)
def test_a_key_that_was_brought_is_the_same_key_as_in_a_file(hsm: SoftHsm, kind: str) -> None:
    hsm.bring("alice", "root", "0007", sealed.plain(FIXED[kind]))
    opened = custody.open_key(hsm.uri("alice", "root"), Person(hsm.pin))
    assert opened.record == HeldKey(FIXED[kind]).record
    opened.record.verify_signature(opened.sign(b"payload"), b"payload")


def test_one_session_and_one_question_last_for_all_signatures(hsm: SoftHsm) -> None:
    person = Person(hsm.pin)
    key = custody.make_on_token(hsm.uri("alice", "root"), "P-256", person)
    for number in range(4):
        key.record.verify_signature(key.sign(b"%d" % number), b"%d" % number)
    assert person.asked == ["PIN of token alice"]


def test_two_keys_of_one_token_are_open_together(hsm: SoftHsm) -> None:
    first, second = (custody.make_on_token(hsm.uri("alice", name), "P-256", Person(hsm.pin)) for name in ("one", "two"))
    assert first.record != second.record
    for key in (first, second):
        key.record.verify_signature(key.sign(b"payload"), b"payload")


def test_a_key_made_on_a_token_never_leaves_it(hsm: SoftHsm) -> None:
    custody.make_on_token(hsm.uri("alice", "root"), "P-256", Person(hsm.pin))
    hsm.forget()
    session = pkcs11.lib(hsm.module).get_token(token_label="alice").open(user_pin=hsm.pin)
    (private,) = session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY})
    with pytest.raises(pkcs11.exceptions.AttributeSensitive):
        private[Attribute.VALUE]
    assert private[Attribute.SENSITIVE] and private[Attribute.ALWAYS_SENSITIVE] and private[Attribute.NEVER_EXTRACTABLE]


def test_a_key_on_a_token_is_never_overwritten(hsm: SoftHsm) -> None:
    custody.make_on_token(hsm.uri("alice", "root", id="%07"), "P-256", Person(hsm.pin))
    for uri in (hsm.uri("alice", "root", id="%08"), hsm.uri("alice", "other", id="%07")):
        with pytest.raises(NotOpened, match=r"the token has a key object=root, id=07"):
            custody.make_on_token(uri, "P-256", Person(hsm.pin))


def test_a_new_key_needs_a_name(hsm: SoftHsm) -> None:
    with pytest.raises(NotOpened, match="a new key needs a name"):
        custody.make_on_token(f"pkcs11:token=alice?module-path={hsm.module}", "P-256", Person())


def test_a_wrong_pin_is_tried_once_and_nothing_is_signed(hsm: SoftHsm) -> None:
    hsm.bring("alice", "root", "0007", sealed.plain(FIXED["P-256"]))
    error, person = refused(hsm, hsm.uri("alice", "root"), "1111")
    assert error.what == "the token refused this PIN; one try is used up"
    assert person.asked == ["PIN of token alice"]


def test_after_a_wrong_pin_the_question_says_that_few_tries_are_left(hsm: SoftHsm) -> None:
    hsm.bring("alice", "root", "0007", sealed.plain(FIXED["P-256"]))
    refused(hsm, hsm.uri("alice", "root"), "1111")
    hsm.forget()
    assert flags(hsm) & TokenFlag.USER_PIN_COUNT_LOW
    person = Person(hsm.pin)
    custody.open_key(hsm.uri("alice", "root"), person)
    assert person.asked == ["PIN of token alice (a wrong one was typed before; few tries are left)"]


@pytest.mark.parametrize(
    ("flag", "what"),
    [
        (TokenFlag.USER_PIN_FINAL_TRY, "The token says 1 try is left. I will not try."),
        (TokenFlag.USER_PIN_FINAL_TRY | TokenFlag.USER_PIN_COUNT_LOW, "The token says 1 try is left. I will not try."),
        (TokenFlag.USER_PIN_LOCKED, "the PIN of the token is locked"),
    ],
)
def test_the_last_try_is_never_ours(hsm: SoftHsm, flag: TokenFlag, what: str) -> None:
    hsm.bring("alice", "root", "0007", sealed.plain(FIXED["P-256"]))
    hsm.flag("alice", flag)
    assert flags(hsm) & flag == flag
    error, person = refused(hsm, hsm.uri("alice", "root"), hsm.pin)
    assert (error.what, person.asked) == (what, [])
    hsm.forget()
    assert flags(hsm) & flag == flag, "a login would have cleared it"


def test_a_token_without_a_pin_is_not_asked_about(hsm: SoftHsm) -> None:
    with pytest.raises(NotOpened, match="has no PIN yet"):
        tokens.pin_question("alice", TokenFlag.TOKEN_INITIALIZED)


def test_two_tokens_of_one_label_are_told_apart_by_their_serial(hsm: SoftHsm) -> None:
    hsm.init("alice")
    first, second = sorted(token.serial.decode() for token in pkcs11.lib(hsm.module).get_tokens(token_label="alice"))
    error, person = refused(hsm, hsm.uri("alice", "root"))
    assert error.what.startswith("more than one (2) token fits.")
    assert all(f"token=alice;serial={serial}" in error.what for serial in (first, second))
    assert person.asked == []
    made = custody.make_on_token(hsm.uri("alice", "root", serial=second), "P-256", Person(hsm.pin))
    made.record.verify_signature(made.sign(b"payload"), b"payload")


@pytest.mark.parametrize("part", ["serial", "model", "manufacturer"])
def test_a_token_that_does_not_fit_is_not_taken_and_the_holder_sees_what_is_there(hsm: SoftHsm, part: str) -> None:
    error, person = refused(hsm, hsm.uri("alice", "root", **{part: "other"}))
    assert error.what.startswith("no token fits. There are: token=alice;serial=")
    assert person.asked == []


def test_another_object_than_there_is_is_not_found_and_those_there_are_named(hsm: SoftHsm) -> None:
    hsm.bring("alice", "one", "0007", sealed.plain(FIXED["P-256"]))
    hsm.bring("alice", "two", "07", sealed.plain(FIXED["P-384"]))
    error, _ = refused(hsm, hsm.uri("alice", "three"), hsm.pin)
    assert error.what.startswith("no key fits.")
    assert "object=one, id=0007" in error.what and "object=two, id=07" in error.what
    hsm.forget()
    error, _ = refused(hsm, f"pkcs11:token=alice?module-path={hsm.module}", hsm.pin)
    assert error.what.startswith("more than one (2) key fits.")


def test_an_id_keeps_its_leading_zeros(hsm: SoftHsm) -> None:
    hsm.bring("alice", "one", "0007", sealed.plain(FIXED["P-256"]))
    hsm.bring("alice", "two", "07", sealed.plain(FIXED["P-384"]))
    for key_id, kind in (("%00%07", "P-256"), ("%07", "P-384")):
        uri = f"pkcs11:token=alice;id={key_id}?module-path={hsm.module}"
        assert custody.open_key(uri, Person(hsm.pin)).record == HeldKey(FIXED[kind]).record


def test_a_key_that_is_not_on_a_curve_is_refused(hsm: SoftHsm) -> None:
    private = generate_rsa_key(65537, 2048)
    hsm.bring("alice", "root", "07", private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    error, _ = refused(hsm, hsm.uri("alice", "root"), hsm.pin)
    assert error.what == "the key object=root, id=07 is of no kind that we use"


def test_a_curve_that_we_do_not_use_is_refused(hsm: SoftHsm) -> None:
    hsm.bring("alice", "root", "07", sealed.plain(derive_private_key(7, SECP521R1())))
    error, _ = refused(hsm, hsm.uri("alice", "root"), hsm.pin)
    assert "the public half of object=root, id=07 is of no kind" in error.what


def test_a_key_without_its_public_half_is_refused(hsm: SoftHsm) -> None:
    hsm.bring("alice", "root", "07", sealed.plain(FIXED["P-256"]), "--no-public-key")
    error, _ = refused(hsm, hsm.uri("alice", "root"), hsm.pin)
    assert error.what.startswith("no public key on the token has the id of object=root, id=07")


def test_a_public_half_of_another_key_is_found_out_before_a_signature_leaves(hsm: SoftHsm) -> None:
    hsm.bring("alice", "root", "07", sealed.plain(FIXED["P-256"]), "--no-public-key")
    session = pkcs11.lib(hsm.module).get_token(token_label="alice").open(user_pin=hsm.pin, rw=True)
    other = derive_private_key(8, SECP256R1()).public_key()
    point = b"\x04\x41" + other.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    session.create_object(
        {
            Attribute.CLASS: ObjectClass.PUBLIC_KEY, Attribute.KEY_TYPE: pkcs11.KeyType.EC, Attribute.TOKEN: True,
            Attribute.ID: b"\x07", Attribute.EC_PARAMS: tokens.CURVES["P-256"], Attribute.EC_POINT: point,
        }
    )  # fmt: skip
    hsm.forget()
    key = custody.open_key(hsm.uri("alice", "root"), Person(hsm.pin))
    assert key.record == records.record(other)
    with pytest.raises(SignerFailed):
        key.sign(b"payload")


def test_a_key_that_wants_its_pin_each_time_gets_it_each_time(hsm: SoftHsm) -> None:
    session = pkcs11.lib(hsm.module).get_token(token_label="alice").open(user_pin=hsm.pin, rw=True)
    parameters = session.create_domain_parameters(
        pkcs11.KeyType.EC, {Attribute.EC_PARAMS: tokens.CURVES["P-256"]}, local=True
    )
    always = {Attribute.ALWAYS_AUTHENTICATE: True}
    parameters.generate_keypair(store=True, id=b"\x07", label="root", private_template=always)
    hsm.forget()
    person = Person(hsm.pin, hsm.pin, hsm.pin, "1111")
    key = custody.open_key(hsm.uri("alice", "root"), person)
    for _ in range(2):
        key.record.verify_signature(key.sign(b"payload"), b"payload")
    with pytest.raises(NotOpened, match="refused this PIN"):
        key.sign(b"payload")
    assert person.asked == ["PIN of token alice"] * 4
    person.pins.append(hsm.pin)
    with pytest.raises(NotOpened, match="OperationActive"):  # what SoftHSM says after a refused PIN
        key.sign(b"payload")
    assert person.asked[4] == "PIN of token alice (a wrong one was typed before; few tries are left)"


@pytest.mark.parametrize("removed", ["token", "session"])
def test_a_token_that_was_removed_signs_nothing_and_the_person_is_told(hsm: SoftHsm, removed: str) -> None:
    key = custody.make_on_token(hsm.uri("alice", "root"), "P-256", Person(hsm.pin))
    if removed == "token":
        shutil.rmtree(hsm.folder / "tokens")
    else:
        key._private.session.close()
    with pytest.raises(NotOpened, match="the token was removed, or no longer answers"):
        key.sign(b"payload")


@pytest.mark.parametrize(
    ("module", "why"), [("/nowhere/library.so", "cannot open shared object file"), ("/etc/hostname", "file too short")]
)
def test_a_library_that_cannot_be_loaded_is_named(hsm: SoftHsm, module: str, why: str) -> None:
    error, _ = refused(hsm, f"pkcs11:token=alice?module-path={module}")
    assert error.what.startswith(f"the library {module} cannot be loaded: ") and why in error.what


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pkcs11", None)
    for opening in (custody.open_key, lambda uri, ask: custody.make_on_token(uri, "P-256", ask)):
        with pytest.raises(NotOpened) as error:
            opening("pkcs11:token=alice?module-path=/x.so", Person())
        assert error.value.todo == "pip install 'tallystick[ceremony]'"


def test_what_a_token_calls_itself_reaches_no_terminal_as_a_command(hsm: SoftHsm) -> None:
    hsm.init("bob\x1b[2J")
    error, _ = refused(hsm, hsm.uri("carol", "root"))
    assert "token=bob?[2J;" in error.what and "\x1b" not in error.what


def test_an_address_that_says_too_much_is_refused_before_anything_is_opened(hsm: SoftHsm) -> None:
    error, person = refused(hsm, f"{hsm.uri('alice', 'root')}&pin-value=246810")
    assert "a PIN is asked of a person, and stands in no file" in error.what
    assert person.asked == []
