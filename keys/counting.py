"""Did they? The one place in the tree that counts signatures.

python-tuf and tuf-js count key ids, so one private key listed under two ids meets a threshold of two. Here what counts
is the number of different public keys.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from securesystemslib.signer import Key, Signature
from tuf.api.metadata import Metadata, Root, Targets

from keys import records
from keys.encoding import canonical

Delegator = Root | Targets


@dataclass(frozen=True, slots=True)
class Count:
    """How far a file is signed for one delegator: key ids that signed and that have not, and the threshold."""

    signed: frozenset[str]
    unsigned: frozenset[str]
    distinct: int
    threshold: int

    @property
    def met(self) -> bool:
        """Whether it is enough; a threshold of none is never met."""
        return 0 < self.threshold <= self.distinct

    @property
    def missing(self) -> int:
        """How many more distinct keys must sign."""
        return max(0, self.threshold - self.distinct)


def count(delegator: Delegator, role: str, payload: bytes, signatures: Iterable[Signature]) -> Count:
    """Count the distinct keys of ``role``, as ``delegator`` lists them, whose signature over ``payload`` verifies.

    ValueError if the delegator does not know the role (TUF specification section 5.3.4 and 5.6.3).
    """
    by_keyid = {signature.keyid: signature for signature in signatures}
    delegated = delegator.get_delegated_role(role)
    keys = {keyid: delegator.get_key(keyid) for keyid in delegated.keyids}
    good = {keyid for keyid, key in keys.items() if _verifies(key, by_keyid.get(keyid), payload)}
    return Count(
        signed=frozenset(good),
        unsigned=frozenset(keys.keys() - good),
        distinct=len({records.fingerprint(keys[keyid]) for keyid in good}),
        threshold=delegated.threshold,
    )


def count_file(delegator: Delegator, role: str, data: bytes) -> Count:
    """Count over a whole metadata file, from its encoded bytes."""
    metadata: Metadata[Root] = Metadata.from_bytes(data)
    return count(delegator, role, payload_of(metadata), metadata.signatures.values())


def payload_of(metadata: Metadata[Root] | Metadata[Targets]) -> bytes:
    """The bytes that signatures of a parsed file cover."""
    return canonical(metadata.signed.to_dict())


def same_key_twice(keys: Mapping[str, Key]) -> tuple[str, str] | None:
    """Two key ids that share one public key, if there are such."""
    seen: dict[str, str] = {}
    for keyid, key in sorted(keys.items()):
        fingerprint = records.fingerprint(key)
        if fingerprint in seen:
            return seen[fingerprint], keyid
        seen[fingerprint] = keyid
    return None


def _verifies(key: Key, signature: Signature | None, payload: bytes) -> bool:
    return signature is not None and records.verifies(key, signature.signature, payload)
