"""What the transparency log says of one session: its release is in it, and witnesses have seen it; then of each bin.

What ``require`` refuses, ``warn`` says. Only what proves itself to everybody is refused by both: two signed files, or
two logs, that cannot both be true.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal, NoReturn

from tuf.api.exceptions import DownloadError

from client_verify.logged import checking
from client_verify.logged.checking import Contradicted
from client_verify.logged.files import Files
from client_verify.logged.growth import Growth
from client_verify.metadata.trusted import Trusted
from client_verify.refusals import KINDS, Refused
from client_verify.remembering import evidence, logs
from client_verify.remembering.memory import Memory
from client_verify.trust import Pin
from keys import layout
from keys.times import stamp
from keys.tlog import binsums
from keys.tlog import proofs as tlog
from keys.tlog.merkle import HASH_BYTES, NotProven
from keys.tlog.proofs import Logged, Policy

NEVER: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Proven:
    """Whose word counts, what is in the log, and the file that proves it."""

    policy: Policy
    found: Logged
    proof: bytes


class Log:
    """Made once for each set of verified metadata, while the directory's lock is held, and asked for each bin.

    ``now`` is the time of the session. ``doubts`` are sentences for a person, where only a warning was wanted.
    """

    def __init__(self, pin: Pin, trusted: Trusted, memory: Memory, files: Files, now: datetime) -> None:
        self._pin = pin
        self._trusted = trusted
        self._memory = memory
        self._files = files
        self._now = now
        self.doubts: list[str] = []
        self.vouched_at: datetime | None = None
        self._proven: _Proven | None = None
        if pin.log.mode != "off":
            with self._told():
                self._open()

    @property
    def floor(self) -> datetime:
        """It is not earlier than this: enough witnesses say so."""
        proven = self._proven
        return (proven and checking.seen_at(proven.found, proven.policy)) or NEVER

    @property
    def logged(self) -> Logged | None:
        """The release's leaf and the log's head, if they are proven."""
        return self._proven.found if self._proven else None

    @property
    def policy(self) -> Policy | None:
        """Whose word was believed, if the release is proven."""
        return self._proven.policy if self._proven else None

    def begin_row(self, role: str) -> None:
        """Let come what will be asked of a bin; nothing for what is none."""
        if self._proven and (path := logs.row_path(self._proven.found, role)) is not None:
            self._files.begin(path, self._row_bytes(self._proven.found))

    def check_bin(self, role: str) -> datetime | None:
        """That a bin which was read is the one that the log has; when a quorum of witnesses had seen that, if so.
        ``held`` and the roles above bins are in the snapshot by their hash.
        """
        vouched = None
        if self._proven is not None and role != layout.HELD:
            with self._told():
                self._check_bin(self._proven, role)
                vouched = self.vouched_at
        return vouched

    def _open(self) -> None:
        if (policy := self._policy()) is None:
            return
        proven = self._proven = self._prove(policy)
        head = proven.found.head
        growth = Growth(self._memory, policy, self._files, self._now)
        if (fork := growth.check(head)) is not None:
            before, after = {logs.CHECKPOINT: fork.kept}, {logs.CHECKPOINT: fork.new, **fork.tiles}
            self._accuse("log", policy.origin, fork.why, before, after)
        with self._told():
            self.vouched_at = self._vouched(proven)
        growth.keep(head)
        paths = map(binsums.row_path, proven.found.tops)
        self._files.retain([tlog.proof_path(self._trusted.timestamp.version), *paths])

    def _policy(self) -> Policy | None:
        root = self._trusted.root
        try:
            policy = self._pin.log.policy(root)
        except ValueError as error:
            said = f"root version {root.version} and this pin do not name a log that can be believed: {error}"
            raise Refused("not-logged", f'repository "{self._pin.name}": {said}') from None
        if policy is None and self._pin.log.mode == "require":
            said = f"root version {root.version} names no log, and this machine requires one"
            raise Refused("not-logged", f'repository "{self._pin.name}": {said}')
        return policy

    def _prove(self, policy: Policy) -> _Proven:
        version = self._trusted.timestamp.version
        seen: list[bytes] = []

        def check(data: bytes) -> Logged:
            seen[:] = [data]
            return checking.logged(data, policy, self._trusted)

        try:
            found = self._files.proven(tlog.proof_path(version), tlog.MAX_PROOF, check)
            return _Proven(policy, found, seen[0])
        except Contradicted as error:
            self._accuse("logged", error.role, str(error), {logs.PROOF: seen[0]}, self._files_of(error.role))
        except (DownloadError, NotProven) as error:
            raise Refused(
                "not-logged",
                f'nothing proves that timestamp version {version} of repository "{self._pin.name}" is in the log '
                f"{policy.origin}: {error}",
            ) from error

    def _vouched(self, proven: _Proven) -> datetime | None:
        """When a quorum had seen the head; None where none is asked for."""
        policy, found = proven.policy, proven.found
        try:
            tlog.check_quorum(found.head, policy)
        except NotProven as error:
            raise Refused("log-unwitnessed", f"the log {policy.origin}: {error}") from None
        if not policy.quorum or (at := checking.seen_at(found, policy)) is None:
            return None
        if self._now - at > checking.stale_after(found):
            said = f"enough witnesses saw the log {policy.origin} last at {stamp(at)}, and it is {stamp(self._now)}"
            raise Refused("log-unwitnessed", said)
        return at

    def _check_bin(self, proven: _Proven, role: str) -> None:
        path = logs.row_path(proven.found, role)
        seen: list[bytes] = []

        def check(data: bytes) -> None:
            seen[:] = [data]
            checking.check_bin(proven.found, role, self._trusted.payload(role), data)

        try:
            if path is None:
                raise NotProven(f"the log has no {role} in this snapshot")
            self._files.proven(path, self._row_bytes(proven.found), check)
        except Contradicted as error:
            files = self._trusted.proof(role) | self._files_of(layout.SNAPSHOT)
            self._trusted.drop(role)
            self._accuse("logged", role, str(error), {logs.PROOF: proven.proof, logs.ROW: seen[0]}, files)
        except (DownloadError, NotProven) as error:
            said = f'{role} of repository "{self._pin.name}" is not proven to be as it was logged: {error}'
            raise Refused("not-logged", said) from error

    def _accuse(
        self, kind: Literal["log", "logged"], subject: str, why: str,
        before: Mapping[str, bytes], after: Mapping[str, bytes],
    ) -> NoReturn:  # fmt: skip
        found = evidence.of_files(self._pin, self._trusted.roots, kind, subject, why, stamp(self._now), before, after)
        self._memory.keep_evidence(found)
        raise Refused("contradiction", f'repository "{self._pin.name}": {why}')

    def _files_of(self, role: str) -> dict[str, bytes]:
        return {role: self._trusted.files[role]}

    @staticmethod
    def _row_bytes(found: Logged) -> int:
        return binsums.row_width(found.shape) * HASH_BYTES

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What is refused where the log is required, and in any case what proves itself, is a doubt elsewhere."""
        try:
            yield
        except Refused as refused:
            if self._pin.log.mode == "require" or refused.code == "contradiction":
                raise
            self.doubts.append(f"{KINDS[refused.code].title}: {refused.detail} (tallystick explain {refused.code})")
