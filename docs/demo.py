"""The main job, end to end, on real wheels: a registry signs its state, pip and uv install only what verifies.

Run it with ``make demo``. It needs a package index to download about twenty files from, no root and no server; it works
in a temporary folder, on free loopback ports, and removes both when it ends, however it ends.
"""

import functools
import hashlib
import http.server
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from keys import layout, names, page, sealed, words
from keys.encoding import compact
from keys.signing import HeldKey
from keys.state import Act, Mark, NameState, Reason, Yank
from keys.times import stamp
from repo_service.accepting.uploads import examine
from repo_service.build.listing import Listing, Meta
from repo_service.build.metadata import bin_file, snapshot_file, timestamp_file
from repo_service.build.pages import page_of

WANTED: Final = (
    ("flask", "rich"),
    ("--no-deps", "rich==13.9.4", "click==8.1.8", "six==1.17.0", "colorama==0.4.6", "itsdangerous==2.1.2"),
    ("--no-deps", "--no-binary=:all:", "blinker==1.9.0", "markdown-it-py==3.0.0", "six==1.17.0"),
)
"""What is downloaded: two programs with their dependencies, a few older versions, and three sdists."""

HOLDERS: Final = ("alice", "bob", "carol")
TIMESTAMP_SECONDS: Final = 40
"""So short that a frozen mirror is caught while you watch; the default is three days."""
BIN: Final = Path(sys.executable).parent
INSTALLERS: Final = ("pip", "uv")


@dataclass
class Holder:
    """Somebody with a key: their passphrase, once it was drawn, and the words that another holder reads to them."""

    passphrase: str = ""
    heard: tuple[str, ...] = ()

    def answer(self, screen: str) -> str | None:
        """What they type, where the screen ends in a question; None where it does not."""
        line = screen.splitlines()[-1] if screen and not screen.endswith("\n") else ""
        if line.endswith("[y/N] "):
            return "y"
        if word := re.fullmatch(r" *word +([0-9]+): ", line):
            return self.heard[int(word[1]) - 1]
        if phrase := re.fullmatch(r"Type  (.+)  in full, .*: ", line):
            return phrase[1]
        if line.startswith("Type it from your paper: "):
            drawn = screen.split("The passphrase, drawn")[1].split("Write it")[0]
            self.passphrase = " ".join(re.findall(r"[0-9]+ ([a-z]+)", drawn))
            return self.passphrase
        return self.passphrase if line.startswith("Passphrase of ") else None


class Unexpected(Exception):
    """A step did not go as this demo promises."""


@dataclass(frozen=True)
class Done:
    """A command's exit status and everything it printed."""

    status: int
    output: str


@dataclass(frozen=True)
class Shown:
    """A line of the closing table."""

    what: str
    expected: str
    seconds: float


class Demo:
    """The stage: folders, the running service, the mirror in front of it, and what was shown."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.stack = stack
        self.service = folder / "service"
        self.public = self.service / "public"
        self.wheels = folder / "downloads"
        self.shown: list[Shown] = []
        self.token = ""
        self.api = ""
        self.front = Front(self.public)
        self.home = folder / "you"

    # -- saying and checking ------------------------------------------------------------------------------------

    def step(self, what: str, expected: str, play: Callable[[], None]) -> None:
        """One narrated step; it counts as shown only if it ended as expected."""
        began = time.monotonic()
        print(f"\n{len(self.shown) + 1:2}. {what}", flush=True)
        play()
        self.shown.append(Shown(what, expected, time.monotonic() - began))

    def say(self, text: str) -> None:
        """A line of narration or of a program's own output, within 80 columns."""
        for line in textwrap.wrap(text, 74, break_long_words=False):
            print(f"      {line}", flush=True)

    def refused(self, status: int, phrases: tuple[str, ...], *wanted: str, home: str | None = None) -> None:
        """Both installers must fail with this status and these words; the refusal is shown as people see it."""
        said: list[str] = []
        for installer in INSTALLERS:
            laptop = self.folder / home.format(installer) if home else None
            done = self.install(installer, *wanted, home=laptop)
            text = " ".join(done.output.split())
            if done.status != status or any(phrase not in text for phrase in phrases):
                raise Unexpected(f"wanted exit {status} and {phrases}, got exit {done.status}:\n{done.output}")
            lines = done.output.splitlines()
            first = next(i for i, line in enumerate(lines) if line.startswith("tallystick: REFUSED"))
            sentence = [line for line in lines[first + 1 :] if line.startswith("  ")][:-1]
            if sentence != said:
                self.say(f"{installer} ends with {status}; {lines[first]}")
                self.say("  " + " ".join(line.strip() for line in sentence))
            else:
                self.say(f"{installer} ends with {status}, for the same reason")
            said = sentence

    def must(self, done: Done, *phrases: str) -> Done:
        """The command must have succeeded and said these words."""
        text = " ".join(done.output.split())
        if done.status != 0 or any(phrase not in text for phrase in phrases):
            raise Unexpected(f"wanted success and {phrases}, got exit {done.status}:\n{done.output}")
        return done

    # -- running programs ---------------------------------------------------------------------------------------

    def run(self, *command: object, home: Path | None = None) -> Done:
        """A command as you would type it; ``home`` is the machine it runs on, as far as Tallystick is concerned."""
        environment = {**os.environ, "TALLYSTICK_HOME": str(home or self.home)}
        done = subprocess.run(
            [str(part) for part in command],
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        return Done(done.returncode, done.stdout)

    def serve(self, *command: object) -> str:
        """A server of tallystick-service that runs until the demo ends; its address."""
        server = subprocess.Popen(
            [str(part) for part in (BIN / "tallystick-service", *command)],
            env={**os.environ, "TALLYSTICK_LOG": "quiet"},
            text=True,
            stdout=subprocess.PIPE,
        )
        self.stack.callback(_end, server)
        assert server.stdout is not None
        line = server.stdout.readline()
        if (found := re.search(r"http://[0-9.]+:[0-9]+", line)) is None:
            raise Unexpected(f"{' '.join(map(str, command))} said {line!r} and no address")
        return found[0]

    def told(self, status: int, phrase: str, *command: object, home: Path | None = None) -> None:
        """A question to tallystick itself must end with this status and these words; they are shown."""
        done = self.run(BIN / "tallystick", *command, home=home)
        lines = [line for line in done.output.splitlines() if not line.startswith("tallystick: warning: repository")]
        if done.status != status or phrase not in " ".join(done.output.split()):
            raise Unexpected(f"wanted exit {status} and {phrase!r}, got exit {done.status}:\n{done.output}")
        shown = " ".join(str(part).removeprefix(f"{self.folder}/") for part in command)
        self.say(f"`tallystick {shown}` ends with {status}:")
        self.say(f"  {lines[0]}".replace(f"{self.folder}/", ""))
        self.say("  " + " ".join(" ".join(lines[1:]).split("See:")[0].split()))

    def install(
        self,
        installer: str,
        *wanted: str,
        home: Path | None = None,
        into: str | None = None,
        said: tuple[str, ...] = (),
    ) -> Done:
        """Install with real pip or uv, through the verifying client, into an environment of its own."""
        where = self.folder / "environments" / (into or uuid.uuid4().hex[:8])
        if not where.exists():
            subprocess.run([sys.executable, "-m", "venv", "--without-pip", where], check=True)
        python = where / "bin" / "python"
        commands = {
            "pip": [BIN / "python", "-m", "pip", "--python", python, "install", "--progress-bar=off"],
            "uv": [BIN / "uv", "pip", "install", "--python", python, "--no-progress"],
        }
        return self.run(BIN / "tallystick", "run", *said, "--", *commands[installer], *wanted, home=home)

    def ask(self, holder: "Holder", *command: object) -> str:
        """A command on a terminal of its own that asks, and is answered as a holder would."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.execv(str(command[0]), [str(part) for part in command])
        output = b""
        while True:
            try:
                chunk = os.read(terminal, 4096)
            except OSError:  # the other end is closed: the command ended
                break
            if not chunk:
                break
            output += chunk
            if (answer := holder.answer(output.decode(errors="replace").replace("\r\n", "\n"))) is not None:
                os.write(terminal, f"{answer}\n".encode())
                output += b"\n"
        os.close(terminal)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        text = output.decode(errors="replace").replace("\r\n", "\n")
        if status != 0:
            raise Unexpected(f"{' '.join(map(str, command))} ended with {status}:\n{text}")
        return text

    # -- the registry's API --------------------------------------------------------------------------------------

    def call(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, dict[str, Any]]:
        """One request to the registry's API; status and JSON answer."""
        request = urllib.request.Request(self.api + path, data=body, method=method)
        request.add_header("Authorization", f"Bearer {self.token}")
        for header, value in headers.items():
            request.add_header(header.replace("_", "-"), value)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def change(self, path: str, wait: int = 20, seen: int | None = None, **body: Any) -> dict[str, Any]:
        """A state change that is accepted, signed and visible before this returns; ``seen`` is the name's serial."""
        headers = {"If_Match": f'"serial-{seen}"'} if seen is not None else {}
        status, answer = self.call(
            "POST", path, json.dumps(body).encode(), Idempotency_Key=uuid.uuid4().hex, Prefer=f"wait={wait}", **headers
        )
        if status not in (200, 202) or (wait and answer["status"] != "signed"):
            raise Unexpected(f"{path} answered {status}: {answer}")
        return answer


class Front:
    """The address that clients know: a static mirror of the registry's public folder, honest until told otherwise."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        front = self

        class Handler(http.server.SimpleHTTPRequestHandler):
            def translate_path(self, path: str) -> str:
                self.directory = str(front.folder)
                return super().translate_path(path)

            def log_message(self, *arguments: object) -> None:
                del arguments

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def instead(self, folder: Path) -> Iterator[None]:
        """Serve another folder: the attacker owns the mirror now."""
        honest, self.folder = self.folder, folder
        try:
            yield
        finally:
            self.folder = honest

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


# -- the play ------------------------------------------------------------------------------------------------------


def download(demo: Demo) -> None:
    demo.wheels.mkdir()
    for wanted in WANTED:
        command = [BIN / "python", "-m", "pip", "download", "--quiet", "--dest", demo.wheels, *wanted]
        demo.must(demo.run(*command))
    demo.say(f"{len(list(demo.wheels.iterdir()))} real wheels and sdists from the package index")


def hold_ceremony(demo: Demo) -> None:
    tool, desk = BIN / "tallystick-ceremony", demo.folder / "ceremony"
    demo.must(demo.run(BIN / "tallystick-service", "key", demo.service, "--rehearsal"))
    witnesses = begin_witnesses(demo)
    holders = {name: Holder() for name in HOLDERS}
    for name, holder in holders.items():
        demo.ask(holder, tool, "key", "new", name, "--out", demo.folder / name, "--rehearsal")
    demo.say("alice, bob and carol each made a key on their own machine, sealed with twelve words that it drew")
    pubs = [part for name in HOLDERS for part in ("--holder", demo.folder / name / f"{name}.pub")]
    plan = ["--name", "demo", "--url", demo.front.url, "--threshold", "2", "--held", "internal-tools", "--rehearsal"]
    online = ["--online", demo.service / "online.pub", "--purpose", "to see how it works"]
    log = ["--log", demo.service / "log.pub", "--witness", *witnesses, "--quorum", len(witnesses)]
    demo.must(demo.run(tool, "plan", desk, *plan, *pubs, *online, *log))
    demo.must(demo.run(tool, "draft", desk))
    demo.must(demo.run(tool, "request", desk))
    (request,) = desk.glob("*.request")
    heard = words.words(bytes.fromhex(json.loads(request.read_bytes())["draft"]))
    answers: list[Path] = []
    for name in ("alice", "carol"):
        stick = demo.folder / f"stick-{name}"
        stick.mkdir()
        shutil.copy(request, stick)
        holders[name].heard = heard
        key = demo.folder / name / f"{name}.key"
        demo.ask(holders[name], tool, "sign", stick / request.name, "--key", key)
        answers.extend(stick.glob("*.answer"))
    demo.say("alice and carol read five screens, typed words that they heard from each other, and signed: 2 of 3")
    demo.must(demo.run(tool, "collect", desk, *answers))
    demo.must(demo.run(tool, "seal", desk))
    demo.must(demo.run(tool, "verify", desk))
    demo.say("root, targets, held and bins are sealed; nobody was online, the root says it is a rehearsal")


def begin_witnesses(demo: Demo) -> list[str]:
    """Two witnesses, whom anybody could run, and the file in which the service is told of them; their keys."""
    log, lines, keys = (demo.service / "log.pub").read_text().strip(), [], []
    for number in range(1, 3):
        folder = demo.folder / f"witness-{number}"
        made = demo.must(demo.run(BIN / "tallystick-service", "witness", "key", folder, "--name", f"w{number}.example"))
        keys.append(next(word for word in made.output.split() if word.startswith(f"w{number}.example+")))
        demo.must(demo.run(BIN / "tallystick-service", "witness", "add", folder, log))
        address = demo.serve("witness", "run", folder, "--listen", "127.0.0.1:0", "--log", "quiet")
        lines.append(f"witness w{number} {keys[-1]} {address}\n")
    policy = f"{''.join(lines)}group both all w1 w2\nquorum both\n"
    (demo.service / "witnesses.policy").write_text(policy)
    demo.say("two witnesses run; they know nothing of packages, only that the log must never take anything back")
    return keys


def start_service(demo: Demo) -> None:
    settings = f'timestamp_s = {TIMESTAMP_SECONDS}\nrefresh_s = 4\nwitnesses = "witnesses.policy"\n'
    (demo.service / "service.toml").write_text(settings)
    command = [BIN / "tallystick-service", "init", demo.service, "--sealed", demo.folder / "ceremony" / "sealed"]
    strict = demo.run(*command)
    if strict.status == 0:
        raise Unexpected("the service took a rehearsal root in without being told to")
    demo.say("without --allow-rehearsal the service refuses this root; with it:")
    done = demo.must(demo.run(*command, "--allow-rehearsal"))
    demo.token = next(word for word in done.output.split() if word.startswith("tally_"))
    demo.say(done.output.splitlines()[0])
    demo.api = demo.serve("serve", demo.service, "--port", "0")
    demo.say(f"the API listens on {demo.api}; its public folder is mirrored at {demo.front.url}")


def register_everything(demo: Demo) -> None:
    files = sorted(demo.wheels.iterdir())
    releases: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for file in files:
        said = examine(file.name, file).artifact
        status, upload = demo.call("PUT", f"/v1/projects/{said.name}/files/{file.name}", file.read_bytes())
        if status != 201:
            raise Unexpected(f"{file.name}: {upload}")
        releases.setdefault((said.name, said.version), []).append(upload)
    for number, ((name, version), uploads) in enumerate(releases.items(), 1):
        wait = 20 if number == len(releases) else 0
        answer = demo.change(f"/v1/projects/{name}/releases/{version}/publish", wait, files=uploads)
    demo.say(f"{len(files)} files of {len(releases)} releases, signed in snapshot {answer['signed_in']['snapshot']}")


def trust(demo: Demo, home: Path | None = None, *more: str) -> Done:
    root = demo.folder / "ceremony" / "sealed" / "1.root.json"
    command = [BIN / "tallystick", "trust", "add", "demo", "--url", demo.front.url, "--root", root, *more]
    return demo.must(demo.run(*command, home=home))


def install_and_run(demo: Demo) -> None:
    trust(demo)
    for installer in INSTALLERS:
        demo.must(demo.install(installer, "flask", "rich", into=f"good-{installer}"))
        python = demo.folder / "environments" / f"good-{installer}" / "bin" / "python"
        done = demo.must(demo.run(python, "-m", "flask", "--version"), "Flask")
        demo.say(f"{installer} installed; it runs: {' '.join(done.output.split())}")
    for name in ("six", "colorama"):
        demo.must(demo.run(BIN / "tallystick", "show", name), name)


def yank(demo: Demo) -> None:
    newest = max(_versions(demo, "rich"), key=lambda text: [int(part) for part in text.split(".")])
    reason = {"code": "broken", "text": "draws boxes upside down"}
    demo.change(f"/v1/projects/rich/releases/{newest}/yank", reason=reason)
    demo.refused(7, ("newer versions just disappeared", "--accept-yanks rich"), "rich")
    for installer in INSTALLERS:
        demo.must(demo.install(installer, "rich", into=f"yank-{installer}", said=("--accept-yanks", "rich")))
        found = demo.run(demo.folder / "environments" / f"yank-{installer}" / "bin" / "python", "-c",
                         "import importlib.metadata as m; print(m.version('rich'))")  # fmt: skip
        if found.output.strip() != "13.9.4":
            raise Unexpected(f"{installer} chose rich {found.output}")
        pinned = demo.must(demo.install(installer, f"rich=={newest}"), "draws boxes upside down")
        demo.say(f"{installer}: with --accept-yanks `rich` gives 13.9.4; `rich=={newest}` still installs, and says:")
        demo.say("  " + next(line.strip() for line in pinned.output.splitlines() if "upside down" in line))


def unpublish_last(demo: Demo) -> None:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    demo.change(
        "/v1/projects/six/releases/1.17.0/unpublish",
        reason={"code": "secret_exposure", "text": "a private key was inside"},
        dependents={"value": 0, "as_of": now},
    )
    demo.refused(7, ("placeholder",), "six")
    wheel = next(demo.wheels.glob("six-1.17.0-*.whl"))
    lock = demo.folder / "requirements.txt"
    lock.write_text(f"six==1.17.0 --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n")
    demo.told(7, "was removed", "lock", "verify", lock)


def reserve(demo: Demo) -> None:
    demo.change("/v1/names/acme-tools/reserve", actor={"id": "account-7"}, holder="Acme Corporation")
    status, answer = demo.call(
        "POST", "/v1/projects/acme-tools/releases/1.0/publish",
        json.dumps({
            "actor": {"id": "account-8"},
            "files": [{"filename": "acme_tools-1.0.tar.gz", "sha256": "0" * 64, "size": 9, "url": "https://files.test/x"}],
        }).encode(),
        Idempotency_Key=uuid.uuid4().hex,
    )  # fmt: skip
    if status != 409 or "Acme Corporation" not in answer["detail"]:
        raise Unexpected(f"{status} {answer}")
    demo.say(f"someone else's publish: {status} {answer['detail']}")
    demo.refused(7, ("Acme Corporation",), "acme-tools")
    demo.told(7, "not free", "available", "acme-tools")


def map_names(demo: Demo) -> None:
    home = demo.folder / "mapped"
    trust(demo, home, "--prefix", "acme")
    demo.told(9, "no pinned repository may answer for flask", "show", "flask", home=home)


def quarantine(demo: Demo) -> None:
    _, looked_at = demo.call("GET", "/v1/names/colorama")
    demo.change(
        "/v1/projects/colorama/quarantine", seen=looked_at["serial"],
        reason={"code": "malware_suspected", "text": "phones home on import"}, actor={"kind": "admin"},
    )  # fmt: skip
    demo.refused(
        7,
        (
            "quarantine",
            "phones home",
        ),
        "colorama",
    )


def hold(demo: Demo) -> None:
    demo.refused(7, ("internal-tools",), "internal-tools")


def rollback(demo: Demo) -> None:
    with demo.front.instead(demo.folder / "mirror-old"):
        demo.refused(3, ("rollback",), "flask")


def tamper(demo: Demo) -> None:
    mirror = copy_mirror(demo, "mirror-tampered")
    wheel = next((mirror / "targets" / "packages" / "itsdangerous").glob("*-2.1.2-*.whl"))
    wheel.write_bytes(wheel.read_bytes()[:-1] + b"!")
    with demo.front.instead(mirror):
        demo.refused(6, ("itsdangerous",), "itsdangerous==2.1.2")


def swap_bin(demo: Demo) -> None:
    mirror = copy_mirror(demo, "mirror-swapped")
    metadata = mirror / "metadata"
    bins = layout.Bins(8)
    number = bins.number(names.page_path("flask"))
    empty = next(n for n in range(len(bins)) if n != number and len(list(metadata.glob(f"*.{bins.role(n)}.json"))) == 1)
    other = next(metadata.glob(f"*.{bins.role(empty)}.json")).read_bytes()
    for file in metadata.glob(f"*.{bins.role(number)}.json"):
        file.write_bytes(other)  # genuine, unexpired, signed by the right key: but it is another bin
    with demo.front.instead(mirror):
        for installer in INSTALLERS:
            trust(demo, demo.folder / f"new-laptop-{installer}")
        demo.refused(5, ("bin",), "flask", home="new-laptop-{}")


def resurrect(demo: Demo) -> None:
    mirror = copy_mirror(demo, "mirror-resurrected")
    evil = b"not what was published"
    sign_as_thief(demo, mirror, "six", lambda state: _resurrected(state, evil))
    with demo.front.instead(mirror):
        demo.refused(6, ("six",), "six==1.17.0")


def lie_to_one(demo: Demo) -> None:
    """Every release of one project is yanked, for one victim: valid for TUF, and in no log."""
    mirror = copy_mirror(demo, "mirror-lying")
    sign_as_thief(demo, mirror, "click", _all_yanked)
    for mode in ("off", "require"):
        trust(demo, demo.folder / f"victim-{mode}", "--log", mode)
    with demo.front.instead(mirror):
        shown = demo.run(BIN / "tallystick", "show", "click", home=demo.folder / "victim-off")
        if "all 2 releases of click are yanked" not in " ".join(demo.must(shown).output.split()):
            raise Unexpected(f"the lie was not believed:\n{shown.output}")
        demo.say("who asks for no log believes it: all 2 releases of click are yanked")
        demo.refused(5, ("not in the transparency log",), "click", home="victim-require")


def watch(demo: Demo) -> None:
    """Somebody who works for nobody replays all of it, then looks at what the victim was shown."""
    root = demo.folder / "ceremony" / "sealed" / "1.root.json"
    command = [BIN / "tallystick-service", "monitor", demo.front.url, "--state", demo.folder / "watch"]
    looked = demo.must(demo.run(*command, "--root", root, "--full", "--feeds", demo.folder / "feeds"), "0 alarms")
    for line in looked.output.partition("Looked at")[2].splitlines()[1:]:
        demo.say(line.strip())
    feeds = len(list((demo.folder / "feeds" / "project").iterdir()))
    demo.say(f"every page, bin and snapshot follows from the log, byte for byte; {feeds} projects have an Atom feed")
    with demo.front.instead(demo.folder / "mirror-lying"):
        lying = demo.run(*command[:-1], demo.folder / "watch-the-victim", "--root", root)
    if lying.status != 6 or "ALARM" not in lying.output:
        raise Unexpected(f"the monitor saw nothing and ended with {lying.status}:\n{lying.output}")
    demo.say("shown what the victim was shown, it ends with 6:")
    for line in lying.output[lying.output.index("ALARM") :].split("\n\n")[0].splitlines():
        demo.say(f"  {line.strip()}")


def freeze(demo: Demo) -> None:
    mirror = demo.folder / "mirror-frozen"
    timestamp = json.loads((mirror / "metadata" / "timestamp.json").read_bytes())["signed"]
    left = (datetime.fromisoformat(timestamp["expires"]) - datetime.now(UTC)).total_seconds()
    if left > 0:
        demo.say(f"(waiting {left:.0f} s for the frozen timestamp to run out)")
        time.sleep(left + 1)
    with demo.front.instead(mirror):
        demo.refused(4, ("valid until",), "flask", home="frozen-laptop")


def begin_freeze(demo: Demo) -> None:
    """A victim verifies one snapshot; from now on the attacker shows nothing newer to them."""
    laptop = demo.folder / "frozen-laptop"
    trust(demo, laptop)
    mirror = copy_mirror(demo, "mirror-frozen")
    with demo.front.instead(mirror):
        demo.must(demo.run(BIN / "tallystick", "show", "flask", home=laptop), "flask")


# -- the attacker's workshop -----------------------------------------------------------------------------------------


def copy_mirror(demo: Demo, name: str) -> Path:
    """A mirror of everything public, as it is now: the pointer first, so that what it names is there."""
    mirror = demo.folder / name
    (mirror / "metadata").mkdir(parents=True)
    timestamp = (demo.public / "metadata" / "timestamp.json").read_bytes()
    shutil.copytree(demo.public, mirror, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".*"))
    (mirror / "metadata" / "timestamp.json").write_bytes(timestamp)
    return mirror


def sign_as_thief(demo: Demo, mirror: Path, name: str, forge: Callable[[NameState], NameState]) -> None:
    """With the stolen online key: replace a name's page and sign bin, snapshot and timestamp, all valid for TUF."""
    sign = HeldKey(sealed.unseal((demo.service / "online.key").read_bytes(), None))
    metadata, bins, later = mirror / "metadata", layout.Bins(8), datetime.now(UTC) + timedelta(days=1)
    timestamp = json.loads((metadata / "timestamp.json").read_bytes())["signed"]
    number = timestamp["meta"]["snapshot.json"]["version"]
    snapshot = json.loads((metadata / f"{number}.snapshot.json").read_bytes())["signed"]
    versions = {file.removesuffix(".json"): meta["version"] for file, meta in snapshot["meta"].items()}
    path = names.page_path(name)
    role = bins.role(bins.number(path))
    targets = json.loads((metadata / f"{versions[role]}.{role}.json").read_bytes())["signed"]["targets"]
    own = names.hashed(path, targets[path]["hashes"]["sha256"])
    forged = page_of(forge(page.parse((mirror / "targets" / own).read_bytes())), "compact")
    (mirror / "targets" / forged.stored_at).write_bytes(forged.body)
    entries = {each: compact(target).decode() for each, target in targets.items()} | {path: forged.targets[0].entry}
    versions[role] += layout.BIN_STRIDE
    made = bin_file(role, versions[role], entries, later, sign)
    metas = {each: Meta(version) for each, version in versions.items()}
    for each in ("targets", "held", "bins"):
        metas[each] = Meta.pinning(versions[each], (metadata / f"{versions[each]}.{each}.json").read_bytes())
    fresh = snapshot_file(number + 1, Listing.of(metas), later, sign)
    seen = Meta.pinning(number + 1, fresh.body)
    pointer = timestamp_file(timestamp["version"] + 1000, seen, datetime.now(UTC), later, sign)
    for file in (made, fresh, pointer):
        (mirror / file.path).write_bytes(file.body)


def _all_yanked(state: NameState) -> NameState:
    mark = Mark(stamp(datetime.now(UTC)), "owner", Reason("broken", "all of it"))
    yanked = tuple(replace(release, yank=Yank("owner", mark)) for release in state.releases)
    act = Act(state.serial + 1, "release.yanked", yanked[0].version, mark)
    return replace(state, serial=state.serial + 1, releases=yanked, history=(*state.history, act))


def _resurrected(state: NameState, evil: bytes) -> NameState:
    release = state.releases[0]
    files = tuple(replace(file, sha256=hashlib.sha256(evil).hexdigest(), size=len(evil)) for file in release.files)
    back = replace(release, state="published", removed=None, files=files)
    return replace(state, state="registered", serial=state.serial + 1, releases=(back,))


# -- running it ------------------------------------------------------------------------------------------------------

PLAY: Final[tuple[tuple[str, str, Callable[[Demo], None]], ...]] = (
    ("Download real wheels and sdists", "about 20 files", download),
    ("Hold a rehearsal ceremony with three holders", "2 of 3 signed, sealed", hold_ceremony),
    ("Begin the service with the sealed files", "rehearsal only if told", start_service),
    ("Register everything through the HTTP API", "signed and visible", register_everything),
    ("Install flask and rich with pip and uv", "installed, runs", install_and_run),
    ("Yank the newest rich", "nothing lower, unasked", yank),
    ("Unpublish the last version of six", "refused (7), lock too", unpublish_last),
    ("Reserve acme-tools for Acme Corporation", "refused (7)", reserve),
    ("Trust the registry for acme and acme-… alone", "refused (9)", map_names),
    ("Quarantine colorama", "refused (7)", quarantine),
    ("Ask for a name that only offline keys speak for", "refused (7)", hold),
    ("ATTACK: the mirror goes back in time", "rollback (3)", rollback),
    ("ATTACK: the mirror changes a byte of a wheel", "changed content (6)", tamper),
    ("ATTACK: the mirror swaps two bins", "swapped bin (5)", swap_bin),
    ("ATTACK: a removed version returns, key stolen", "contradiction (6)", resurrect),
    ("ATTACK: a lie for one victim, online key stolen", "not in the log (5)", lie_to_one),
    ("Replay the whole log from outside", "all of it follows", watch),
    ("ATTACK: the mirror freezes, and time passes", "expired (4)", freeze),
)


def play(demo: Demo) -> None:
    """Every step in order; what the attacker copies is copied in between."""
    for what, expected, act in PLAY:
        demo.step(what, expected, functools.partial(act, demo))
        if act is register_everything:
            copy_mirror(demo, "mirror-old")
        if act is hold:
            begin_freeze(demo)


def main() -> int:
    """Play, print the table, clean up; 0 only if every step was as expected."""
    began = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tallystick-demo-")))
        demo = Demo(folder, stack)
        stack.callback(demo.front.close)
        print("Tallystick: signed state for package registries. Watch a registry sign what it")
        print("means, and pip and uv install only what verifies.")
        try:
            play(demo)
        except Unexpected as error:
            print(f"\nNOT AS EXPECTED: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("\nInterrupted; cleaning up.", file=sys.stderr)
            return 130
        print(f"\n   {'what was shown':49} {'as expected':21} seconds")
        for number, shown in enumerate(demo.shown, 1):
            print(f"{number:2} {shown.what:49} {shown.expected:22} {shown.seconds:6.1f}")
        print(f"\nEvery step was as expected, with pip and with uv: {time.monotonic() - began:.0f} seconds.")
    return 0


def _versions(demo: Demo, name: str) -> list[str]:
    _, state = demo.call("GET", f"/v1/names/{name}")
    return [release["version"] for release in state["releases"]]


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout:
        process.stdout.close()


if __name__ == "__main__":
    sys.exit(main())
