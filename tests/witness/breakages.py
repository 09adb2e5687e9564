"""Every check of both sides of witnessing, taken out, with the test that turns red (tests/breaking.py)."""

from keys.tlog import contradictions, notes
from repo_service.publishing import witnessing
from repo_service.publishing.witnessing import Witnesses
from repo_service.witness import deciding, keyring, store
from repo_service.witness.store import Store
from tests.breaking import Breakage, breakage
from tests.witness import test_asking, test_evidence, test_memory, test_policy, test_statuses
from tests.witness.grounds import NumberedLog
from tests.witness.test_evidence import FORK, LOG

_REFUSED = test_statuses.test_what_is_refused_is_refused_by_its_status_and_changes_nothing
_USED = test_asking.test_whatever_else_a_witness_says_is_not_used_and_counted
_FITS = test_evidence.test_what_contradicts_nothing_is_told_so
_READ = test_policy.test_what_cannot_be_kept_is_refused_with_its_line
_CLOCK = test_statuses.test_a_clock_that_went_back_signs_nothing_dated_before_what_it_signed
_POLICY = witnessing._Policy
_TWO_SIZES = contradictions.Contradiction((LOG.key,), LOG.note(5), FORK.note(6))
_TWO_KEYS = contradictions.Contradiction((LOG.key,), LOG.note(5), NumberedLog(number=2, branch=3).note(5))
_SIGNED_BY_OTHERS = [case for case, (_, fault) in test_asking.OTHERS.items() if fault == "signature"]
_A_TWICE = f"witness d {test_policy.A} https://d.example\nquorum d\n"
_A_LOG = f"witness d {LOG.key} https://a.example\nquorum a\n"


def policy(what: str, name: str, before: str, text: str, why: str) -> Breakage:
    return breakage(what, _POLICY, name, before, "False", _READ, text=f"{test_policy.LINES}{text}", why=why)


BREAKAGES = (
    # the witness
    breakage(
        "nobody need have signed",
        deciding,
        "_signed_by",
        "not found:",
        "False:",
        _REFUSED,
        case="signed by nobody we know",
    ),
    breakage(
        "a bad signature may stand beside a good one",
        notes,
        "verified",
        "found = signature",
        "return signature",
        _REFUSED,
        case="a good signature and a bad one",
    ),
    breakage(
        "the old size may be larger",
        deciding,
        "decide",
        "asked.old > head.size",
        "False",
        _REFUSED,
        case="an old size above the checkpoint's",
    ),
    breakage(
        "the old size may be any",
        deciding,
        "decide",
        "asked.old != before.size",
        "False",
        _REFUSED,
        case="an old size that is not the last",
    ),
    breakage(
        "no proof is looked at",
        deciding,
        "decide",
        "merkle.check_consistency(before.size, head.size, asked.proof, before.root, head.root)",
        "pass",
        _REFUSED,
        case="another root of the same size",
    ),
    breakage("a proof may be longer", deciding, "read", "len(proof) > MAX_PROOF", "False", _REFUSED, case="64 hashes"),
    breakage(
        "a hash may be shorter", deciding, "_hash", "!= HASH_BYTES", "is None", _REFUSED, case="a hash of 31 bytes"
    ),
    breakage(
        "an empty tree may have a root",
        notes,
        "read_checkpoint",
        "hash_ != EMPTY",
        "False",
        _REFUSED,
        case="an empty tree with a root",
    ),
    breakage("the clock may go back", deciding, "_time", "now < last - ASTRAY_S", "False", _CLOCK),
    breakage("a later head may be dated earlier", deciding, "_time", "max(now, last)", "now", _CLOCK),
    breakage(
        "any memory will do",
        Store,
        "check_own",
        "str(key) not in own",
        "False",
        test_memory.test_a_database_of_another_witness_is_not_signed_by,
    ),
    breakage(
        "a database may be older",
        Store,
        "_check_mark",
        "known.size < marked.size",
        "False",
        test_memory.test_a_database_that_was_restored_is_never_signed_by_again,
    ),
    breakage(
        "a database may have gone another way",
        Store,
        "_check_mark",
        "known.root != marked.root",
        "False",
        test_memory.test_a_database_that_took_another_way_is_never_signed_by_again,
    ),
    breakage(
        "a memory may be missing",
        Store,
        "__init__",
        "not file.exists()",
        "False",
        test_memory.test_a_memory_that_is_missing_is_not_made_anew,
    ),
    breakage(
        "two may sign",
        store,
        "locked",
        "fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        "pass",
        test_memory.test_two_cannot_hold_one_folder,
    ),
    breakage(
        "what is not durable may be seen",
        Store,
        "by_hash",
        "with self._turn:",
        "if True:",
        test_memory.test_a_monitor_sees_nothing_that_is_not_durable_yet,
    ),
    breakage(
        "a transaction may be shared",
        Store,
        "_transaction",
        "with self._turn:",
        "if True:",
        test_memory.test_whoever_comes_between_comparing_and_writing_waits,
    ),
    breakage(
        "evidence may fill the disk",
        Store,
        "keep",
        "< MOST_EVIDENCE",
        "is not None",
        test_evidence.test_evidence_does_not_fill_the_disk,
    ),
    breakage(
        "what others added is kept",
        deciding,
        "_signed_by",
        "signatures=tuple(found)",
        "signatures=note.signatures",
        test_evidence.test_lines_that_others_added_are_not_kept_as_more_evidence,
    ),
    breakage(
        "a key may be anybody's to read",
        keyring,
        "_check_private",
        "found.st_mode & (stat.S_IRWXG | stat.S_IRWXO)",
        "False",
        test_memory.test_a_key_that_others_can_read_is_not_signed_with,
    ),
    breakage(
        "a key may have another's line",
        keyring,
        "_read",
        "held.key != key",
        "False",
        test_memory.test_a_key_under_another_name_or_line_is_not_signed_with,
    ),
    # evidence
    breakage("anything is a fork", contradictions, "check", "not said.is_fork", "False", _FITS, said=_TWO_SIZES),
    breakage(
        "anybody may have signed",
        contradictions,
        "check",
        "notes.read_checkpoint(note.text).origin not in",
        "None in",
        _FITS,
        said=_TWO_KEYS,
    ),
    # asking
    *(
        breakage(
            f"{case} will do",
            witnessing,
            "_cosignature",
            "notes.cosigned_at(Note(text, (signature,)), [key])",
            "{key: 1_800_000_000}",
            _USED,
            case=case,
        )
        for case in _SIGNED_BY_OTHERS
    ),
    breakage(
        "a witness may live in another year",
        Witnesses,
        "_cosigned",
        "> ASTRAY_S",
        "is None",
        _USED,
        case="a time to come",
    ),
    breakage(
        "a witness may be ahead",
        witnessing,
        "_known_size",
        "size > ours",
        "False",
        _USED,
        case="that it has more than we",
    ),
    breakage(
        "a witness may forget",
        Witnesses,
        "_heard",
        "line.cosigned > size",
        "False",
        test_asking.test_a_witness_that_forgot_what_it_cosigned_is_told_of_once,
    ),
    breakage(
        "a witness may say one size after the other",
        Witnesses,
        "_heard",
        "line.tries < _TRIES",
        "True",
        _USED,
        case="another size each time",
    ),
    breakage(
        "what is late may be for another checkpoint",
        Witnesses,
        "_cosigned",
        "answer.text == self._text",
        "True",
        test_asking.test_what_comes_late_for_an_older_checkpoint_is_not_used,
    ),
    breakage(
        "who is away is asked each time",
        Witnesses,
        "_begin",
        "monotonic() < line.rests_until",
        "False",
        test_asking.test_who_is_away_costs_nothing_and_is_left_alone,
    ),
    breakage(
        "who is slow is waited for",
        Witnesses,
        "ask",
        "monotonic() + self._deadline_s",
        "monotonic() + 60",
        test_asking.test_who_is_slow_is_not_waited_for_and_what_it_says_later_counts,
    ),
    breakage(
        "a witness may send us elsewhere",
        Witnesses,
        "_exchange",
        "redirect=False",
        "redirect=True, retries=3",
        _USED,
        case="that somebody else knows",
    ),
    # policies
    policy(
        "a witness may count twice",
        "_witness",
        "key.public in {each.key.public for each in self.witnesses.values()}",
        _A_TWICE,
        "stands in two lines",
    ),
    policy(
        "a log may be a witness", "_witness", "key.kind == notes.ED25519", _A_LOG, "is a log's, not one that cosigns"
    ),
    policy(
        "a member may be one twice",
        "_group",
        "member in self.members",
        "group x 1 a a\nquorum x\n",
        "a is a member twice",
    ),
    policy(
        "groups may be within groups",
        "_group",
        "member in self.groups",
        "group x 1 a\ngroup y all x b\nquorum y\n",
        "groups within",
    ),
    policy("there may be two quorums", "_quorum", "self.quorum is not None", "quorum a\nquorum b\n", "a second quorum"),
    policy(
        "a name may be taken twice",
        "_fresh",
        'name == "none" or name in self.witnesses or name in self.groups',
        "group a 1 b\nquorum a\n",
        "the name a is taken",
    ),
    breakage(
        "a quorum may never be met",
        witnessing,
        "_least",
        "1 <= least <= members",
        "True",
        _READ,
        text=f"{test_policy.LINES}group x 3 a b\nquorum x\n",
        why="3 of 2 cannot be met",
    ),
)
