"""Keys that a key service holds, through the signers that securesystemslib has for them.

awskms:KEY-ID                                                         gcpkms:projects/…/cryptoKeyVersions/1
azurekms://VAULT.vault.azure.net/keys/NAME/VERSION                    hv:NAME/VERSION

Who may use the key is said where these services look for it, in the environment, and never here.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from securesystemslib.exceptions import UnsupportedLibraryError
from securesystemslib.signer import SIGNER_FOR_URI_SCHEME, Signature, Signer, SSlibKey

from keys import records
from keys.signing import NotOpened, verified

_AZURE: Final = re.compile(r"//([A-Za-z0-9-]+)\.vault\.azure\.net/keys/([A-Za-z0-9-]+)/[^/]+", re.ASCII)
_ADDRESS: Final = "Say where the key is as the head of keys/services.py does, with its version."


class ServiceKey:
    """A key with a service. What comes back is verified, because securesystemslib hands on whatever a service says."""

    def __init__(self, signer: Signer, record: SSlibKey) -> None:
        self._signer, self._record = signer, record

    @property
    def record(self) -> SSlibKey:
        """Its public half, as metadata lists it."""
        return self._record

    def sign(self, payload: bytes) -> Signature:
        """One verified signature. NotOpened if the service did not sign, SignerFailed if what it returned is none."""
        with _in_words("did not sign"):
            raw = bytes.fromhex(self._signer.sign(payload).signature)
        return verified(self.record, records.message(self.record, payload), raw)


def open_key(where: str) -> ServiceKey:
    """The key that a service has under this name; NotOpened if there is none that we use."""
    with _in_words("did not open the key"):
        said, key = _imported(where)
        record = records.record(records.public_key(key))
    if said != where:  # a service that has several versions of a key tells of the newest one only
        raise NotOpened(f"the key service has {said:.200}, not {where:.200}", "Name the newest version of the key.")
    if record.scheme != key.scheme:
        raise NotOpened(f"the key service signs with {key.scheme}, not with {record.scheme}", "Make a key of P-256.")
    with _in_words("did not open the key"):
        return ServiceKey(Signer.from_priv_key_uri(where, record), record)


def _imported(where: str) -> tuple[str, SSlibKey]:
    scheme, _, rest = where.partition(":")
    service: Any = SIGNER_FOR_URI_SCHEME[scheme]  # each has an import_ of its own
    said, key = service.import_(*_NAMES[scheme](rest))
    assert isinstance(key, SSlibKey)
    return said, key


def _azure(rest: str) -> tuple[str, ...]:
    if not (found := _AZURE.fullmatch(rest)):
        raise NotOpened("this is no address of a key in a vault", _ADDRESS)
    return found.groups()


_NAMES: Final[dict[str, Callable[[str], tuple[str, ...]]]] = {
    "awskms": lambda rest: (rest,),
    "gcpkms": lambda rest: (rest,),
    "azurekms": _azure,
    "hv": lambda rest: (rest.partition("/")[0],),
}
"""What each service's import_ wants of an address."""


@contextmanager
def _in_words(failing: str) -> Iterator[None]:
    try:
        yield
    except NotOpened:
        raise
    except UnsupportedLibraryError as error:
        raise NotOpened(f"keys with a service need more packages: {error}", "pip install 'tallystick[kms]'") from None
    except Exception as error:  # whatever the service's own library raises: securesystemslib names no errors
        told = str(error) or type(error).__name__
        raise NotOpened(f"the key service {failing}: {told:.300}", "Correct that, and run this again.") from error
