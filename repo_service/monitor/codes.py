"""Every code that the monitor says, how loud it is, what it means and what to do: docs/LOG.md is made of this table."""

from dataclasses import dataclass
from typing import Final

from repo_service.monitor.findings import Level


@dataclass(frozen=True, slots=True)
class Code:
    """``means`` and ``do`` are for people."""

    level: Level
    means: str
    do: str


_ASK: Final = "ask the registry in public; its answer is in the log or it is not"

CODES: Final[dict[str, Code]] = {
    "withdrawn": Code(
        "alarm",
        "within an hour more releases of one project were taken away (yanked, removed, in quarantine) than the limit",
        "ask the project's owners whether it was them; until then pin what you have",
    ),
    "all-withdrawn": Code(
        "alarm",
        "the last release of a project that could be installed was taken away, and it had several",
        "as for `withdrawn`",
    ),
    "withdrawn-everywhere": Code(
        "alarm", "within an hour more releases of all projects together were taken away than the limit", _ASK
    ),
    "one-class": Code(
        "alarm", "within an hour one class of actor took something away from more projects than the limit", _ASK
    ),
    "quarantines": Code("alarm", "within an hour more was put into quarantine than the limit", _ASK),
    "takedowns": Code("alarm", "within an hour more takedowns were said than the limit", _ASK),
    "digest-changed": Code(
        "alarm",
        "a file name or artifact identity has other bytes than before, which must never be",
        "install neither; keep the monitor's folder, it is the evidence",
    ),
    "promise-broken": Code(
        "alarm",
        'a name\'s state took back what was signed before (docs/FORMAT.md, "What may follow what")',
        "trust nothing of this name; keep the monitor's folder",
    ),
    "version-gap": Code(
        "alarm", "the releases in the log do not follow each other: a version is missing or comes twice", _ASK
    ),
    "late-event": Code("alarm", "an event came into the log long after its date, or before it", _ASK),
    "taken-over": Code(
        "alarm",
        "names go on from a page whose events are not in the log; right only after the registry said that it lost them",
        _ASK,
    ),
    "root-changed": Code(
        "alarm",
        "the key holders sealed a root with other keys, thresholds or another log than before",
        "compare it with what they announced; the chain of signatures was checked",
    ),
    "stale-release": Code(
        "alarm",
        "the newest release is too old, or its timestamp has expired",
        "look whether the registry works; if it does for others, somebody keeps its news from you",
    ),
    "stale-cosignatures": Code(
        "alarm",
        "as many witnesses as the quorum have not cosigned for too long",
        "ask the witnesses which checkpoint they have; compare with --vantage",
    ),
    "few-witnesses": Code("alarm", "fewer witnesses than the quorum cosigned the newest checkpoint", _ASK),
    "split-view": Code(
        "alarm",
        "elsewhere the log's key signed another tree: the log is not the same for everyone",
        "publish both checkpoints (the monitor's folder, `evidence/`); the log's key cannot be trusted any more",
    ),
    "root-renewed": Code("notice", "the key holders sealed a root that changes dates alone", "nothing"),
    "sealed": Code("notice", "the key holders sealed a file of targets, held names or bins", "nothing"),
    "policy": Code("notice", "the registry published a policy", "read it if you depend on what it allows"),
    "flag": Code("notice", "an admin set or cleared a flag that halts a kind of change", "read the act"),
    "passed-on": Code(
        "notice", "a name, a reservation or a namespace passed to somebody else", "decide whether you trust them"
    ),
    "new-generation": Code(
        "notice", "a name that somebody else had begins anew", "it has nothing to do with what the name was before"
    ),
    "restored": Code("notice", "what was removed came back, within what the policy allows", "nothing"),
    "newest-withdrawn": Code("notice", "the newest stable release of a project was taken away", "read the reason"),
    "yanks-held": Code(
        "notice", "yanks wait, because they would leave little to install", "the project's owners can cancel them"
    ),
    "vantage-away": Code("notice", "another vantage could not be looked at", "look again later"),
}
