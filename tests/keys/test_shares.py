"""A spare key in shares: any few make it again, and fewer, foreign or misread ones make nothing."""

import sys
from itertools import combinations

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, derive_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from keys import shares
from keys.sealed import PrivateKey
from keys.shares import BadShares
from keys.signing import HeldKey

KEYS: dict[str, PrivateKey] = {
    "ed25519": Ed25519PrivateKey.from_private_bytes(b"1" * 32),
    "p256": derive_private_key(7, SECP256R1()),  # 31 of its 32 bytes are zero
}
SECRET = bytes(range(32))


@pytest.mark.parametrize("kind", KEYS)
def test_any_three_of_five_shares_make_the_key_again(kind: str) -> None:
    texts = shares.split(shares.secret_of(KEYS[kind]), 3, 5)
    public = HeldKey(KEYS[kind]).record
    assert [len(text.split()) for text in texts] == [33] * 5
    for some in combinations(texts, 3):
        assert HeldKey(shares.private_of(shares.joined(some), public)).record == public


def test_shares_are_read_in_any_order_and_however_they_are_spaced_and_cased() -> None:
    one, two, _ = shares.split(SECRET, 2, 3)
    assert shares.joined([f"  {two.upper()}\n", one.replace(" ", "   ")]) == SECRET


def test_too_few_shares_make_nothing() -> None:
    with pytest.raises(BadShares, match=r"(?i)insufficient|wrong number|expected 3"):
        shares.joined(shares.split(SECRET, 3, 5)[:2])


def test_one_share_twice_is_one_share() -> None:
    one, *_ = shares.split(SECRET, 2, 3)
    with pytest.raises(BadShares):
        shares.joined([one, one])


@pytest.mark.parametrize("place", [0, 5, 20, 32])
def test_a_slip_of_the_pen_in_any_word_is_noticed(place: int) -> None:
    one, two, _ = shares.split(SECRET, 2, 3)
    said = two.split()
    said[place] = "academic" if said[place] != "academic" else "acid"
    with pytest.raises(BadShares):
        shares.joined([one, " ".join(said)])


@pytest.mark.parametrize("text", ["", "academic", "no words of the list", "é" * 33])
def test_what_is_no_share_is_refused(text: str) -> None:
    one, *_ = shares.split(SECRET, 2, 3)
    with pytest.raises(BadShares):
        shares.joined([one, text])


def test_shares_of_two_sets_make_nothing() -> None:
    with pytest.raises(BadShares):
        shares.joined([shares.split(SECRET, 2, 3)[0], shares.split(SECRET, 2, 3)[1]])


def test_no_shares_make_nothing() -> None:
    with pytest.raises(BadShares):
        shares.joined([])


@pytest.mark.parametrize(("needed", "count"), [(1, 1), (1, 5), (0, 0), (4, 3), (2, 17), (-1, 2)])
def test_a_share_that_is_the_whole_key_or_too_many_are_not_made(needed: int, count: int) -> None:
    with pytest.raises(BadShares, match="cannot be made"):
        shares.split(SECRET, needed, count)


def test_shares_of_another_key_are_found_out() -> None:
    other = Ed25519PrivateKey.from_private_bytes(b"2" * 32)
    for secret in (shares.secret_of(other), b"\0" * 32, b"too short"):
        for public in (HeldKey(KEYS["ed25519"]).record, HeldKey(KEYS["p256"]).record):
            with pytest.raises(BadShares, match=r"they make (another key than|no private key)"):
                shares.private_of(secret, public)


def test_a_key_of_48_bytes_is_not_kept_in_shares() -> None:
    with pytest.raises(BadShares, match="only keys of 32 bytes"):
        shares.secret_of(derive_private_key(7, SECP384R1()))


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "shamir_mnemonic", None)
    for attempt in (lambda: shares.split(SECRET, 2, 3), lambda: shares.joined(["x"])):
        with pytest.raises(BadShares, match=r"pip install 'tallystick\[ceremony\]'"):
            attempt()
