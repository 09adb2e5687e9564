"""A holder's own pinned root: whoever hands the files around, they must continue from it."""

from ceremony.errors import Mismatch
from keys import layout, trust
from keys.trust import RootOfTrust


def pinned_version(trusted: RootOfTrust, name: str, pin: bytes) -> int:
    """The version of the root in the chain that is the pinned one; Mismatch if the chain does not hold it."""
    body = trust.parse_body(name, layout.ROOT, pin).to_dict()
    for root in trusted.roots:
        if root.body.to_dict() == body:
            return root.body.version
    raise Mismatch(
        f"{name}: your pinned root {body['version']} is not in this chain of roots",
        "Stop. This is another repository, or somebody shows you another root: call the other holders.",
    )
