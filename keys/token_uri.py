"""Where a key on a token is (RFC 7512), in as many words as it takes to be the only one.

pkcs11:token=alice;serial=366337b6ed7aee81;object=root;id=%00%07?module-path=/usr/lib/softhsm/libsofthsm2.so
"""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

_VALUE: Final = re.compile(r"(?:[A-Za-z0-9\-._~:\[\]@!$'()*+,=&/]|%[0-9A-Fa-f]{2})+", re.ASCII)
_PATH: Final = frozenset(("token", "serial", "model", "manufacturer", "object", "id", "type"))
_QUERY: Final = frozenset(("module-path",))
_PIN: Final = frozenset(("pin-value", "pin-source"))


class BadUri(ValueError):
    """Text that is no address of a key on a token, or says more than we heed."""


@dataclass(frozen=True, slots=True)
class TokenUri:
    """The library that speaks to the token, and what token and key are called. None: not said, so anything fits."""

    module: str
    token: str | None
    serial: str | None
    model: str | None
    manufacturer: str | None
    label: str | None
    id: bytes | None


def parse(text: str) -> TokenUri:
    """The parts of an address; BadUri for any that we would not heed, so that none is overlooked."""
    scheme, _, rest = text.partition(":")
    if scheme != "pkcs11":
        raise BadUri(f"it begins with {scheme!r:.20}, not with pkcs11:")
    path, _, query = rest.partition("?")
    said = _parts(path, ";", _PATH)
    module = _parts(query, "&", _QUERY).get("module-path", b"").decode("utf-8", "replace")
    if not module.startswith("/"):
        raise BadUri("it must end in ?module-path= and the whole path of the token's library")
    if said.pop("type", b"private") != b"private":
        raise BadUri("its type must be private: it is the private key that signs")
    key_id = said.pop("id", None)
    names = {name: _text(name, value) for name, value in said.items()}
    token, serial, model, manufacturer, label = map(names.get, ("token", "serial", "model", "manufacturer", "object"))
    return TokenUri(module, token, serial, model, manufacturer, label, key_id)


def _parts(text: str, separator: str, known: frozenset[str]) -> dict[str, bytes]:
    parts: dict[str, bytes] = {}
    for part in filter(None, text.split(separator)):
        name, _, value = part.partition("=")
        if name in _PIN:
            raise BadUri(f"it says {name}: a PIN is asked of a person, and stands in no file")
        if name not in known:
            raise BadUri(f"it says {name!r:.40}, which is not one of {', '.join(sorted(known))}")
        if name in parts:
            raise BadUri(f"it says {name} twice")
        if not _VALUE.fullmatch(value):
            raise BadUri(f"its {name} is empty, or holds a character that must be written as %xx")
        parts[name] = unquote_to_bytes(value)
    return parts


def _text(name: str, value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise BadUri(f"its {name} is not UTF-8") from None
