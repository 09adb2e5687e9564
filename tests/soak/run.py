"""One soak: servers, processes, writers, readers and the nemesis at once; then peace, and the end is written down."""

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from sqlalchemy import select

from client_verify.answers import Found
from client_verify.refusals import Refused
from client_verify.session import Session
from client_verify.trust import Pin
from repo_service.mending import fsck
from repo_service.storage import tables as t
from tests.audit import audit
from tests.proxy import Proxy
from tests.servers import PostgresServer, free_port, need, postgres_server, seaweedfs
from tests.soak.checker import Verdict, check, sorted_by_kind
from tests.soak.history import Diary, End, Page, Signed, read
from tests.soak.nemesis import Nemesis, Stroke
from tests.soak.process import PEACE
from tests.soak.processes import Process, python
from tests.soak.reader import Sources
from tests.soak.writers import Door, Writer
from tests.world import World

Backend = Literal["sqlite", "postgres"]
WRITERS: Final = 4
READERS: Final = 2
SETTLE_S: Final = 60.0
"""How long, after the nemesis has gone, everything may take to be acknowledged, signed and shown."""
_COMMON: Final = (
    'refresh_s = 1\npoll_s = 0.2\nlease_s = 2\nlog = "quiet"\nclient_per_minute = 1000000\nname_per_minute = 1000000\n'
)


@dataclass(frozen=True, slots=True)
class Soak:
    """How long, with which numbers, on what; ``variation`` is a publisher that is wrong on purpose."""

    seconds: float
    seed: int
    backend: Backend
    variation: str = ""


@dataclass(frozen=True, slots=True)
class Site:
    """A service that is begun: its world, its processes, and what else the nemesis may cut."""

    world: World
    ports: list[int]
    victims: list[Process]
    others: dict[str, Stroke]
    sources: Sources


def run(soak: Soak, folder: Path) -> Verdict:
    """Do it. The whole history is in ``folder`` afterwards."""
    (folder / "logs").mkdir(parents=True)
    (folder / "clients").mkdir()
    (folder / "names").touch()
    with ExitStack() as everything:
        site = everything.enter_context(_site(soak, folder))
        wrong = _live(soak, folder, site, everything)
        _write_the_end(folder, site, wrong)
    verdict = check(sorted_by_kind(read(folder)))
    (folder / "figures.json").write_text(json.dumps(dict(verdict.figures), indent=1))
    return verdict


def _live(soak: Soak, folder: Path, site: Site, everything: ExitStack) -> list[str]:
    """All that goes on at once, and then peace; what went wrong with the processes themselves."""
    (folder / "sources.json").write_text(json.dumps(asdict(site.sources)))
    token = site.world.token("registry", "soak")
    door = Door(site.ports, token)
    for victim in site.victims:
        everything.callback(victim.kill)
        victim.begin()
    for victim in site.victims:
        victim.wait_until_ready()
    names, diary = folder / "names", Diary(folder, "writers")
    writers = [Writer(n, soak.seed, door, diary, names, numbered=n % 2 == 1) for n in range(WRITERS)]
    readers = [_reading(folder, who) for who in ("watch", *map(str, range(READERS)))]
    nemesis = Nemesis(soak.seed, Diary(folder, "nemesis"), site.victims, site.others)
    for reader in readers:
        everything.callback(reader.kill)
        reader.begin()
    for reader in readers:
        reader.wait_until_ready()
    nemesis.thread.start()
    everything.callback(nemesis.rest)  # before the others are killed, or it would begin them again
    for writer in writers:
        writer.thread.start()
    time.sleep(soak.seconds)
    (folder / PEACE).touch()
    nemesis.end()
    unsettled = list(_settle(writers, site))
    nemesis.rest()
    return [*unsettled, *_stop([*readers, *site.victims])]


def _reading(folder: Path, who: str) -> Process:
    seen = folder / ("shown.jsonl" if who == "watch" else f"seen-{who}.jsonl")

    def ready() -> bool:
        return seen.exists() and seen.stat().st_size > 0

    return python(f"reader {who}", folder / "logs", "tests.soak.reader", str(folder), who, ready=ready)


def _settle(writers: list[Writer], site: Site) -> Iterator[str]:
    """Everybody finishes what they have begun, and everything is signed and shown."""
    deadline = time.monotonic() + SETTLE_S
    for writer in writers:
        writer.end()
    for writer in writers:
        writer.thread.join(max(deadline - time.monotonic(), 0.1))
        yield from (f"never acknowledged: {change.key}" for change in writer.unsettled)
    journal = site.world.service.journal
    journal._engine.dispose()  # its connections may be to a database that has crashed since
    while time.monotonic() < deadline:
        with journal.reading() as view:
            waiting = view.counts()["pending"], view.staged()
        if waiting == (0, []):
            time.sleep(1.0)  # for clients to see it
            return
        time.sleep(0.2)
    yield f"after {SETTLE_S:.0f} s of peace {waiting[0]} events are pending and {waiting[1]} are not copied out"


def _stop(processes: list[Process]) -> Iterator[str]:
    for process in processes:
        if said := process.end():
            yield said


def _write_the_end(folder: Path, site: Site, wrong: list[str]) -> None:
    diary, service = Diary(folder, "end"), site.world.service
    with service.journal.reading() as view:
        rows = view._connection.execute(select(t.events).order_by(t.events.c.seq)).mappings().all()
        generations = head.generation if (head := view.head()) else 0
    for row in rows:
        version = json.loads(row["body"]).get("version")
        diary.write(Signed(row["name"], row["serial"], row["type"], version, row["change"], row["release"]))
    try:
        for page in _pages(folder, site):
            diary.write(page)
    except Refused as refused:
        wrong = [*wrong, f"in the end a new client refuses: {refused}"]
    its = fsck.Repository(service.journal, service.depot, service.settings.layout, _now())
    diary.write(End(generations, [*wrong, *audit(service), *map(str, fsck.examine(its))]))
    diary.close()


def _pages(folder: Path, site: Site) -> Iterator[Page]:
    """What a client that comes new is shown of every name."""
    sources, clock = site.sources, _now
    pin = Pin("soak", sources.address(sources.surest), Path(sources.root).read_bytes())
    fetcher = sources.fetcher(sources.surest)
    session = Session(pin, folder / "clients" / "last", fetcher, clock)
    for name in (folder / "names").read_text().split():
        found = session.page(name)
        if isinstance(found, Found):
            releases = {each.version: each.yank is not None for each in found.state.releases}
            yield Page(name, found.state.serial, releases)


@contextmanager
def _site(soak: Soak, folder: Path) -> Iterator[Site]:
    with ExitStack() as servers:
        if soak.backend == "sqlite":
            yield _embedded(soak, folder)
        else:
            yield _scaled(soak, folder, servers)


def _embedded(soak: Soak, folder: Path) -> Site:
    """Two servers that publish themselves and two publishers beside them, on SQLite and a local disk."""
    world = World(folder / "world", _COMMON, begin=_now())
    ports, home, logs = [free_port(), free_port()], str(world.service.folder), folder / "logs"
    victims = [*(_serving(soak, home, logs, port) for port in ports), *_loops(soak, home, logs, 2)]
    public = str(world.public)
    return Site(world, ports, victims, {}, _sources(soak, world, folder, [*_urls(ports), public], public))


def _scaled(soak: Soak, folder: Path, servers: ExitStack) -> Site:
    """Two servers, two workers and a publisher that needs no bell, on PostgreSQL, Redis and S3."""
    database, bucket = servers.enter_context(postgres_server()), servers.enter_context(seaweedfs())
    proxy = servers.enter_context(Proxy(bucket.port, soak.seed))
    os.environ.update(bucket.credentials)
    port, logs = free_port(), folder / "logs"
    command = [need("redis-server", "redis-server"), "--port", str(port), "--dir", str(folder), "--save", ""]
    redis = Process("redis", command, logs)
    servers.callback(redis.kill)
    redis.begin()
    places = f'database = "{database.url}"\npublic = "{bucket.url("soak", proxy.port)}"\n'
    world = World(folder / "world", f'{_COMMON}{places}redis = "redis://127.0.0.1:{port}/0"\n', begin=_now())
    servers.callback(world.service.journal._engine.dispose)
    ports, home = [free_port(), free_port()], str(world.service.folder)
    working = ("tests.soak.process", str(folder), soak.variation, "worker", home)
    workers = [python(f"worker {number}", logs, *working) for number in (1, 2)]
    victims = [*(_serving(soak, home, logs, each) for each in ports), *workers, *_loops(soak, home, logs, 1)]
    direct, through = (f"http://127.0.0.1:{each}/{bucket.bucket}/soak" for each in (bucket.port, proxy.port))
    sources = _sources(soak, world, folder, [*_urls(ports), direct, through], direct)
    return Site(world, ports, victims, _strokes(redis, database, proxy), sources)


def _strokes(redis: Process, database: PostgresServer, proxy: Proxy) -> dict[str, Stroke]:
    """What can be done to the servers that the service uses, each with what undoes it."""

    def kill_redis() -> Callable[[], None]:
        redis.kill()
        return redis.begin

    def crash_database() -> Callable[[], None]:
        database.crash()
        return database.start

    def break_connections() -> Callable[[], None]:
        proxy.reset_share = 0.1
        return lambda: setattr(proxy, "reset_share", 0.0)

    def swallow_answers() -> Callable[[], None]:
        proxy.swallow(3, b"PUT")
        return lambda: proxy.swallow(0)

    return {
        "redis": kill_redis, "database": crash_database, "network": break_connections, "answers": swallow_answers,
    }  # fmt: skip


def _urls(ports: list[int]) -> list[str]:
    return [f"http://127.0.0.1:{port}" for port in ports]


def _loops(soak: Soak, home: str, logs: Path, count: int) -> list[Process]:
    arguments = ("tests.soak.process", str(logs.parent), soak.variation, "loop", home)
    return [python(f"publisher {number}", logs, *arguments) for number in range(count)]


def _serving(soak: Soak, home: str, logs: Path, port: int) -> Process:
    def ready() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    arguments = ("tests.soak.process", str(logs.parent), soak.variation, "serve", home, "--port", str(port))
    return python(f"server {port}", logs, *arguments, ready=ready)


def _sources(soak: Soak, world: World, folder: Path, ways: list[str], surest: str) -> Sources:
    root = folder / "root.json"
    root.write_bytes(world.trust.roots[0].data)
    return Sources(ways, surest, str(root), soak.seed)


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
