"""A realistic registry of any size, the same for the same seed, of the domain's own types.

What is generated: project names of PyPI's shapes and lengths, versions, source distributions and wheels with their
hashes, sizes, dates and absolute URLs (a registry with a file store of its own), about 12.5 files a project with a
heavy tail, three of a hundred releases yanked, some projects archived or deprecated. For each project the state as the
journal keeps it, the signed page, and the targets of every file and page with their entries.

What is skipped: the files' own bytes; the events and requests that led to each state (one event a project stands for
all, so that numbers go on behind them); deadlines of releases; and the pages' copies in the depot, which publishing
never reads while the journal holds them.
"""

import hashlib
import random
from dataclasses import replace
from datetime import timedelta
from functools import lru_cache
from typing import Final

from keys.state import Act, Deprecation, File, Mark, NameState, Reason, Release, Yank
from keys.times import moment, stamp
from repo_service.domain.artifacts import canonical_version

EPOCH: Final = moment("2015-01-01T00:00:00Z")
DAYS: Final = 3900
"""Publications lie within these days from the epoch on."""

_WORDS: Final = """
    api app auth aws azure base batch bio block bot build cache calc chain chat check cloud code color config
    connect core cron crypto csv data date db deep demo deploy dev diff dns doc docker draw edge email engine env
    etl event excel fast feed file filter flask flow form forge format game gen geo git go graph grid group hash
    heat hook html http hub image index info input io iot item job json jupyter key kit kube lang layer lib light
    link lint list llm load log logic loop mail map mark math mesh meta micro mock model money mongo mqtt net neural
    news node note numpy object odoo odm optim orm pack page pandas parse path pay pdf pipe pixel plan plot pool
    port post proto proxy pulse query queue quick random react redis rest robot route rpc rule run sage scan schema
    scrape search secret semantic serve shell sign simple slack smart snap socket sort spark spider sql stack stat
    store stream study sync table tag task tensor term test text time token tool torch trace track trade tree type
    ui unit url user util vault vector video view vision wave web wiki wire work xml yaml zen zip
""".split()  # noqa: SIM905 - two hundred quotes say nothing
_FIRST: Final = ("", "", "", "py", "django-", "odoo-addon-", "my", "the-", "open-", "easy", "x", "a")
_LAST: Final = ("", "", "", "s", "2", "-py", "-client", "-sdk", "-cli", "er", "lib", "ify", "3")
_TAGS: Final = [
    f"{python}-{python}-{platform}"
    for platform in ("manylinux_2_28_x86_64", "macosx_14_0_arm64", "win_amd64", "manylinux_2_28_aarch64")
    for python in ("cp310", "cp311", "cp312", "cp313")
]
_REQUIRES: Final = (None, ">=3.7", ">=3.8", ">=3.9", ">=3.10", ">=3.6, <4")
_STEP: Final = 7_368_787
"""A prime: numbers multiplied by it visit every name once, in an order that looks like none."""
_NAMES: Final = len(_WORDS) ** 2 * len(_FIRST) * len(_LAST)


def name_of(number: int) -> str:
    """The project of this number: no two of the first million are equal (tests/walks/test_benchmarks.py)."""
    place, first = divmod(number * _STEP % _NAMES, len(_FIRST))
    place, last = divmod(place, len(_LAST))
    one, other = divmod(place, len(_WORDS))
    plain = _FIRST.index(_FIRST[first]) == first and _LAST.index(_LAST[last]) == last
    joint = "-" if (one + other) % 5 < 3 else ""
    name = f"{_FIRST[first]}{_WORDS[one]}{joint}{_WORDS[other]}{_LAST[last]}"
    # Words without a joint may read as two others, and some affixes stand in the lists more than once.
    return name if plain and joint else f"{name}-{number:x}"


def project(number: int, seed: int = 1) -> NameState:
    """The project of this number: a function of the two alone."""
    dice = random.Random(number * 1_000_003 + seed)
    name = name_of(number)
    count = 1 + min(int(dice.lognormvariate(0.93, 1.25)), 800)
    day = dice.randrange(DAYS)
    kinds = dice.choices((1, 2, 2, 3, len(_TAGS) + 1), (20, 30, 40, 6, 2))[0]
    requires = dice.choice(_REQUIRES)
    releases, acts = [], [Act(1, "project.created", None, _mark(day))]
    for place, version in enumerate(_versions(dice, count)):
        made = _release(dice, name, version, min(day + place * 9, DAYS), kinds, requires)
        if dice.random() < 0.03:
            yank = _mark(DAYS, Reason("broken", "does not import on Python 3.13"))
            acts.append(Act(len(acts) + 2 * count, "release.yanked", version, yank))
            made = replace(made, yank=Yank("owner", yank))
        releases.append(made)
    releases.sort(key=lambda release: release.version)
    fate = dice.random()
    archived = _mark(DAYS) if fate < 0.02 else None
    deprecated = Deprecation(_mark(DAYS), name_of(number + 1)) if 0.02 <= fate < 0.025 else None
    return NameState(
        name, name, "registered", 1, len(acts) + 2 * count, number + 1, _mark(day), releases=tuple(releases),
        history=tuple(acts), archived=archived, deprecated=deprecated,
    )  # fmt: skip


@lru_cache(maxsize=8192)
def _day(day: int) -> str:
    return stamp(EPOCH + timedelta(days=day, seconds=day * 7919 % 86400))


def _mark(day: int, reason: Reason | None = None) -> Mark:
    return Mark(_day(day), "owner", reason)


_canonical = lru_cache(maxsize=65536)(canonical_version)


def _versions(dice: random.Random, count: int) -> list[str]:
    major, minor, patch = dice.choice(((0, 0, 1), (0, 1, 0), (1, 0, 0)))
    found = []
    for _ in range(count):
        found.append(f"{major}.{minor}.{patch}")
        step = dice.random()
        if step < 0.7:
            patch += 1
        elif step < 0.95:
            minor, patch = minor + 1, 0
        else:
            major, minor, patch = major + 1, 0, 0
    return found


def _release(dice: random.Random, name: str, version: str, day: int, kinds: int, requires: str | None) -> Release:
    """A source distribution and wheels: one for all, or one for each tag of a compiled project."""
    distribution = name.replace("-", "_")
    wheels = ["py3-none-any"] if kinds < 4 else _TAGS[: kinds - 1]
    artifacts = [("sdist", f"{distribution}-{version}.tar.gz")] if kinds != 1 else []
    if kinds != 3 or dice.random() < 0.5:
        artifacts += [(f"wheel--{tags}", f"{distribution}-{version}-{tags}.whl") for tags in wheels]
    at = _day(day)
    size = int(dice.lognormvariate(10.5, 1.8)) + 500
    files = [
        _file(identity, filename, size + 977 * place, at, requires)
        for place, (identity, filename) in enumerate(artifacts)
    ]
    files.sort(key=lambda file: file.filename)
    closed = Mark(_day(day + 14), "clock")
    return Release(version, _canonical(version), "published", 1, at, files=tuple(files), closed=closed)


def _file(identity: str, filename: str, size: int, at: str, requires: str | None) -> File:
    digest = hashlib.sha256(filename.encode()).hexdigest()
    url = f"https://files.registry.example/packages/{digest[:2]}/{digest[2:4]}/{digest[4:]}/{filename}"
    return File(filename, identity, digest, size, at, requires, digest[::-1] if identity != "sdist" else None, url)
