"""A spare key in shares: enough of one set make it again, and of anything else it is said which share is wrong."""

from itertools import combinations
from typing import Final

import pytest
import shamir_mnemonic
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, derive_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from keys import records, shares
from keys.sealed import PrivateKey

SECRET: Final = bytes(range(32))
SET: Final = shares.split(SECRET, 3, 5)
OTHER: Final = shares.split(SECRET, 3, 5)
KEYS: Final[list[PrivateKey]] = [
    Ed25519PrivateKey.from_private_bytes(SECRET),
    derive_private_key(7, SECP256R1()),  # leading zeros
]


@pytest.mark.parametrize("chosen", list(combinations(SET, 3)))
def test_any_three_of_five_make_the_secret(chosen: tuple[str, ...]) -> None:
    assert shares.joined(chosen) == SECRET
    assert shares.joined(chosen[::-1]) == SECRET


def test_more_than_enough_are_all_looked_at() -> None:
    """The library itself refuses a share too many."""
    assert shares.joined(SET) == SECRET
    assert shares.joined([SET[0], *SET, SET[0]]) == SECRET
    with pytest.raises(shares.BadShares, match="share 5: a word is wrong"):
        shares.joined([*SET[:4], swapped(SET[4])])


def test_it_is_slip_39_that_others_read() -> None:
    assert shamir_mnemonic.combine_mnemonics(SET[1:4]) == SECRET
    assert {len(text.split()) for text in SET} == {33}


def swapped(text: str) -> str:
    said = text.split()
    said[20:22] = said[21], said[20]
    return " ".join(said)


def misspelt(text: str) -> str:
    return " ".join([*text.split()[:6], "acadamic", *text.split()[7:]])


@pytest.mark.parametrize(
    ("brought", "sentence"),
    [
        ([], "there are no shares"),
        (SET[:1], "1 different shares of this set are here; it takes 3"),
        (SET[:2], "2 different shares of this set are here; it takes 3"),
        ([SET[0], SET[1], SET[1]], "2 different shares of this set are here; it takes 3"),
        ([SET[0], SET[1], OTHER[2]], "share 3 is of another set than share 1"),
        ([SET[0], misspelt(SET[1]), SET[2]], "share 2: word 7 is not in the list"),
        ([SET[0], SET[1], swapped(SET[2])], "share 3: a word is wrong, or two are swapped"),
        ([SET[0], f"{SET[1]} {SET[1].split()[0]}"], "share 2 has 34 words, not 33"),
        (["", SET[1], SET[2]], "share 1 has 0 words, not 33"),
        ([SET[0], SET[1], "academic " * 33], "share 3: a word is wrong, or two are swapped"),
    ],
)
def test_of_shares_that_make_no_secret_it_is_said_which_is_wrong(brought: list[str], sentence: str) -> None:
    with pytest.raises(shares.BadShares) as error:
        shares.joined(brought)
    assert str(error.value) == sentence


def test_no_share_is_repeated_in_an_error() -> None:
    for brought in ([misspelt(SET[0])], [swapped(SET[0])], SET[:1], [SET[0], OTHER[0]]):
        with pytest.raises(shares.BadShares) as error:
            shares.joined(brought)
        assert not set(str(error.value).split()) & {"acadamic", *SET[0].split()[:4]}


def test_capitals_and_line_breaks_do_not_matter() -> None:
    assert shares.joined([text.upper().replace(" ", "\n ", 4) for text in SET[:3]]) == SECRET


def test_shares_of_a_set_in_groups_are_not_ours() -> None:
    groups = shamir_mnemonic.generate_mnemonics(2, [(1, 1), (2, 2)], SECRET)
    with pytest.raises(shares.BadShares, match="share 1 is of another set"):
        shares.joined(groups[0])


@pytest.mark.parametrize(("needed", "count"), [(1, 3), (0, 0), (4, 3), (2, 17)])
def test_numbers_that_make_no_sense_are_refused(needed: int, count: int) -> None:
    with pytest.raises(shares.BadShares, match=f"{needed} of {count} cannot be made: at least 2, of at most 16"):
        shares.split(SECRET, needed, count)


@pytest.mark.parametrize("private", KEYS)
def test_a_key_comes_back_from_its_32_bytes_and_only_as_itself(private: PrivateKey) -> None:
    public = records.record(private.public_key())
    made = shares.private_of(shares.secret_of(private), public)
    assert records.record(made.public_key()) == public
    with pytest.raises(shares.BadShares, match=f"they make another key than {public.keyid:.16}"):
        shares.private_of(b"\x01" * 32, public)


def test_what_makes_no_key_is_said_to_make_none() -> None:
    with pytest.raises(shares.BadShares, match="they make no private key"):
        shares.private_of(bytes(32), records.record(KEYS[1].public_key()))


def test_a_key_of_more_than_32_bytes_is_not_split() -> None:
    with pytest.raises(shares.BadShares, match="only keys of 32 bytes"):
        shares.secret_of(derive_private_key(7, SECP384R1()))
