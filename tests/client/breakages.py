"""Ways in which python-tuf or the client could be weak, each made in this process by changing one condition.

A breakage names a function, a piece of its source and what stands there instead. The function is compiled again with
that change for the length of a ``with`` block. Where upstream writes a check otherwise, the piece is not found, and the
table has to be looked at again: nothing here passes by being out of date.
"""

import __future__

import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from textwrap import dedent
from types import CodeType
from typing import Any

from tuf.api import _payload
from tuf.api.metadata import Metadata
from tuf.api.serialization import json as tuf_json
from tuf.ngclient import Updater, fetcher
from tuf.ngclient._internal import trusted_metadata_set as tuf_set

from client_verify import session
from client_verify.fetching import blobs, transport
from client_verify.metadata import reading, trusted
from client_verify.remembering import equivocation
from keys import counting, page, rules, strict
from tests.client import test_attacks, test_corruption, test_delegated, test_limits, test_session

Test = Callable[..., None]


@dataclass(frozen=True)
class Weak:
    """In the function ``owner.name``, ``before`` reads ``after``."""

    owner: Any
    name: str
    before: str
    after: str


@dataclass(frozen=True)
class Breakage:
    """What is no longer asked, and the test that turns red, with arguments. Where two checks stand behind each other,
    both are weak, for either is enough.
    """

    what: str
    weak: tuple[Weak, ...]
    test: Test
    arguments: dict[str, Any]


def breakage(what: str, owner: Any, name: str, before: str, after: str, test: Test, **arguments: Any) -> Breakage:
    return Breakage(what, (Weak(owner, name, before, after),), test, arguments)


SET = tuf_set.TrustedMetadataSet
_UNDATED = Weak(session.Session, "_check_date", "file.is_expired(self.now)", "False")
_UNCOUNTED = Weak(counting, "_verifies", "records.verifies(key, signature.signature, payload)", "True")
BREAKAGES = (
    # python-tuf: dates
    breakage(
        "an expired root is taken",
        SET,
        "update_timestamp",
        "self.root.is_expired(self.reference_time)",
        "False",
        test_delegated.test_an_expired_role_is_refused,
        kind="root",
    ),
    breakage(
        "an expired timestamp is taken",
        SET,
        "_check_final_timestamp",
        "self.timestamp.is_expired(self.reference_time)",
        "False",
        test_delegated.test_an_expired_role_is_refused,
        kind="timestamp",
    ),
    breakage(
        "an expired snapshot is taken",
        SET,
        "_check_final_snapshot",
        "self.snapshot.is_expired(self.reference_time)",
        "False",
        test_delegated.test_an_expired_role_is_refused,
        kind="snapshot",
    ),
    Breakage(
        "an expired bin is taken",
        (
            Weak(SET, "update_delegated_targets", "new_delegate.is_expired(self.reference_time)", "False"),
            _UNDATED,
        ),
        test_delegated.test_an_expired_role_is_refused,
        {"kind": "bin"},
    ),
    # python-tuf: versions
    Breakage(
        "an older timestamp is taken",
        (
            Weak(SET, "update_timestamp", "new_timestamp.version < self.timestamp.version", "False"),
            Weak(equivocation, "of_timestamps", "versions[1] < versions[0]", "False"),
        ),
        test_delegated.test_an_older_timestamp_of_the_same_snapshot_is_a_rollback,
        {},
    ),
    breakage(
        "a timestamp may list an older snapshot",
        SET,
        "update_timestamp",
        "new_snapshot_meta.version < snapshot_meta.version",
        "False",
        test_attacks.test_a_timestamp_that_lists_an_older_snapshot_is_a_rollback,
    ),
    breakage(
        "a snapshot may list an older bin",
        SET,
        "update_snapshot",
        "new_fileinfo.version < fileinfo.version",
        "False",
        test_attacks.test_a_snapshot_that_lists_an_older_bin_is_a_rollback,
    ),
    breakage(
        "a snapshot may list older held names",
        SET,
        "update_snapshot",
        "new_fileinfo.version < fileinfo.version",
        "False",
        test_delegated.test_a_delegated_role_never_goes_back_to_an_earlier_version,
        kind="held",
    ),
    breakage(
        "a snapshot may leave a role out",
        SET,
        "update_snapshot",
        "new_fileinfo is None",
        "False",
        test_delegated.test_a_delegated_role_never_disappears_from_the_snapshot,
        kind="bins",
    ),
    breakage(
        "a bin of any version is taken",
        SET,
        "update_delegated_targets",
        "version != meta.version",
        "False",
        test_attacks.test_an_earlier_file_of_the_same_bin_is_swapped,
    ),
    # python-tuf: who signed
    breakage(
        "thresholds are met by nobody",
        _payload.VerificationResult,
        "verified",
        "len(self.signed) >= self.threshold",
        "True",
        test_delegated.test_one_signature_does_not_meet_a_threshold_of_two,
        kind="bins",
    ),
    Breakage(
        "a wrong signature counts",
        (
            Weak(_payload._DelegatorMixin, "get_verification_result", "key.verify_signature(sig, payload)", "pass"),
            _UNCOUNTED,
        ),
        test_attacks.test_metadata_with_one_byte_changed_is_not_valid,
        {"role": "timestamp"},
    ),
    Breakage(
        "a threshold may be zero",
        (
            Weak(_payload.Role, "__init__", "threshold < 1", "False"),
            Weak(counting.Count, "met", "0 < self.threshold <= self.distinct", "True"),
            Weak(rules, "_reachable", "not 1 <= role.threshold <= len(different)", "False"),
        ),
        test_delegated.test_a_threshold_that_asks_for_no_signature_is_refused,
        {"kind": "bins", "threshold": 0},
    ),
    breakage(
        "a key id may be listed twice",
        _payload.Role,
        "__init__",
        "len(set(keyids)) != len(keyids)",
        "False",
        test_delegated.test_a_key_id_that_is_listed_twice_is_refused,
        kind="bins",
    ),
    breakage(
        "a key id may sign twice",
        Metadata,
        "from_dict",
        "sig.keyid in signatures",
        "False",
        test_delegated.test_two_signatures_of_one_key_id_are_refused,
        kind="bin",
    ),
    # python-tuf: what is read
    breakage(
        "a file of another type is taken",
        tuf_set,
        "_load_from_metadata",
        "md.signed.type != role.type",
        "False",
        test_delegated.test_a_delegated_role_of_another_type_is_refused,
        kind="held",
    ),
    breakage(
        "the length in a snapshot is nothing",
        _payload.BaseFile,
        "_verify_length",
        "observed_length != expected_length",
        "False",
        test_delegated.test_the_length_and_hash_that_a_snapshot_gives_of_a_delegated_role_are_heeded,
        kind="held",
        wrong={"length": 70_000},
    ),
    breakage(
        "the hash in a snapshot is nothing",
        _payload.BaseFile,
        "_verify_hashes",
        "observed_hash != exp_hash",
        "False",
        test_delegated.test_the_length_and_hash_that_a_snapshot_gives_of_a_delegated_role_are_heeded,
        kind="bins",
        wrong={"hashes": {"sha256": "0" * 64}},
    ),
    breakage(
        "a page of any bytes is taken",
        _payload.BaseFile,
        "_verify_hashes",
        "observed_hash != exp_hash",
        "False",
        test_attacks.test_a_changed_page_is_a_mismatch,
    ),
    breakage(
        "floats are numbers",
        tuf_json.CanonicalJSONSerializer,
        "serialize",
        "encode_canonical(signed_dict)",
        "json.dumps(signed_dict, sort_keys=True, separators=(',', ':')) "
        "if signed_obj.type == 'timestamp' else encode_canonical(signed_dict)",
        test_limits.test_there_are_no_floats_in_metadata_whoever_signs_it,
        role="timestamp",
        odd=1.5,
    ),
    # python-tuf: limits
    breakage(
        "a file may be of any length",
        fetcher.FetcherInterface,
        "download_file",
        "number_of_bytes_received > max_length",
        "number_of_bytes_received > 9_000_000",
        test_limits.test_metadata_without_end_is_cut_off,
        role="timestamp",
    ),
    breakage(
        "a page may be of any length",
        fetcher.FetcherInterface,
        "download_file",
        "number_of_bytes_received > max_length",
        "number_of_bytes_received > 9_000_000",
        test_limits.test_a_page_without_end_is_cut_off_at_its_signed_length,
    ),
    breakage(
        "roots are followed for ever",
        Updater,
        "_load_root",
        "lower_bound + self.config.max_root_rotations",
        "1_000",
        test_limits.test_roots_without_end_are_followed_only_so_far,
    ),
    breakage(
        "every signature in a file is verified",
        _payload._DelegatorMixin,
        "get_verification_result",
        "in role.keyids:",
        "in (*role.keyids, *role.keyids[:1] * len(signatures)):",
        test_limits.test_thousands_of_invalid_signatures_cost_no_more_than_one,
    ),
    # python-tuf: what is kept, and under which name
    breakage(
        "a file is kept before it is verified",
        Updater,
        "_download_metadata",
        "return self._fetcher.download_bytes(url, length)",
        "data = self._fetcher.download_bytes(url, length); "
        "rolename == 'root' or self._persist_metadata(rolename, data); return data",
        test_delegated.test_what_is_refused_is_not_kept,
        role="held",
    ),
    breakage(
        "a kept file is not verified again",
        Updater,
        "_load_targets",
        "data = self._load_local_metadata(role)",
        "data = self._load_local_metadata(role); signed = Targets.from_dict(__import__('json').loads(data)['signed']); "
        "self._trusted_set._add(role, signed, parent_role); return signed",
        test_corruption.test_a_kept_file_that_is_damaged_is_healed_or_refused_and_nothing_else_is_written,
        damage=test_corruption._flip,
        file="held.json",
    ),
    breakage(
        "the root in the cache is the anchor",
        Updater,
        "__init__",
        "if bootstrap is None:",
        "if Path(metadata_dir, 'root.json').exists():",
        test_session.test_the_pinned_root_stays_the_anchor_and_not_the_one_in_the_directory,
    ),
    breakage(
        "the name of a role is a path",
        Updater,
        "_persist_metadata",
        'parse.quote(rolename, "")',
        "rolename",
        test_delegated.test_bins_by_another_name_are_refused_and_nothing_is_written_elsewhere,
        prefix="../../bin",
    ),
    breakage(
        "a walk may be cut off and say that there is nothing",
        session.Session,
        "_listed",
        "delegate.targets.get(path) != target",
        "False",
        test_attacks.test_a_walk_that_is_cut_off_before_a_file_that_lists_the_name_is_not_absence,
    ),
    # ours
    breakage(
        "two ids of a key are two keys",
        counting,
        "count",
        "records.fingerprint(keys[keyid])",
        "keyid",
        test_attacks.test_one_key_under_two_ids_does_not_meet_a_threshold_of_two,
        role="timestamp",
    ),
    breakage(
        "a delegation may list a key twice",
        rules,
        "_distinct",
        "twice := counting.same_key_twice(readable)",
        "twice := None",
        test_attacks.test_a_delegation_that_lists_one_key_twice_is_not_valid,
        role="bins",
    ),
    breakage(
        "a bin need not say which it is",
        trusted,
        "_check_name",
        "named != role",
        "False",
        test_attacks.test_a_bin_must_say_that_it_is_this_bin,
        named="bin-f",
    ),
    breakage(
        "a bin's version may end in any number",
        trusted,
        "_check_bin",
        "!= layout.bin_number(role)",
        "is None",
        test_attacks.test_a_bin_s_version_must_end_in_its_number,
    ),
    breakage(
        "a swapped file stays",
        trusted.Trusted,
        "_or_dropped",
        "self.drop(role)",
        "pass",
        test_delegated.test_a_file_that_the_holders_signed_for_another_role_is_swapped_and_does_not_stay,
        asked="targets",
        served="held",
    ),
    breakage(
        "an absent file is no reason to doubt",
        trusted.Trusted,
        "_read_delegate",
        "listed is None or delegate.version != listed.version",
        "False",
        test_attacks.test_a_walk_that_is_cut_off_beside_an_old_file_of_the_bin_is_not_absence,
    ),
    breakage(
        "delegations may be others than ours",
        trusted,
        "_require",
        "if problems:",
        "if False:",
        test_delegated.test_delegations_that_none_of_ours_has_are_refused_before_anything_of_them_is_asked_for,
    ),
    Breakage(
        "a session outlives its dates",
        (_UNDATED,),
        test_attacks.test_a_session_that_outlives_its_timestamp_answers_no_more,
        {},
    ),
    breakage(
        "a page may be another name's",
        session,
        "_parsed",
        "found.name != name",
        "False",
        test_attacks.test_a_page_of_another_name_is_not_this_name_s,
    ),
    breakage(
        "a page may list what its state does not say",
        page,
        "parse",
        "render(state) != data",
        "False",
        test_attacks.test_a_page_that_lists_what_its_state_does_not_say_is_not_valid,
    ),
    breakage(
        "a held page may list files",
        session,
        "_held",
        "next(state.installable(held), None) is not None",
        "False",
        test_attacks.test_a_held_page_that_lists_files_is_not_valid,
    ),
    breakage(
        "a cached file is not verified again",
        blobs,
        "_verified",
        'hashlib.file_digest(file, "sha256").hexdigest() != sha256',
        "False",
        test_corruption.test_a_cached_file_that_is_damaged_is_fetched_again_or_refused,
        damage=test_corruption._overwrite,
    ),
    Breakage(
        "what is read fast is not signed",
        (
            Weak(
                reading,
                "_loader",
                "delegator.verify_delegate(role_name or role.type, file.payload, file.metadata.signatures)",
                "pass",
            ),
            _UNCOUNTED,
        ),
        test_attacks.test_metadata_with_one_byte_changed_is_not_valid,
        {"role": "targets"},
    ),
    breakage(
        "JSON may nest without end",
        strict,
        "parse",
        "except RecursionError:",
        "except ZeroDivisionError:",
        test_limits.test_strict_json_is_bounded_in_depth_size_of_numbers_and_kind,
    ),
    breakage(
        "gzip may be of any length",
        transport.Fetcher,
        "download_bytes",
        'return b"".join(_at_most(max_length, chunks))',
        'return b"".join(chunks)',
        test_limits.test_a_compressed_bomb_is_cut_off,
        path="metadata/timestamp.json",
    ),
)


@contextmanager
def broken(each: Breakage) -> Iterator[None]:
    """The functions as the breakage has them, for the length of the block, for whoever holds them already."""
    with ExitStack() as restored:
        for weak in each.weak:
            function = _function(weak)
            restored.callback(setattr, function, "__code__", function.__code__)
            function.__code__ = _compiled(weak, function)
        yield


def _function(weak: Weak) -> Any:
    found = inspect.getattr_static(weak.owner, weak.name)
    return inspect.unwrap(getattr(found, "__func__", None) or getattr(found, "fget", None) or found)


def _compiled(weak: Weak, function: Any) -> CodeType:
    source = dedent(inspect.getsource(function))
    pieces = source.count(weak.before)
    assert pieces == 1, f"{weak.before!r} stands {pieces} times in {weak.name}; look at the table again"
    changed = source.replace(weak.before, weak.after)
    compiled = compile(changed, f"<{weak.name}>", "exec", __future__.annotations.compiler_flag, dont_inherit=True)
    return next(each for each in compiled.co_consts if isinstance(each, CodeType) and each.co_name == weak.name)
