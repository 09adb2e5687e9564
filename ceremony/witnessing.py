"""What anybody can do who holds no key: read a draft, replay a result, read and check the transcript."""

import argparse
from datetime import datetime
from pathlib import Path

from ceremony import directory, replay, seal, selfcheck, show, transcript
from ceremony.directory import TRANSCRIPT
from ceremony.errors import BadInput, Mismatch, Unfit
from ceremony.terminal import say
from keys import layout, trust
from keys.trust import RootOfTrust


def check_machine(arguments: argparse.Namespace, now: datetime) -> None:
    """Is this machine fit for a ceremony: no network, a clock that is right, no swap, a terminal."""
    since = directory.open_ceremony(arguments.request).drafted.at if arguments.request else None
    facts = selfcheck.facts(now, since, arguments.module)
    print("\n".join(selfcheck.report(facts)))
    if found := selfcheck.problems(facts):
        raise Unfit("\n".join(each.said for each in found), "\n".join(each.todo for each in found))


def show_draft(arguments: argparse.Namespace, now: datetime) -> None:
    """Print what a holder is shown: what changes, what follows, who signs, the words."""
    its = directory.open_ceremony(arguments.dir)
    answers = directory.collected(arguments.dir) if arguments.dir.is_dir() else []
    screens = show.screens(its, seal.collect(its.drafted, answers, its.names), now)
    print("\n\n".join(page for screen in screens for page in screen.pages))


def verify(arguments: argparse.Namespace, now: datetime) -> None:
    """Replay sealed/ as a witness: made from this plan, signed by whom, and followed by real clients."""
    its = directory.open_ceremony(arguments.dir)
    result = directory.read_trust(arguments.dir / "sealed")
    seal.check_dates(its.drafted, now)
    seal.check_result(its.drafted, result)
    print(_reached(result, arguments.pin))
    print(show.sealed_lines(result, its.names))
    followed = replay.replay(result, its.inputs.plan.oldest_root, arguments.tuf_js)
    say(followed)
    if (arguments.dir / TRANSCRIPT).exists():
        directory.tell(arguments.dir / TRANSCRIPT, now, "verified", draft=its.drafted.digest, clients=followed)
    print("Every signature, rule and page was verified, and the transcript is whole.")


def print_transcript(arguments: argparse.Namespace, _: datetime) -> None:
    """Print what happened, after checking that nothing was changed."""
    print("\n".join(transcript.printed(transcript.read(_transcript(arguments.dir)))))


def check_transcript(arguments: argparse.Namespace, _: datetime) -> None:
    """Check that no line was changed, taken out or put in, and that it ends where a witness says."""
    text = _transcript(arguments.dir)
    entries = transcript.read(text)
    heads = [transcript.head(b"\n".join(text.split(b"\n")[: number + 1]) + b"\n") for number in range(len(entries))]
    if arguments.head is not None and arguments.head not in heads:
        raise Mismatch(
            f"no line of this transcript has the head {arguments.head:.16}",
            "Somebody changed what came before that head was signed. Keep both files.",
        )
    print(f"The transcript is whole: {len(entries)} lines, head {transcript.head(text)}.")


def transcript_head(arguments: argparse.Namespace, _: datetime) -> None:
    """Print the digest of the last line, in words too: what witnesses sign with a key of their own."""
    text = _transcript(arguments.dir)
    transcript.read(text)
    head = transcript.head(text)
    if arguments.plain:
        print(head)
        return
    print("\n".join(show.word_table(head)))
    say(
        [
            "Each witness, with their own key and never with one of these:",
            f"  tallystick-ceremony transcript head {arguments.dir} --plain > head.txt",
            "  ssh-keygen -Y sign -n tallystick-transcript -f ~/.ssh/id_ed25519 head.txt",
        ]
    )


def _transcript(place: Path) -> bytes:
    path = place / TRANSCRIPT if place.is_dir() else place
    if not path.exists():
        raise BadInput(f"{path}: there is no transcript", "Name a ceremony's directory, or a holder's own transcript.")
    return directory.read_file(path)


def _reached(result: RootOfTrust, pin: Path | None) -> str:
    """How the chain of roots continues a root that a witness trusts."""
    if pin is None:
        return "NOT PINNED: only this directory says that these roots are yours."
    body = trust.parse_body(pin.name, layout.ROOT, directory.read_file(pin)).to_dict()
    for root in result.roots:
        if root.body.to_dict() == body:
            return f"The chain of roots continues from your root {root.body.version}."
    raise Mismatch(
        f"{pin.name}: your root {body['version']} is not in this chain of roots",
        "Stop. This is another repository, or somebody shows you another root: call the holders.",
    )
