"""Standard Webhooks: what we sign the official library verifies, what it signs we do, and nothing else."""

from datetime import UTC, datetime
from typing import Any

import pytest
import standardwebhooks
from hypothesis import given
from hypothesis import strategies as st

from keys import webhooks

SECRET, OTHER = b"0123456789abcdef01234567", b"another-secret-of-32-bytes-here!"
BODY = b'{"type":"release.yank"}'
NOW = 1_800_000_000


def signed(*secrets: bytes, at: int = NOW, body: bytes = BODY) -> dict[str, str]:
    """A message's headers, with a signature of each secret."""
    found = webhooks.headers(secrets[0], "msg_1", at, body)
    more = [webhooks.headers(each, "msg_1", at, body)[webhooks.SIGNATURE] for each in secrets]
    return {**found, webhooks.SIGNATURE: " ".join(more)}


def is_by(headers: dict[str, str], secret: bytes = SECRET, body: bytes = BODY, now: int = NOW) -> bool:
    return webhooks.received(headers, body, now).is_by(secret)


def test_the_signature_is_that_of_the_specifications_example() -> None:
    secret = webhooks.secret_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    made = webhooks.headers(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert made[webhooks.SIGNATURE] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@given(st.binary(min_size=24, max_size=64), st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1))
def test_the_official_library_signs_as_we_do(secret: bytes, identity: str) -> None:
    theirs = standardwebhooks.Webhook(webhooks.written(secret)).sign(
        identity, datetime.fromtimestamp(NOW, UTC), BODY.decode()
    )
    assert theirs == webhooks.headers(secret, identity, NOW, BODY)[webhooks.SIGNATURE]


def test_the_official_library_verifies_what_we_sign() -> None:
    now = int(datetime.now(UTC).timestamp())
    library = standardwebhooks.Webhook(webhooks.written(SECRET))
    said: Any = library.verify(BODY, signed(SECRET, at=now))
    assert said == {"type": "release.yank"}
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        library.verify(BODY, signed(OTHER, at=now))


def test_a_message_is_by_who_signed_it() -> None:
    assert is_by(signed(SECRET))
    assert not is_by(signed(SECRET), OTHER)


@pytest.mark.parametrize("secret", [SECRET, OTHER])
def test_while_a_secret_is_rotated_either_signature_does(secret: bytes) -> None:
    assert is_by(signed(SECRET, OTHER), secret)
    assert is_by(
        {**signed(SECRET), webhooks.SIGNATURE: f"v1a,AAAA v1,AAAA {signed(secret)[webhooks.SIGNATURE]}"}, secret
    )


@pytest.mark.parametrize(
    ("header", "value"),
    [
        (webhooks.ID, "msg_2"),
        (webhooks.TIMESTAMP, str(NOW + 1)),
        (webhooks.SIGNATURE, ""),
        (webhooks.SIGNATURE, "v1,"),
        (webhooks.SIGNATURE, "v1"),
        (webhooks.SIGNATURE, "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
        (webhooks.SIGNATURE, "é"),
    ],
)
def test_whatever_of_it_is_another_it_is_not_by_them(header: str, value: str) -> None:
    assert not is_by({**signed(SECRET), header: value})


def test_a_body_that_was_altered_is_not_theirs() -> None:
    assert not is_by(signed(SECRET), body=BODY + b" ")


@pytest.mark.parametrize("off", [-301, 301, 10**9])
def test_a_message_of_another_time_is_refused_whoever_signed_it(off: int) -> None:
    assert is_by(signed(SECRET, at=NOW + 300)) and is_by(signed(SECRET, at=NOW - 300))
    with pytest.raises(webhooks.NotProven, match="300 s from our clock"):
        is_by(signed(SECRET, at=NOW + off))


@pytest.mark.parametrize("header", [webhooks.ID, webhooks.TIMESTAMP])
@pytest.mark.parametrize("value", ["", " ", "ü", "-1", "1.5", "a b", "x" * 201])
def test_headers_that_no_sender_makes_are_refused(header: str, value: str) -> None:
    if header == webhooks.ID and value in ("-1", "1.5"):
        return
    with pytest.raises(webhooks.NotProven, match="as Standard Webhooks says"):
        is_by({**signed(SECRET), header: value})


def test_a_secret_is_written_as_it_is_read() -> None:
    assert webhooks.secret_of(webhooks.written(SECRET)) == SECRET


@pytest.mark.parametrize(
    "text", ["", "whsec_", "whsec_!!", "whsec_c2hvcnQ=", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3", "whsec_" + "A" * 90]
)
def test_what_is_no_secret_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(webhooks.BadSecret) as refused:
        webhooks.secret_of(text)
    assert text[6:] == "" or text[6:] not in str(refused.value)


def test_each_name_has_a_secret_of_its_own_and_always_the_same() -> None:
    assert webhooks.derived(SECRET, "a") == webhooks.derived(SECRET, "a")
    made = {webhooks.derived(key, name) for key in (SECRET, OTHER) for name in ("a", "b")}
    assert len(made) == 4 and {len(each) for each in made} == {32}


def test_neither_body_nor_signature_is_shown() -> None:
    assert "v1," not in repr(webhooks.received(signed(SECRET), BODY, NOW)) and "release" not in repr(
        webhooks.received(signed(SECRET), BODY, NOW)
    )
