"""Another index's JSON API (PEP 691, 700, 792): the list of its projects, then each project. Files stay where they are.

Polite: a few requests at a time, and again later where the index says so (Retry-After).
"""

import json
import re
import unicodedata
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import groupby
from typing import Any, Final
from urllib.parse import urldefrag, urljoin

import urllib3
from urllib3.util.retry import Retry

from keys import names, strict
from keys.encoding import sha256
from keys.state import MAX_TEXT, Reason
from repo_service.domain import requests as r
from repo_service.domain.artifacts import BadArtifact
from repo_service.domain.bringing import Brought, BroughtRelease
from repo_service.domain.requests import Advice, Said
from repo_service.domain.versions import VersionRule
from repo_service.importing.entries import MAX_LINE, Entry, Problem

ACCEPT: Final = "application/vnd.pypi.simple.v1+json"
PARALLEL: Final = 4
_FRACTION: Final = re.compile(r"\.\d+Z$", re.ASCII)
_RETRIES: Final = Retry(
    total=5, backoff_factor=0.5, backoff_max=60, status_forcelist=(429, 500, 502, 503, 504), retry_after_max=600
)


class NoIndex(Exception):
    """The address does not answer as an index's JSON API does. Nothing more was read from it."""


def projects(url: str, only: Collection[str], rule: VersionRule) -> Iterator[Entry | Problem]:
    """Every project of the index at ``url`` (its ``simple/`` address), or those named. Raises NoIndex."""
    base = url if url.endswith("/") else f"{url}/"
    pool = urllib3.PoolManager(maxsize=PARALLEL, retries=_RETRIES, timeout=urllib3.Timeout(connect=10, read=60))
    wanted = sorted(map(names.normalise, only)) if only else _listed(pool, base)
    with ThreadPoolExecutor(PARALLEL) as threads:
        ahead: deque[Future[list[Entry | Problem]]] = deque()
        for name in wanted:
            ahead.append(threads.submit(_project, pool, f"{base}{name}/", name, rule))
            if len(ahead) > 2 * PARALLEL:
                yield from ahead.popleft().result()
        while ahead:
            yield from ahead.popleft().result()


def _listed(pool: urllib3.PoolManager, base: str) -> list[str]:
    found = _fetched(pool, base)
    try:
        listed = sorted({names.normalise(each["name"]) for each in json.loads(found)["projects"]})
    except (ValueError, KeyError, TypeError) as error:
        raise NoIndex(f"{base} lists no projects (PEP 691): {type(error).__name__}: {error}") from None
    return listed


def _fetched(pool: urllib3.PoolManager, url: str) -> bytes:
    try:
        answer = pool.request("GET", url, headers={"Accept": ACCEPT}, preload_content=False)
        try:
            body: bytes = answer.read(MAX_LINE + 1)
        finally:
            answer.release_conn()
    except urllib3.exceptions.HTTPError as error:
        raise NoIndex(f"{url}: {error}") from None
    if answer.status != 200 or len(body) > MAX_LINE:
        why = f"answers {answer.status}" if answer.status != 200 else f"is longer than {MAX_LINE} bytes"
        raise NoIndex(f"{url} {why}")
    if not answer.headers.get("Content-Type", "").startswith(ACCEPT):
        raise NoIndex(f"{url} answers {answer.headers.get('Content-Type')!r:.80}, not {ACCEPT} (PEP 691)")
    return body


def _project(pool: urllib3.PoolManager, url: str, name: str, rule: VersionRule) -> list[Entry | Problem]:
    problems: list[Problem] = []
    try:
        body = _fetched(pool, url)
        project = read(json.loads(body), name, url, rule, problems)
    except (NoIndex, ValueError, KeyError, TypeError, AttributeError) as error:
        return [Problem(url, str(error) or type(error).__name__, name)]
    return [*problems, *([Entry(url, sha256(body), project)] if project else [])]


def read(page: Any, name: str, url: str, rule: VersionRule, problems: list[Problem]) -> Brought | None:
    """A project's page (PEP 691) as a project; None if no file of it can be brought. ``problems`` are added to."""
    found: list[tuple[str, str, Mapping[str, Any]]] = []
    for file in page["files"]:
        try:
            said = rule.artifact(file["filename"], name)
            found.append((said.canonical, said.version, file))
        except (BadArtifact, KeyError) as error:
            problems.append(Problem(url, str(error), name))
    spelled = {_canonical(rule, version): version for version in page.get("versions", ())}
    releases = []
    for canonical, group in groupby(sorted(found, key=lambda each: each[:2]), lambda each: each[0]):
        members = list(group)
        version = spelled.get(canonical, members[0][1])
        files = [new for _, _, each in members if (new := _file(each, url, name, problems))]
        if files:
            yanked = [each["yanked"] for _, _, each in members if each.get("yanked")]
            releases.append(BroughtRelease(version, tuple(files), None, _yanked(yanked)))
    return _whole(page, name, releases) if releases else None


def _whole(page: Mapping[str, Any], name: str, releases: list[BroughtRelease]) -> Brought:
    status = page.get("project-status") or {}
    text = _line(status.get("reason"))
    stands, reason = status.get("status", "active"), Reason("imported", text)
    display = page.get("name", name)
    return Brought(
        name,
        tuple(releases),
        display if names.normalise(display) == name else None,
        archived=Said(reason) if stands == "archived" else None,
        deprecated=Advice(reason) if stands == "deprecated" else None,
        quarantined=reason if stands == "quarantined" else None,
    )


def _file(file: Mapping[str, Any], url: str, name: str, problems: list[Problem]) -> r.NewFile | None:
    """A file, if the index says of it what must be signed: its SHA-256 and its size (PEP 700)."""
    try:
        digest = next((said for said in (file.get("core-metadata"),) if isinstance(said, dict)), {}).get("sha256")
        uploaded = file.get("upload-time")
        said = {
            "filename": file["filename"],
            "sha256": file["hashes"]["sha256"],
            "size": file["size"],
            "uploaded_at": _FRACTION.sub("Z", uploaded) if uploaded else None,
            "requires_python": _line(file.get("requires-python")),
            "core_metadata": digest,
            "url": urldefrag(urljoin(url, file["url"]))[0],
        }
        return strict.load(r.NewFile, said)
    except (KeyError, ValueError) as error:
        why = f"the index does not say its {error}" if isinstance(error, KeyError) else str(error)
        problems.append(Problem(url, f"{file['filename']}: {why}", name))
        return None


def _yanked(said: list[Any]) -> Said | None:
    """A yank is of a release here: one yanked file yanks it, which is the safe side of an index that says otherwise."""
    if not said:
        return None
    text = next((text for each in said if isinstance(each, str) and (text := _line(each))), None)
    return Said(Reason("imported", text))


def _line(text: object) -> str | None:
    """A text of another registry as one clean line that may be signed."""
    if not isinstance(text, str):
        return None
    clean = "".join(" " if unicodedata.category(each) in ("Cc", "Cf", "Cs", "Zl", "Zp") else each for each in text)
    return strict.line(" ".join(clean.split())[:MAX_TEXT]) or None


def _canonical(rule: VersionRule, version: str) -> str:
    try:
        return rule.canonical(version)
    except BadArtifact:
        return version
