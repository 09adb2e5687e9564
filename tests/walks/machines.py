"""Machines that look at a repository with python-tuf's client alone and with ours, and what each of the two says."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final

from tuf.api.exceptions import DownloadError, RepositoryError
from tuf.ngclient import Updater

from client_verify.answers import Found
from client_verify.refusals import Refused
from client_verify.session import Session
from client_verify.trust import Pin
from keys import names, trust
from keys.trust import RootOfTrust
from repo_service import failpoint
from tests.world import URL, Mirror, World, held_ceremony, held_key

READS: Final = ("reads", "reads")
_numbers: Final = count(1)


def fresh() -> str:
    """A machine that has never looked before."""
    return f"fresh-{next(_numbers)}"


def says(
    world: World, machine: str, *, name: str = "foo", trusting: bytes | None = None, mirror: Path | None = None
) -> tuple[str, str]:
    """What python-tuf's client and ours say on a machine that is asked for a page: ``reads``, ``absent``, or the
    exception's name and the refusal's code. A machine remembers by its name what it has seen; it trusts the world's
    first root and looks at its public folder, unless told otherwise.
    """
    return (
        _stock_says(stock(world, machine, trusting=trusting, mirror=mirror), name),
        _ours_says(world, machine, name, trusting, mirror),
    )


def everyone_reads(world: World, *machines: str) -> None:
    """These machines and one that begins now read foo, with both clients."""
    seen = {machine: says(world, machine) for machine in (*machines, fresh())}
    assert seen == dict.fromkeys(seen, READS)


def stock(world: World, machine: str, *, trusting: bytes | None = None, mirror: Path | None = None) -> Updater:
    """python-tuf's client on a machine, not refreshed yet."""
    folder = world.folder / f"{machine}-stock"
    folder.mkdir(exist_ok=True)
    return world.updater(
        str(folder), f"{URL}/metadata", target_base_url=f"{URL}/targets", target_dir=str(folder),
        fetcher=Mirror(mirror or world.public), bootstrap=trusting or world.trust.roots[0].data,
    )  # fmt: skip


def ours(world: World, machine: str, *, trusting: bytes | None = None, mirror: Path | None = None) -> Session:
    """Our client on a machine; raises what it refuses."""
    pin = Pin("test", URL, trusting or world.trust.roots[0].data)
    fetcher = Mirror(mirror or world.public)
    return Session(pin, world.folder / f"{machine}-ours", fetcher, lambda: world.now, make_updater=world.updater)


def root_of(world: World, machine: str, **where: Any) -> int:
    """The version of the root that python-tuf's client has come to on a machine."""
    client = stock(world, machine, **where)
    client.refresh()
    return client._trusted_set.root.version


def refusal(world: World, machine: str, **where: Any) -> Refused:
    """The refusal of our client on a machine, which must refuse."""
    try:
        ours(world, machine, **where).page("foo")
    except Refused as refused:
        return refused
    raise AssertionError(f"{machine} refuses nothing")


def _stock_says(client: Updater, name: str) -> str:
    try:
        client.refresh()
        return "absent" if client.get_targetinfo(names.page_path(name)) is None else "reads"
    except (RepositoryError, DownloadError) as error:
        return type(error).__name__


def _ours_says(world: World, machine: str, name: str, trusting: bytes | None, mirror: Path | None) -> str:
    try:
        answer = ours(world, machine, trusting=trusting, mirror=mirror).page(name)
    except Refused as refused:
        return refused.code
    return "reads" if isinstance(answer, Found) else "absent"


def ceremony(world: World, signers: Collection[int], after: RootOfTrust | None = None, **plan: Any) -> dict[str, bytes]:
    """The files of a ceremony after ``after`` (the world's newest root of trust) that these holders sign, whether or
    not they are enough.
    """
    drafted, _ = held_ceremony(world.now, after or world.trust, **plan)
    assert drafted.current is not None
    newest = {role: file for role, file in drafted.current.newest.items() if role != "root"}
    files = {file.name: file.data for file in drafted.current.roots}
    for each in drafted.candidates:
        newest.pop(each.role, None)
        by = [held_key(number) for number in signers if held_key(number).record.keyid in each.keyids()]
        files[f"{each.version}.{each.role}.json"] = each.file(key.sign(each.payload) for key in by)
    files |= {file.name: file.data for file in newest.values()}
    return files | {trust.page_file(path, data): data for path, data in drafted.pages.items()}


def hold(world: World, signers: Collection[int], **plan: Any) -> RootOfTrust:
    """A ceremony that these holders sign, taken in and published."""
    sealed = trust.read(ceremony(world, signers, **plan))
    world.take_in(sealed)
    return sealed


@contextmanager
def at(points: Collection[str], look: Callable[[], Any]) -> Iterator[list[Any]]:
    """What ``look`` gives each time that the service passes one of these points (repo_service/failpoint.py) inside the
    block."""
    seen: list[Any] = []

    def reached(name: str) -> None:
        if name in points:
            seen.append(look())

    failpoint.arm(reached)
    try:
        yield seen
    finally:
        failpoint.arm(None)


class Died(Exception):
    """The process ended here, as far as a test can end it."""


@contextmanager
def dying_at(point: str) -> Iterator[None]:
    """The first passing of a point is the end of whatever the block does."""

    def reached(name: str) -> None:
        if name == point:
            raise Died(point)

    failpoint.arm(reached)
    try:
        yield
    except Died:
        pass
    else:
        raise AssertionError(f"{point} was not passed")
    finally:
        failpoint.arm(None)
