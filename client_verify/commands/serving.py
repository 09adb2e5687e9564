"""The verified index that stays, and what leads installers to it: serve, config."""

import argparse
import os

from client_verify.commands import terminal
from client_verify.installing import serve
from client_verify.installing.index import LOOPBACK, PORT, VARIABLE, usual_port
from client_verify.installing.report import Entry
from client_verify.installing.snippets import SNIPPETS, snippet
from client_verify.places import Places
from client_verify.refusals import Refused, Usage
from client_verify.verifier import RENEWED_AFTER, Verifier


def add(commands: terminal.Commands) -> None:
    """Add this family to the parser."""
    command = terminal.command(
        commands,
        "serve",
        f"""
        A simple index with what the pinned repositories have signed, on a port of
        127.0.0.1 alone. It asks for newer metadata every minute. What it refuses it
        says, and `tallystick log` lists it. `tallystick config` prints what leads an
        installer here.

          tallystick serve                     http://{LOOPBACK}:{PORT}/simple/
          tallystick serve --ready-fd 3 3>up   writes its address there once it listens

        Ctrl-C or SIGTERM ends it. Exit codes: 0 ended so; 2 the port is taken.
        """,
        [terminal.ABOUT, terminal.ACCEPTING],
    )
    command.add_argument("--port", type=_port, metavar="N", help=f"instead of {VARIABLE} or {PORT}; 0 is a free one")
    command.add_argument("--ready-fd", type=int, metavar="N", help="a descriptor that gets the address, one line")
    command.set_defaults(answer=_serve)

    command = terminal.command(
        commands,
        "config",
        """
        Prints what to write, and where. It changes nothing.

          tallystick config uv >> uv.toml
        """,
    )
    command.add_argument("installer", choices=sorted(SNIPPETS))
    command.add_argument("--port", type=_port, metavar="N", help=f"instead of {VARIABLE} or {PORT}")
    command.set_defaults(answer=_config)


def _serve(arguments: argparse.Namespace, where: Places) -> int:
    accepted = terminal.accepted(arguments)
    verifier = Verifier.pinned(
        arguments.repo, accepted=accepted, renewed_after=RENEWED_AFTER, source=terminal.source(arguments)
    )
    spoken = serve.Spoken(terminal.complain, lambda entry: terminal.keep(where, entry, "serve"))
    try:
        verifier.open()
    except Refused as refused:
        # A machine that starts before its network is no reason to end: each request asks again, and is told why not.
        spoken.refuse(Entry("the repository", refused.code, refused.detail))
    spoken.know(verifier.warnings)

    def ready(address: str) -> None:
        terminal.complain(f"tallystick: {address}/simple/ is the verified index, until Ctrl-C")
        if arguments.ready_fd is not None:
            _tell(arguments.ready_fd, address)

    serve.until_stopped(verifier, _wanted(arguments), spoken, ready)
    return 0


def _tell(descriptor: int, address: str) -> None:
    try:
        with os.fdopen(descriptor, "w") as pipe:
            pipe.write(f"{address}\n")
    except OSError as error:
        raise Usage(f"--ready-fd {descriptor} cannot be written to: {error.strerror}. Nothing is served.") from None


def _config(arguments: argparse.Namespace, _: Places) -> int:
    print(snippet(arguments.installer, f"http://{LOOPBACK}:{_wanted(arguments)}/simple/"), end="")
    return 0


def _wanted(arguments: argparse.Namespace) -> int:
    return usual_port(os.environ) if arguments.port is None else int(arguments.port)


def _port(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 0 <= int(text) < 1 << 16:
        raise argparse.ArgumentTypeError(f"{text!r:.80} is no port: a number from 0 to 65535")
    return int(text)
