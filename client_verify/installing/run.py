"""Running an installer so that everything it installs comes from the verified index, and telling what was refused.

Environment variables alone close no side door: an extra index in a project's own configuration still wins. So the
index is also the installer's proxy, and says no to whatever comes that way.
"""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Final

from packaging.requirements import InvalidRequirement, Requirement

from client_verify import verdict
from client_verify.answers import ProvenAbsent
from client_verify.installing.index import LOOPBACK, Index, serving
from client_verify.installing.report import Report
from client_verify.refusals import Refused, Usage
from client_verify.verifier import Verifier
from keys import names

DROPPED: Final = frozenset(
    {
        "PIP_EXTRA_INDEX_URL",
        "PIP_FIND_LINKS",
        "PIP_NO_INDEX",
        "PIP_PROXY",
        "PIP_TRUSTED_HOST",
        "UV_EXTRA_INDEX_URL",
        "UV_FIND_LINKS",
        "UV_INDEX",
        "UV_INDEX_URL",
        "UV_INSECURE_HOST",
    }
)
_PROXIES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_FORWARDED: Final = (signal.SIGINT, signal.SIGTERM)


def environment(base: Mapping[str, str], address: str, cache: str) -> dict[str, str]:
    """The installer's environment: one index, no other source, no cache that outlives a refusal, and the fence."""
    kept = {key: value for key, value in base.items() if key not in DROPPED}
    fence = {spelling: address for name in _PROXIES for spelling in (name, name.lower())}
    direct = f"{LOOPBACK},localhost"
    return {
        **kept,
        **fence,
        "NO_PROXY": direct,
        "no_proxy": direct,
        "PIP_INDEX_URL": f"{address}/simple/",
        "PIP_CONFIG_FILE": os.devnull,  # a file's extra-index-url would be asked as well
        "PIP_NO_CACHE_DIR": "1",  # a wheel that pip once built is installed after its sdist was revoked
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "UV_DEFAULT_INDEX": f"{address}/simple/",
        "UV_CACHE_DIR": cache,
        "GIT_ALLOW_PROTOCOL": "http:https",  # these meet the fence; ssh would go round it
    }


def installer(command: Sequence[str], verifier: Verifier, environ: Mapping[str, str]) -> tuple[int, Report]:
    """Run ``command`` behind the index of ``verifier``; its exit code, and what was refused meanwhile."""
    report = Report()
    index = Index(verifier, report)
    with TemporaryDirectory(prefix="tallystick-") as cache, serving(index) as address:
        child = _child(command, environment(environ, address, cache))
    if child != 0:
        for name, version in pinned(command):
            _explain_pin(verifier, report, name, version)
    return child, report


def pinned(command: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Names and versions that a command line pins exactly: ``flask==1.0``."""
    for argument in command:
        try:
            requirement = Requirement(argument)
            name = names.normalise(requirement.name)
        except (InvalidRequirement, names.InvalidName):
            continue
        match list(requirement.specifier):
            case [only] if only.operator in ("==", "===") and not only.version.endswith(".*"):
                yield name, only.version


def _explain_pin(verifier: Verifier, report: Report, name: str, version: str) -> None:
    # pip only says that no distribution matches; the signed state knows why.
    try:
        answer = verifier.ask(name)
        if isinstance(answer, ProvenAbsent):
            return
        given = verifier.of_version(name, version)
    except Refused:
        return  # the index has reported it when the installer asked
    match given:
        case verdict.Refuse(code, sentence) as refused if refused != verdict.of_name(answer.state):
            report.refuse(f"{name}=={version}", code, sentence)


def _child(command: Sequence[str], environ: Mapping[str, str]) -> int:
    try:
        child = subprocess.Popen(command, env=environ)
    except OSError as error:
        raise Usage(f"{command[0]} cannot be run: {error.strerror}. Nothing was installed.") from None
    with _forwarding_to(child):
        code = child.wait()
    return code if code >= 0 else 128 - code


@contextmanager
def _forwarding_to(child: subprocess.Popen[bytes]) -> Iterator[None]:
    """Signals are the child's to answer; we stay to say what was refused and to clean up."""
    before = {number: signal.signal(number, lambda received, _: child.send_signal(received)) for number in _FORWARDED}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
