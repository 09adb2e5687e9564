"""The plan: the one input that people write and review, as ``plan.toml``.

The plan names every key by its whole key id. The public key files beside it only carry what the plan already says, so a
file that somebody adds or swaps changes nothing.
"""

import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass

from ceremony.errors import BadInput, Mismatch
from keys import strict
from keys.possession import PublicKeyFile
from keys.tlog import proofs
from keys.tlog.proofs import Policy

_TEXT = """\
# The plan of a ceremony, to be read and corrected by people before it is
# drafted. Every file that is signed follows from it.

name = {name}
url = {url}
purpose = {purpose}

# true: only keys that were made for practice, and no client trusts them.
rehearsal = {rehearsal}

# How many holders must sign. Fewer than there are: a lost key is then no
# loss. Where all must sign, or one is enough, say accept_no_spare = true,
# and know that one lost or one stolen key is then the end.
threshold = {threshold}
accept_no_spare = {accept_no_spare}

# Days that the signed files live (at most 400); they are signed again 90
# days before.
days = {days}

# Hash bins: a power of two. Another number than before means that the
# service signs every bin again in one release; no client notices.
bins = {bins}

# Names that nobody can ever install, whoever steals the online key.
held = {held}

# The oldest root that any client in use may have been given. From it on
# clients follow at most 200 roots.
oldest_root = {oldest_root}

# Empty, unless a key here is of a kind that older clients cannot read and
# would stop at for good: then the oldest client that can, in words.
minimum_client = {minimum_client}

# When it is held, the day kept free if it fails, who coordinates and who
# watches. Only the checklists say so; it is never signed.
[ceremony]
{ceremony}

# The key of the service. It signs snapshot, timestamp and every bin.
[online]
{online}
"""

_LOG = """
# The transparency log (docs/LOG.md): its key (two while one takes the
# other's place), whose witness counts, and how many of them must have seen
# what a client that requires the log accepts. Keys as log.pub holds them.
# begins_anew = true: another log than the roots before name, by its name.
[log]
keys = {keys}
witnesses = {witnesses}
quorum = {quorum}
begins_anew = {begins_anew}
"""

_HOLDER = """
[[holders]]
{holder}
"""


@dataclass(frozen=True, slots=True)
class Signatory:
    """A person or service by name, the id of the one key it signs with, and the colour of its stick, if it has one."""

    name: str
    key: str
    stick: str = ""


@dataclass(frozen=True, slots=True)
class Arrangements:
    """What people agreed on besides the files: dates as ``2026-12-01``. Empty where it is not said."""

    date: str = ""
    standby: str = ""
    coordinator: str = ""
    witnesses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Log:
    """Which transparency log a root is to name: its keys and its witnesses in their own spelling, which holds the whole
    key, so that no file need lie beside the plan (docs/adr/0039).
    """

    keys: tuple[str, ...]
    witnesses: tuple[str, ...] = ()
    quorum: int = 0
    begins_anew: bool = False

    def policy(self) -> Policy:
        """ValueError if it is none."""
        return proofs.read_policy({"keys": [*self.keys], "witnesses": [*self.witnesses], "quorum": self.quorum})


def log_of(policy: Policy) -> Log:
    """How a plan names the log that a root names."""
    return Log(tuple(map(str, policy.keys)), tuple(map(str, policy.witnesses)), policy.quorum)


@dataclass(frozen=True, slots=True)
class Plan:
    """What the files of a ceremony are to say. Not yet checked: ``ceremony.draft`` names every problem at once."""

    name: str
    url: str
    purpose: str
    rehearsal: bool
    threshold: int
    days: int
    bins: int
    held: tuple[str, ...]
    online: Signatory
    holders: tuple[Signatory, ...]
    accept_no_spare: bool = False
    oldest_root: int = 1
    minimum_client: str = ""
    ceremony: Arrangements = Arrangements()
    log: Log | None = None


@dataclass(frozen=True, slots=True)
class Keyring:
    """The public key files of everybody who is to sign."""

    holders: tuple[PublicKeyFile, ...]
    online: PublicKeyFile

    def __iter__(self) -> Iterator[PublicKeyFile]:
        return iter((*self.holders, self.online))


def signatory(file: PublicKeyFile) -> Signatory:
    """How a plan names the maker of a public key file."""
    return Signatory(file.name, file.key.keyid)


def write(plan: Plan) -> bytes:
    """``plan.toml`` with its comments."""
    values = {field: _toml(value) for field, value in strict.dump(plan).items() if not isinstance(value, dict)}
    values |= {"online": _table(plan.online), "ceremony": _table(plan.ceremony)}
    tables = [_log(plan.log)] if plan.log else []
    tables += [_HOLDER.format(holder=_table(holder)) for holder in plan.holders]
    return "".join([_TEXT.format(**values), *tables]).encode()


def read(data: bytes) -> Plan:
    """The inverse of ``write``, for a file that people edited."""
    try:
        return strict.load(Plan, tomllib.loads(data.decode()))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, strict.Malformed) as error:
        raise BadInput(f"plan.toml: {error}", "Correct plan.toml and run this again.") from None


def check_keyring(plan: Plan, keyring: Keyring) -> None:
    """Mismatch unless the key files are exactly those that the plan names."""
    planned = {(each.name, each.key) for each in (*plan.holders, plan.online)}
    present = {(file.name, file.key.keyid) for file in keyring}
    if differing := sorted(planned ^ present):
        raise Mismatch(
            "\n".join(
                f"{name}, key {key:.16}, is only in {'plan.toml' if (name, key) in planned else 'a key file'}"
                for name, key in differing
            ),
            "Compare plan.toml with holders/ and online.pub, and correct the one that is wrong.",
        )


def _table(entry: Signatory | Arrangements) -> str:
    return "\n".join(f"{field} = {_toml(value)}" for field, value in strict.dump(entry).items())


def _log(log: Log) -> str:
    values = {field: _toml(value) for field, value in strict.dump(log).items()}
    return _LOG.format(**(values | {"keys": _lines(log.keys), "witnesses": _lines(log.witnesses)}))


def _lines(texts: tuple[str, ...]) -> str:
    """A list with a line for each text, as people compare them one by one."""
    return "".join(("[", *(f"\n  {_toml(text)}," for text in texts), "\n]" if texts else "]"))


def _toml(value: object) -> str:
    # JSON's text, integer, boolean and list of text are TOML's too, as no text of ours holds a control character.
    return json.dumps(value, ensure_ascii=False)
