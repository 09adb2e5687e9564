"""The client as the public TUF conformance suite drives it: the ``tallystick-conformance`` command.

    tallystick-conformance --metadata-dir DIR init ROOT
    tallystick-conformance --metadata-dir DIR --metadata-url URL refresh
    tallystick-conformance --metadata-dir DIR --metadata-url URL --target-dir DIR --target-base-url URL
        --target-name PATH [--target-name PATH ...] download

The suite's repositories are not of our layout (keys/layout.py), so this is the client as far as any repository allows:
our transport and reader, one process at a time, python-tuf's Updater from the pinned root's bytes on, and different
keys counted.
There are no bins, pages or memory. The metadata directory holds exactly the trusted files; the pinned root and the lock
lie beside it, in ``DIR.pin``. The exit code is 0 or 1. docs/CLIENT.md says how to run the suite.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.parse import quote, unquote

from securesystemslib.signer import Key
from tuf.api.exceptions import DownloadError, RepositoryError
from tuf.api.metadata import Metadata, Root, Targets
from tuf.ngclient import Updater

from client_verify.directory import alone
from client_verify.fetching.transport import Fetcher
from client_verify.metadata import reading
from keys import records

_PINNED: Final = "root.json"


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; 0 if all of it was done, 1 otherwise."""
    try:
        arguments = _parser().parse_args(argv)
        arguments.answer(arguments)
    except SystemExit as stopped:
        return min(int(stopped.code or 0), 1)  # argparse's own code for a wrong command is 2
    except (RepositoryError, DownloadError, OSError, ValueError) as error:
        print(f"tallystick-conformance: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tallystick-conformance", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--metadata-dir", type=Path, required=True)
    parser.add_argument("--metadata-url", default="")
    parser.add_argument("--target-dir", type=Path)
    parser.add_argument("--target-base-url", default="")
    parser.add_argument("--target-name", action="append", default=[])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    init = commands.add_parser("init", help="trust this root")
    init.add_argument("root", type=Path)
    init.set_defaults(answer=_init)
    commands.add_parser("refresh", help="verify the newest metadata").set_defaults(answer=_refresh)
    commands.add_parser("download", help="verify and keep targets").set_defaults(answer=_download)
    return parser


def _init(arguments: argparse.Namespace) -> None:
    pinned, own = arguments.root.read_bytes(), _own(arguments)
    for directory in (arguments.metadata_dir, own):
        directory.mkdir(parents=True, exist_ok=True)
    with alone(own):
        _updater(arguments, pinned)  # which verifies it, and puts it where python-tuf keeps roots
        (own / _PINNED).write_bytes(pinned)


def _refresh(arguments: argparse.Namespace) -> None:
    with alone(_own(arguments)):
        _refreshed(arguments)


def _download(arguments: argparse.Namespace) -> None:
    if arguments.target_dir is None:
        raise ValueError("--target-dir is missing")
    arguments.target_dir.mkdir(parents=True, exist_ok=True)
    with alone(_own(arguments)):
        updater = _refreshed(arguments)
        for path in arguments.target_name:
            _keep(updater, path, arguments)


def _refreshed(arguments: argparse.Namespace) -> Updater:
    updater = _updater(arguments, (_own(arguments) / _PINNED).read_bytes())
    updater.refresh()
    _check_counts(arguments.metadata_dir)
    return updater


def _keep(updater: Updater, path: str, arguments: argparse.Namespace) -> None:
    """One target, verified before it gets its name; nothing is asked for if it is here already."""
    target = updater.get_targetinfo(path)
    _check_counts(arguments.metadata_dir)
    if target is None:
        raise ValueError(f"{path}: the repository lists no such target")
    kept = arguments.target_dir / quote(path, "")
    if updater.find_cached_target(target, str(kept)) is None:
        with TemporaryDirectory(dir=arguments.target_dir) as private:
            Path(updater.download_target(target, str(Path(private, "file")))).replace(kept)


def _updater(arguments: argparse.Namespace, pinned: bytes) -> Updater:
    directory, base = str(arguments.metadata_dir), arguments.target_base_url
    updater = Updater(directory, arguments.metadata_url, target_base_url=base, fetcher=Fetcher(), bootstrap=pinned)
    reading.hasten(updater, reading.remembering())
    return updater


def _own(arguments: argparse.Namespace) -> Path:
    """Where our own files lie, so that the metadata directory holds none of them."""
    given: Path = arguments.metadata_dir
    return given.with_name(f"{given.name}.pin")


def _check_counts(directory: Path) -> None:
    """ValueError where python-tuf took one key under two ids for two."""
    files = {unquote(path.name.removesuffix(".json")): path.read_bytes() for path in directory.glob("*.json")}
    for role, data in files.items():
        metadata: Metadata[Any] = Metadata.from_bytes(data)
        for delegator in _delegators(files):
            try:
                result = delegator.get_verification_result(role, metadata.signed_bytes, metadata.signatures)
            except ValueError:
                continue  # this one does not speak of that role
            different = len(set(map(_public, result.signed.values())))
            if result.verified and different < result.threshold:
                raise ValueError(f"{role} is signed by {different} different keys; {result.threshold} are needed")


def _delegators(files: dict[str, bytes]) -> Iterator[Root | Targets]:
    for data in files.values():
        signed = Metadata[Any].from_bytes(data).signed
        if isinstance(signed, Root | Targets):
            yield signed


def _public(key: Key) -> str:
    try:
        return records.fingerprint(key)
    except records.UnacceptableKey:
        return str(key.keyval["public"])  # a kind that we take from nobody; the suite's repositories use some


if __name__ == "__main__":
    sys.exit(main())
