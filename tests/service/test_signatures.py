"""Signed requests (RFC 9421). The signer is written here by hand, so that each part of it can be broken alone."""

import hashlib
import json
from base64 import b64encode
from dataclasses import dataclass, field, replace
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from werkzeug.test import TestResponse

from keys.encoding import sha256
from keys.signing import HeldKey
from keys.times import stamp
from repo_service.web.auth import new_key
from repo_service.web.signatures import public_pem
from tests.service.door import Door, publication, sdist
from tests.world import World, held_key, online_key

URL: Final = "http://127.0.0.1:8416"
PATH: Final = "/v1/projects/foo/releases/1.0/publish"
BODY: Final = json.dumps(publication("foo")).encode()
ALL: Final = ("@method", "@target-uri", "content-digest", "idempotency-key")


@dataclass(frozen=True)
class Draft:
    """A request before it is signed. Every field can be replaced by a wrong one."""

    keyid: str
    created: int
    method: str = "POST"
    target: str = URL + PATH
    body: bytes = BODY
    covered: tuple[str, ...] = ALL
    nonce: str | None = "a nonce of enough characters"
    more: str = ""
    headers: dict[str, str] = field(default_factory=lambda: {"Idempotency-Key": "once"})

    @property
    def digest(self) -> str:
        return f"sha-256=:{b64encode(hashlib.sha256(self.body).digest()).decode()}:"

    @property
    def parameters(self) -> str:
        covered = " ".join(f'"{name}"' for name in self.covered)
        nonce = f';nonce="{self.nonce}"' if self.nonce is not None else ""
        return f'({covered});created={self.created};keyid="{self.keyid}"{nonce}{self.more}'

    @property
    def base(self) -> bytes:
        """The signature base (RFC 9421, section 2.5)."""
        values = {"@method": self.method, "@target-uri": self.target, "content-digest": self.digest}
        values |= {name.lower(): value for name, value in self.headers.items()}
        lines = [f'"{name}": {values[name]}' for name in self.covered]
        return "\n".join([*lines, f'"@signature-params": {self.parameters}']).encode()


def raw_signature(key: HeldKey, base: bytes) -> bytes:
    """Ed25519 as it is; ECDSA as r and s of 32 bytes each (RFC 9421, section 3.3.4)."""
    if isinstance(key._private, Ed25519PrivateKey):
        return key._private.sign(base)
    r, s = decode_dss_signature(key._private.sign(base, ECDSA(SHA256())))
    return r.to_bytes(32) + s.to_bytes(32)


class Office:
    """A client with a key instead of a token."""

    def __init__(self, world: World, key: HeldKey | None = None, role: str = "registry") -> None:
        self.key = key or held_key(7)
        self.door = Door(world)
        self.world = world
        self.token = new_key(role, "acme", "2027-01-01T00:00:00Z", public_pem(self.key.record))
        with world.service.journal.writing() as pen:
            pen.add_token(self.token)

    def draft(self, **changed: Any) -> Draft:
        return replace(Draft(self.token.id, int(self.world.now.timestamp())), **changed)

    def send(self, draft: Draft, path: str = PATH, **instead: str) -> TestResponse:
        """Sign a draft and send it, with some headers instead of what was signed; "" leaves one out."""
        signature = b64encode(raw_signature(self.key, draft.base)).decode()
        headers = {
            "Content-Digest": draft.digest,
            "Signature-Input": f"sig1={draft.parameters}",
            "Signature": f"sig1=:{signature}:",
            **draft.headers,
            **{name.replace("_", "-"): value for name, value in instead.items()},
        }
        sent = {name: value for name, value in headers.items() if value}
        return self.door.client.open(path, method=draft.method, data=draft.body, headers=sent)


def refused(answer: TestResponse, code: str = "signature_invalid") -> str:
    """The detail of a 401."""
    problem = answer.get_json()
    assert (answer.status_code, problem.get("code")) == (401, code), problem
    detail: str = problem["detail"]
    return detail


@pytest.fixture
def office(world: World) -> Office:
    return Office(world)


@pytest.mark.parametrize("key", [held_key(7), online_key(7)], ids=["ed25519", "ecdsa-p256"])
def test_a_signed_change_is_taken_without_any_token(world: World, key: HeldKey) -> None:
    office = Office(world, key)
    assert office.send(office.draft()).get_json()["status"] == "signed"
    reading = office.draft(method="GET", target=f"{URL}/v1/status?x=1", body=b"", covered=ALL[:2], nonce="n" * 16)
    assert office.send(reading, "/v1/status?x=1").status_code == 200


def test_a_signed_upload_is_stored_if_it_is_what_was_signed(office: Office) -> None:
    path, data = "/v1/projects/foo/files/foo-1.0.tar.gz", sdist()
    draft = office.draft(method="PUT", target=URL + path, body=data)
    assert "signed Content-Digest" in refused(office.send(replace(draft, body=data + b"\0"), path,
        Content_Digest=draft.digest, Signature=good_signature(office, draft)), "digest_mismatch")  # fmt: skip
    assert not (office.world.public / "targets/packages").exists()
    answer = office.send(replace(draft, nonce="another nonce, as long"), path)
    assert (answer.status_code, answer.get_json()["sha256"]) == (201, sha256(data))


def good_signature(office: Office, draft: Draft) -> str:
    return f"sig1=:{b64encode(raw_signature(office.key, draft.base)).decode()}:"


def test_a_swapped_body_is_refused(office: Office) -> None:
    """A signature covers the digest's text; only we look whether the body has that digest."""
    draft = office.draft()
    other = replace(draft, body=json.dumps(publication("foo", "6.6.6")).encode())
    answer = office.send(other, Content_Digest=draft.digest, Signature=good_signature(office, draft))
    assert "signed Content-Digest" in refused(answer, "digest_mismatch")
    assert "was not covered" not in refused(office.send(other, Signature=good_signature(office, draft)))
    assert office.door.get("/v1/status").get_json()["events"] == 0


@pytest.mark.parametrize("missing", ALL)
def test_a_signature_must_cover_each_required_component(office: Office, missing: str) -> None:
    covered = tuple(name for name in ALL if name != missing)
    assert f'"{missing}" was not covered' in refused(office.send(office.draft(covered=covered)))


@pytest.mark.parametrize("missing", ALL[:2])
def test_also_what_only_reads_is_signed_for_its_method_and_address(office: Office, missing: str) -> None:
    covered = tuple(name for name in ALL[:2] if name != missing)
    draft = office.draft(method="GET", target=f"{URL}/v1/status", body=b"", covered=covered)
    assert f'"{missing}" was not covered' in refused(office.send(draft, "/v1/status"))


@pytest.mark.parametrize(
    ("digest", "said"),
    [
        ("sha-512=:" + b64encode(hashlib.sha512(BODY).digest()).decode() + ":", "must be sha-256"),
        ("md5=:" + b64encode(b"0" * 16).decode() + ":", "must be sha-256"),
        ("sha-256=:AAAA:", "must be sha-256"),
        ("", "not found"),
    ],
)
def test_a_digest_is_sha256_and_there(office: Office, digest: str, said: str) -> None:
    @dataclass(frozen=True)
    class Other(Draft):
        @property
        def digest(self) -> str:
            return digest

    draft = office.draft()
    assert said in refused(office.send(Other(draft.keyid, draft.created)))


@pytest.mark.parametrize(
    "changed",
    [
        {"target": f"{URL}/v1/projects/foo/releases/1.0/yank"},
        {"target": f"{URL}{PATH}?dry_run=true"},
        {"target": f"https://elsewhere.example{PATH}"},
        {"target": PATH},
        {"headers": {"Idempotency-Key": "other"}},
        {"created": 1795341601},
    ],
)
def test_a_signature_of_another_request_is_refused(office: Office, changed: dict[str, Any]) -> None:
    answer = office.send(office.draft(), Signature=good_signature(office, office.draft(**changed)))
    assert URL + PATH in refused(answer)


def test_a_change_of_method_breaks_the_signature(office: Office) -> None:
    signature = good_signature(office, office.draft())
    refused(office.send(office.draft(method="PUT"), "/v1/projects/foo/files/foo-1.0.zip", Signature=signature))


def test_a_forwarded_host_changes_no_address(office: Office) -> None:
    """The address is the one of the settings: a client's signature for another service is of no use here."""
    elsewhere = office.draft(target=f"https://elsewhere.example{PATH}")
    refused(office.send(elsewhere, Host="elsewhere.example", X_Forwarded_Host="elsewhere.example"))
    answer = office.send(office.draft(), Host="elsewhere.example")
    assert answer.status_code == 200


@pytest.mark.parametrize(("skew", "good"), [(-121, False), (-120, True), (0, True), (120, True), (121, False)])
def test_a_signature_is_good_for_two_minutes(office: Office, skew: int, good: bool) -> None:
    answer = office.send(office.draft(created=int(office.world.now.timestamp()) + skew))
    assert good == (answer.status_code == 200) and (good or "created must be within 120 s" in refused(answer))


def test_a_signature_without_created_is_refused(office: Office) -> None:
    @dataclass(frozen=True)
    class Undated(Draft):
        @property
        def parameters(self) -> str:
            return super().parameters.replace(f";created={self.created}", "")

    draft = office.draft()
    assert "created" in refused(office.send(Undated(draft.keyid, draft.created)))


def test_a_signature_that_says_it_has_expired_has(office: Office) -> None:
    now = int(office.world.now.timestamp())
    assert "expired" in refused(office.send(office.draft(more=f";expires={now - 1}")))
    assert office.send(office.draft(more=f";expires={now}")).status_code == 200


@pytest.mark.parametrize("nonce", [None, "", "n" * 15, "n" * 129])
def test_a_nonce_is_there_and_hard_to_guess(office: Office, nonce: str | None) -> None:
    assert "nonce must have" in refused(office.send(office.draft(nonce=nonce)))


def test_a_signed_request_is_good_once_whatever_it_asks(office: Office) -> None:
    draft = office.draft()
    assert office.send(draft).status_code == 200
    refused(office.send(draft), "nonce_spent")
    refused(office.send(replace(draft, created=draft.created + 1)), "nonce_spent")
    again = office.send(replace(draft, nonce="a retry has another nonce"))
    assert (again.status_code, again.get_json()["changed"]) == (200, True)


def test_a_nonce_is_remembered_until_its_signature_is_too_old_and_no_longer(office: Office) -> None:
    """Signed by a clock that is 120 s ahead, a request could be replayed for 240 s."""
    draft = office.draft(created=int(office.world.now.timestamp()) + 120)
    assert office.send(draft).status_code == 200
    office.world.tick(seconds=240)
    refused(office.send(draft), "nonce_spent")
    office.world.tick(seconds=1)
    assert "created" in refused(office.send(draft))
    assert office.send(office.draft(nonce="this one lets the old go")).status_code == 200
    with office.world.service.journal.writing() as pen:
        pen.spend_nonce(office.token.id, str(draft.nonce), office.world.now, office.world.now)


def test_two_clients_may_use_one_nonce(world: World) -> None:
    one, two = Office(world), Office(world, held_key(8))
    assert one.send(one.draft()).status_code == 200
    assert two.send(two.draft()).status_code == 200


def test_a_second_label_is_refused_even_if_both_are_good(office: Office) -> None:
    draft = office.draft()
    signature = good_signature(office, draft)
    twice = {
        "Signature_Input": f"sig1={draft.parameters}, sig2={draft.parameters}",
        "Signature": f"{signature}, {signature.replace('sig1', 'sig2')}",
    }
    assert "one label" in refused(office.send(draft, **twice))
    alone = {**twice, "Signature_Input": f"sig1={draft.parameters}, sig2=()"}
    assert "Multiple signatures" in refused(office.send(draft, **alone))


@pytest.mark.parametrize("algorithm", ["hmac-sha256", "rsa-pss-sha512", "ecdsa-p256-sha256", "none", ""])
def test_a_key_has_one_algorithm(office: Office, algorithm: str) -> None:
    assert "algorithm" in refused(office.send(office.draft(more=f';alg="{algorithm}"')))
    assert office.send(office.draft(more=';alg="ed25519"')).status_code == 200


def test_another_key_than_the_one_it_names_is_refused(world: World) -> None:
    one, two = Office(world), Office(world, held_key(8))
    refused(one.send(two.draft()))
    refused(two.send(one.draft()))


def test_a_secret_is_no_key_and_a_key_no_secret(office: Office) -> None:
    secret = office.door.token
    assert "keyid" in refused(office.send(office.draft(keyid=secret.split("_")[1])))
    assert "not both" in refused(office.send(office.draft(), Authorization=f"Bearer {secret}"), "auth_malformed")
    as_secret = f"tally_{office.token.id}_{secret.split('_', 2)[2]}"
    refused(office.door.get("/v1/status", as_secret), "auth_unknown")


@pytest.mark.parametrize(
    ("signature_input", "signature"),
    [
        ("", "sig1=:AAAA:"),
        ("sig1=", "sig1=:AAAA:"),
        ("{good}", ""),
        ("{good}", "sig1"),
        ("{good}", "sig1=AAAA"),
        ("{good}", "sig1=:é:"),
        ("{good}", "sig2=:AAAA:"),
        ("{good}", "sig1=:" + "A" * 10_000 + ":"),
        ("{good};created=x", "sig1=:AAAA:"),
        ("{good};created=999999999999999", "sig1=:AAAA:"),
        ("{good};created=1.5", "sig1=:AAAA:"),
        ("{good};nonce=1", "sig1=:AAAA:"),
        ("{good};tag=é", "sig1=:AAAA:"),
        ("{good};unheard=1", "sig1=:AAAA:"),
        ("x" * 100_000, "x" * 100_000),
        ("(" * 10_000, "sig1=:AAAA:"),
        ("\x00", "\x00"),
    ],
)
def test_a_malformed_signature_is_401_and_never_500(office: Office, signature_input: str, signature: str) -> None:
    good = f"sig1={office.draft().parameters}"
    sent = {"Signature_Input": signature_input.replace("{good}", good), "Signature": signature}
    refused(office.send(office.draft(), **{name: text.encode().decode("latin-1") for name, text in sent.items()}))


def test_a_revoked_key_an_old_one_and_a_role_without_permission_are_refused(world: World) -> None:
    auditor = Office(world, role="auditor")
    answer = auditor.send(auditor.draft())
    assert (answer.status_code, answer.get_json()["missing"]) == (403, "change")
    registry = Office(world, held_key(8))
    with world.service.journal.writing() as pen:
        pen.revoke_token(registry.token.id, world.now)
    assert stamp(world.now) in refused(registry.send(registry.draft()), "token_revoked")
    other = Office(world, held_key(9))
    world.tick(days=60)
    refused(other.send(other.draft()), "token_expired")


def test_the_address_is_the_one_of_the_settings(tmp_path: Any) -> None:
    office = Office(World(tmp_path, 'url = "https://api.registry.test/tally/"\n'))
    refused(office.send(office.draft()))
    target = f"https://api.registry.test/tally{PATH}"
    assert office.send(office.draft(target=target)).status_code == 200
