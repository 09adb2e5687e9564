"""Webhooks against a real receiver: signed as Standard Webhooks says, at least once, under one id."""

import hmac
import json
from base64 import b64decode, b64encode
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from keys import webhooks
from repo_service.monitor import hooks
from repo_service.monitor.book import Book
from repo_service.monitor.findings import Finding, Level
from repo_service.monitor.hooks import BadSecret, Hook
from tests.monitor.receiver import Receiver, receiving
from tests.world import BEGIN

SECRET = b"0123456789abcdef01234567"
ORIGIN = "registry.test/log"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def say(book: Book, *sentences: str, level: Level = "alarm") -> None:
    with book.transaction():
        book.say(Finding("withdrawn", level, each, "2026-11-22T10:00:00Z", 9, "flask") for each in sentences)


def deliver(book: Book, receiver: Receiver, later: float = 0) -> int:
    return hooks.deliver(book, Hook(receiver.url, SECRET), ORIGIN, BEGIN + timedelta(seconds=later))


def test_the_signature_is_that_of_the_specifications_example() -> None:
    """Of the reference libraries' own tests."""
    secret = b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    made = webhooks.headers(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert made["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_an_alarm_comes_signed(book: Book, receiver: Receiver) -> None:
    say(book, "much is gone")
    assert deliver(book, receiver) == 0
    [(headers, body, _)] = receiver.got
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = b64encode(hmac.digest(SECRET, signed, "sha256")).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert headers["webhook-timestamp"] == str(int(BEGIN.timestamp()))
    said = json.loads(body)
    assert (said["type"], said["timestamp"]) == ("monitor.alarm", "2026-11-22T10:00:00Z")
    assert said["data"]["sentence"] == "much is gone"
    assert said["data"]["origin"] == ORIGIN


def test_what_was_not_taken_comes_again_under_the_same_id_and_is_no_longer_told_then(
    book: Book, receiver: Receiver
) -> None:
    say(book, "one")
    receiver.statuses = [500, 302, 429]
    assert deliver(book, receiver) == 1
    assert deliver(book, receiver) == 1  # too soon
    assert len(receiver.got) == 1
    assert deliver(book, receiver, later=5) == 1
    assert deliver(book, receiver, later=15) == 1
    assert deliver(book, receiver, later=35) == 0
    assert deliver(book, receiver, later=9999) == 0
    assert len({headers["webhook-id"] for headers, _, _ in receiver.got}) == 1
    assert len({body for _, body, _ in receiver.got}) == 1
    assert [status for _, _, status in receiver.got] == [500, 302, 429, 204]
    stamps = [headers["webhook-timestamp"] for headers, _, _ in receiver.got]
    assert len(set(stamps)) == 4  # a receiver refuses what was signed long ago


def test_one_message_that_is_refused_does_not_hold_up_the_others(book: Book, receiver: Receiver) -> None:
    say(book, "one", "two", "three")
    receiver.statuses = [400]
    assert deliver(book, receiver) == 1
    assert len(receiver.taken) == 2
    assert deliver(book, receiver, later=60) == 0
    assert len(set(receiver.taken)) == 3


def test_where_nobody_answers_only_one_attempt_is_made_and_nothing_is_lost(book: Book, receiver: Receiver) -> None:
    say(book, *map(str, range(50)))
    away = Hook("http://127.0.0.1:1/", SECRET)
    assert hooks.deliver(book, away, ORIGIN, BEGIN) == 50
    assert book.db.execute("SELECT sum(tries) FROM hooked").fetchone() == (1,)
    assert deliver(book, receiver, later=60) == 0
    assert len(set(receiver.taken)) == 50


def test_the_pause_grows_to_an_hour_and_no_longer(book: Book, receiver: Receiver) -> None:
    say(book, "one")
    receiver.statuses = [500] * 100
    at = 0.0
    for _ in range(100):
        deliver(book, receiver, later=at)
        at += hooks.LONGEST_PAUSE
    assert len(receiver.got) == 100


def test_only_alarms_are_sent(book: Book, receiver: Receiver) -> None:
    say(book, "good to know", level="notice")
    assert deliver(book, receiver) == 0
    assert receiver.got == []


def test_who_dies_between_sending_and_remembering_sends_the_same_again(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = Book(tmp_path / "dies")
    say(book, "one", "two")
    real = hooks._send

    def dies(*arguments: object) -> int | None:
        real(*arguments)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(hooks, "_send", dies)
        with pytest.raises(KeyboardInterrupt):
            deliver(book, receiver)
    book.close()
    book = Book(tmp_path / "dies")
    assert deliver(book, receiver) == 0
    assert len(receiver.taken) == 3
    assert len(set(receiver.taken)) == 2
    book.close()


def test_a_secret_is_read_strictly(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    good = f"whsec_{b64encode(SECRET).decode()}"
    file.write_text(f"{good}\n")
    assert hooks.secret_of(file) == hooks.secret_of(None, {hooks.VARIABLE: good}) == SECRET
    for text, why in (("", "needs a secret"), ("whsec_AAAA", "24 to 64"), (b64encode(SECRET).decode(), "whsec_"),
                      ("whsec_!", "base64")):  # fmt: skip
        with pytest.raises(BadSecret, match=why):
            hooks.secret_of(None, {hooks.VARIABLE: text})
