"""What the client refuses: one table from each kind of refusal to its exit code, HTTP status and words.

Exit codes: 0 done; 1 the installer's own failure; 2 usage or configuration; the rest is in ``KINDS``.
"""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Literal

USAGE: Final = 2
"""The exit code of a command that could not begin: nothing was asked of any repository."""

Code = Literal[
    "rollback",
    "expired",
    "invalid",
    "swapped",
    "incomplete",
    "mismatch",
    "contradiction",
    "not-logged",
    "log-unwitnessed",
    "memory-damaged",
    "prohibited",
    "placeholder",
    "reserved",
    "vacant",
    "quarantined",
    "release-quarantined",
    "unpublished",
    "taken-down",
    "security-yanked",
    "all-yanked",
    "lower-version",
    "new-generation",
    "absent",
    "unknown-version",
    "unknown-file",
    "unverifiable",
    "unreachable",
    "bypass",
    "unmapped",
]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of refusal. ``title`` is short ASCII, because as HTTP reason phrase it is all that pip shows."""

    exit: int
    status: HTTPStatus
    title: str
    explanation: str


# 409 for broken trust, 403 for what the signed state forbids, 404 only for what is proven absent, 424 where what the
# answer depends on is out of reach. Never 5xx: pip, uv and poetry ask again for minutes, and pip then drops the reason.
KINDS: Final[dict[Code, Kind]] = {
    "rollback": Kind(
        3,
        HTTPStatus.CONFLICT,
        "rollback attack detected",
        "The repository served signed metadata that is older than what this machine has already verified. Somebody "
        "between you and the registry may be hiding a yank, a removal or a fix. Try another network or mirror; if it "
        "stays, tell the registry. Do not delete the local state to make it go away: it is what noticed.",
    ),
    "expired": Kind(
        4,
        HTTPStatus.CONFLICT,
        "metadata expired (freeze)",
        "The newest signed metadata that the repository serves is past its date. Either the registry has stopped "
        "signing, or somebody keeps new metadata from you (a freeze attack), or the clock of this machine is wrong. "
        "Check the clock first, then another network, then ask the registry.",
    ),
    "invalid": Kind(
        5,
        HTTPStatus.CONFLICT,
        "metadata not valid",
        "A metadata file or page is not signed by enough different keys, or is not of the form that it must have. "
        "It was not used. A damaged mirror or proxy can cause it, and so can an attack.",
    ),
    "swapped": Kind(
        5,
        HTTPStatus.CONFLICT,
        "metadata file swapped",
        "The repository answered with a validly signed file other than the one that was asked for: another bin, or "
        "another version of it. With it a mirror could make a project seem not to exist. Try another mirror.",
    ),
    "incomplete": Kind(
        5,
        HTTPStatus.CONFLICT,
        "absence not proven",
        "The search ended before it reached the one file that may speak for this name, so nothing can be said about "
        "it: neither that it exists nor that it does not. Absence counts only when that file was read and verified.",
    ),
    "mismatch": Kind(
        6,
        HTTPStatus.CONFLICT,
        "bytes do not match signed hash",
        "The bytes that arrived are not the bytes that the registry signed (their SHA-256 or size differs). They were "
        "thrown away. A damaged cache or mirror can cause it, and so can an attack.",
    ),
    "contradiction": Kind(
        6,
        HTTPStatus.CONFLICT,
        "registry contradicts itself",
        "What the registry signs now takes back something that it signed before and that can never change: the bytes "
        "of a file, the record of a removal, an order of events; or it signed two different files of one version, a "
        "file that its own log has otherwise, or two logs that do not fit. One of its keys may be stolen. Both signed "
        "documents are kept on this machine, with what proves them: `tallystick evidence list` names them, and "
        "`tallystick evidence export FILE` writes them for the registry and everybody else. If the registry says in "
        "public that its key was stolen and has been replaced, then what is remembered here may be the thief's word: "
        "`tallystick forget NAME` begins again with that name.",
    ),
    "not-logged": Kind(
        5,
        HTTPStatus.CONFLICT,
        "not in the transparency log",
        "The registry writes everything that it signs into a public log, and nothing proves that what it served here "
        "is in that log. So it may be signed for this machine alone, by somebody who has the registry's online key: "
        "for example to make every fixed release look yanked. It may also be that the log's files cannot be had, or "
        "that the repository has no log and yours is asked to have one. Try another network or mirror and compare "
        "with another machine; if it stays, tell the registry. `tallystick trust show NAME` says what is asked of it.",
    ),
    "log-unwitnessed": Kind(
        5,
        HTTPStatus.CONFLICT,
        "log is not vouched for",
        "What was served is in the registry's log, but nobody independent has confirmed that this log is the one that "
        "everybody sees: too few witnesses have signed its newest state, or too long ago, or the files could not be "
        "had from which this machine checks that the log only grew. An outage of witnesses ends with the registry's "
        "next release after it; try again then. If it stays, somebody may be keeping a log of his own for you: compare "
        "with another machine, and tell the registry and the witnesses (`tallystick trust show NAME` names them).",
    ),
    "memory-damaged": Kind(
        6,
        HTTPStatus.CONFLICT,
        "memory of this machine is damaged",
        "The file in which this machine keeps what it has verified is missing, cannot be read, or is not what was "
        "written. Without it a registry whose key was stolen could take back a removal or change the bytes of a file, "
        "and nobody here would notice, so nothing begins again by itself. `tallystick memory reset --repo NAME` says "
        "what is lost and begins anew; with `tallystick memory import FILE` you can then take in what another machine, "
        "or this one earlier, has verified.",
    ),
    "prohibited": Kind(
        7,
        HTTPStatus.FORBIDDEN,
        "name is prohibited",
        "The registry has signed that nothing may be installed under this name. Check its spelling.",
    ),
    "placeholder": Kind(
        7,
        HTTPStatus.FORBIDDEN,
        "name is held after removal",
        "The project was removed and the registry keeps its name empty, so that nobody else can publish under it.",
    ),
    "reserved": Kind(
        7,
        HTTPStatus.FORBIDDEN,
        "name is reserved",
        "The name is kept for somebody who has not published anything yet.",
    ),
    "vacant": Kind(
        7,
        HTTPStatus.FORBIDDEN,
        "name is vacant",
        "The name was reserved once and is free again. There is nothing to install under it.",
    ),
    "quarantined": Kind(
        7,
        HTTPStatus.FORBIDDEN,
        "project is quarantined",
        "The registry suspects the project and allows no installation until it has decided. Do not fetch the files "
        "from elsewhere meanwhile; if an earlier version is installed, watch the registry's verdict.",
    ),
    "release-quarantined": Kind(
        7,
        HTTPStatus.FORBIDDEN,
        "release is quarantined",
        "The registry suspects this release and allows no installation of it until it has decided. Choose another "
        "version, and do not fetch this one from elsewhere meanwhile; if it is installed here, watch the registry's "
        "verdict (`tallystick show NAME`).",
    ),
    "unpublished": Kind(
        7,
        HTTPStatus.FORBIDDEN,
        "release was removed",
        "The release was removed and left a signed record of it. Its version number is never used again. "
        "Choose another version; `tallystick show NAME` lists them.",
    ),
    "taken-down": Kind(
        7,
        HTTPStatus.FORBIDDEN,
        "taken down as harmful",
        "The registry has looked at these bytes and signed that they are harmful: malware, a trap for a misspelled "
        "name, a secret that leaked. If they were ever installed here, remove them, and treat what they could reach "
        "(tokens, keys, this machine) as lost until somebody has looked. `tallystick show NAME` names the reports.",
    ),
    "security-yanked": Kind(
        7,
        HTTPStatus.FORBIDDEN,
        "release yanked for security",
        "The release was withdrawn because it is not safe to use. Resolvers pass over it, so something names exactly "
        "this version: a requirement with ==, or a lock file. Move to another version; `tallystick show NAME` lists "
        "them. If you must have it, for example to rebuild something old, run again with --allow-security-yanked NAME.",
    ),
    "all-yanked": Kind(
        7,
        HTTPStatus.FORBIDDEN,
        "every release is yanked",
        "Every release of the project that could be installed has been yanked, so there is none to choose. If this "
        "machine has installed it before, stay with that and find out why: the project's own page, its issue tracker, "
        "the registry. Often a mistake is put right within hours. A yanked release can still be installed by who names "
        "its exact version (NAME==VERSION), knowing the reason.",
    ),
    "lower-version": Kind(
        7,
        HTTPStatus.FORBIDDEN,
        "newer versions just disappeared",
        "A newer version was here, this machine has verified it, and now it is yanked or removed; so the installer "
        "would quietly go back to an older one. Usually that is right: the newer release was broken. But it is also "
        "how somebody with a stolen token or key brings back a version with a known hole, by making every fix look "
        "yanked. Therefore this machine waits for a day after it first saw it, time enough for the project to protest. "
        "To go on at once, name the version that you want (NAME==VERSION), or say that the yanks are right with "
        "--accept-yanks NAME.",
    ),
    "new-generation": Kind(
        7,
        HTTPStatus.FORBIDDEN,
        "name has a new holder",
        "The name has passed to a holder unrelated to the one whose releases this machine has seen. What is published "
        "now is another project. If that is what you want, run again with --accept-new-generation NAME.",
    ),
    "absent": Kind(
        7,
        HTTPStatus.NOT_FOUND,
        "name is not in the registry",
        "The signed metadata proves that the registry knows no such name. Check its spelling. A name that was "
        "published a moment ago is not signed yet: try again in a minute.",
    ),
    "unknown-version": Kind(
        7,
        HTTPStatus.NOT_FOUND,
        "version is not signed",
        "The signed state of the project lists no such version; a newer snapshot was asked for before this was said. A "
        "version that was published a moment ago is not signed yet: try again in a minute.",
    ),
    "unknown-file": Kind(
        7,
        HTTPStatus.NOT_FOUND,
        "file is not signed",
        "The signed state of the project lists no such file; a newer snapshot was asked for before this was said. It "
        "may come from another registry. If it was published just now, it is not signed yet: try again in a minute.",
    ),
    "unverifiable": Kind(
        7,
        HTTPStatus.FORBIDDEN,
        "nothing signed speaks about this",
        "An entry of a lock file that no registry's signed state can confirm: it comes from a version control system, "
        "a direct address or a file of this machine, it has no SHA-256, or it is not understood. An installer would "
        "install it all the same. Lock it from the registry with hashes, or keep it in a file of its own that you "
        "trust for other reasons.",
    ),
    "unreachable": Kind(
        8,
        HTTPStatus.FAILED_DEPENDENCY,
        "repository cannot be reached",
        "The repository did not answer, or not with the file that was asked for. Nothing was installed unverified "
        "instead. Check the network and the address (`tallystick trust list`).",
    ),
    "bypass": Kind(
        9,
        HTTPStatus.FORBIDDEN,
        "request past the verified index",
        "The installer tried to fetch something from elsewhere than the verified repository: an extra index, a direct "
        "URL, a git dependency or a lock file with other addresses. Remove it, or install it in a separate step "
        "that you trust for other reasons.",
    ),
    "unmapped": Kind(
        9,
        HTTPStatus.FORBIDDEN,
        "no repository for this name",
        "Several repositories are pinned, each for names with prefixes of its own, and none of them for this name. It "
        "is not looked up in one of the others, so that nobody can publish there what you expect from here. Pin the "
        "repository that it should come from, or add a prefix (`tallystick trust add --prefix`).",
    ),
}


class ClientError(Exception):
    """Anything this client says no to."""


class Usage(ClientError):
    """The command or its configuration is wrong; no repository was asked."""


class Refused(ClientError):
    """Nothing of this may be used. ``detail`` is a sentence or two with the values that differ."""

    def __init__(self, code: Code, detail: str) -> None:
        super().__init__(f"{KINDS[code].title}: {detail}")
        self.code = code
        self.detail = detail

    @property
    def kind(self) -> Kind:
        """Exit code, status and words of its code."""
        return KINDS[self.code]
