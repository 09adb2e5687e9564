"""Keys with a service: a signature that does not verify never leaves, and every error is a sentence."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key
from securesystemslib.signer import SIGNER_FOR_URI_SCHEME, CryptoSigner, Signature, SSlibKey

from keys import custody
from keys.custody import NotOpened
from keys.signing import HeldKey, SignerFailed
from tests.servers import S3Server, need

ROOT: Final = Path(__file__).parents[2]

FIXED = derive_private_key(7, SECP256R1())


def nobody(what: str) -> str:
    raise AssertionError("no person is asked for a service's secret")


class Vault(CryptoSigner):
    """A service as securesystemslib has them, that holds one key in three versions, of which the third is current."""

    @classmethod
    def import_(cls, name: str) -> tuple[str, SSlibKey]:
        if name != "root":
            raise LookupError(f"there is no key {name}")
        return "hv:root/3", SSlibKey.from_crypto(FIXED.public_key())

    @classmethod
    def from_priv_key_uri(cls, priv_key_uri: str, public_key: Any, secrets_handler: Any = None) -> "Vault":
        return cls(FIXED, public_key)


@pytest.fixture
def vault(monkeypatch: pytest.MonkeyPatch) -> type[Vault]:
    monkeypatch.setitem(SIGNER_FOR_URI_SCHEME, "hv", Vault)
    return Vault


def refusal(where: str) -> NotOpened:
    with pytest.raises(NotOpened) as error:
        custody.open_key(where, nobody)
    return error.value


def test_a_key_of_a_service_signs_what_tuf_verifies(vault: type[Vault]) -> None:
    key = custody.open_key("hv:root/3", nobody)
    assert key.record == HeldKey(FIXED).record
    key.record.verify_signature(key.sign(b"payload"), b"payload")


def test_another_version_of_a_key_than_the_services_own_is_refused(vault: type[Vault]) -> None:
    assert refusal("hv:root/2").what == "the key service has hv:root/3, not hv:root/2"


def test_a_key_that_is_not_there_is_said_not_to_be(vault: type[Vault]) -> None:
    assert refusal("hv:other/1").what == "the key service did not open the key: there is no key other"


@pytest.mark.parametrize("returned", ["", "00" * 64, "zz", None])
def test_a_wrong_signature_never_leaves(vault: type[Vault], monkeypatch: pytest.MonkeyPatch, returned: Any) -> None:
    key = custody.open_key("hv:root/3", nobody)
    monkeypatch.setattr(Vault, "sign", lambda self, payload: Signature(self.public_key.keyid, returned))
    with pytest.raises((SignerFailed, NotOpened)):
        key.sign(b"payload")


def test_a_signature_by_another_key_or_of_another_payload_never_leaves(
    vault: type[Vault], monkeypatch: pytest.MonkeyPatch
) -> None:
    key = custody.open_key("hv:root/3", nobody)
    other = HeldKey(derive_private_key(8, SECP256R1()))
    for made in (other.sign(b"payload"), HeldKey(FIXED).sign(b"another payload")):
        monkeypatch.setattr(Vault, "sign", lambda self, payload, made=made: made)
        with pytest.raises(SignerFailed):
            key.sign(b"payload")


def test_a_scheme_that_we_do_not_use_is_refused(vault: type[Vault], monkeypatch: pytest.MonkeyPatch) -> None:
    strange = SSlibKey.from_crypto(FIXED.public_key(), scheme="ecdsa-sha2-nistp384")
    monkeypatch.setattr(Vault, "import_", lambda name: ("hv:root/3", strange))
    assert "signs with ecdsa-sha2-nistp384, not with ecdsa-sha2-nistp256" in refusal("hv:root/3").what


@pytest.mark.parametrize("where", ["hv:root/1", "gcpkms:projects/p/x", "azurekms://v.vault.azure.net/keys/root/1"])
def test_without_the_packages_the_extra_is_named(where: str) -> None:
    assert refusal(where).todo == "pip install 'tallystick[kms]'"


@pytest.mark.parametrize("where", ["azurekms://evil.example/keys/root/1", "azurekms:root"])
def test_an_address_of_no_vault_is_refused(where: str) -> None:
    assert refusal(where).what == "this is no address of a key in a vault"


@pytest.fixture(scope="module")
def amazon(moto_server: S3Server) -> dict[str, Any]:
    """What tests/keys/amazon.py says, in a process that finds moto's boto3."""
    site = next(Path(need("moto_server", "moto[server]")).resolve().parents[1].glob("lib/*/site-packages"))
    region, endpoint = "us-east-1", f"http://127.0.0.1:{moto_server.port}"
    there = {"AWS_DEFAULT_REGION": region, "AWS_ENDPOINT_URL": endpoint, **moto_server.credentials}
    command = [sys.executable, "-m", "tests.keys.amazon", str(site)]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **there}, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


@pytest.mark.parametrize("spec", ["ECC_NIST_P256", "ECC_NIST_P384"])
def test_what_amazons_service_returns_is_verified_too(amazon: dict[str, Any], spec: str) -> None:
    """moto signs the digest's digest: a wrong signature by the right key, through the whole of securesystemslib."""
    assert amazon[spec] == [f"ecdsa-sha2-nistp{spec[-3:]}", "SignerFailed"]


def test_amazons_own_words_reach_the_person(amazon: dict[str, Any]) -> None:
    assert "NotFoundException" in amazon["unknown"]
