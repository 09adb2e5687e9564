"""The coordinator's commands: from a plan to a request for each holder, and from their answers to sealed files.

A coordinator holds no key and decides nothing: what they hand around is made again on every holder's machine.
"""

import argparse
from datetime import datetime
from pathlib import Path

from ceremony import answers, checklist, codes, directory, emergency, inputs, plan, request, seal, show, situation
from ceremony.answers import Answer
from ceremony.dates import long_date
from ceremony.directory import TRANSCRIPT
from ceremony.draft import RENEW, key_problems
from ceremony.errors import BadInput, Refused
from ceremony.inputs import Ceremony
from ceremony.plan import Arrangements, Keyring, Log, Plan, log_of, signatory
from ceremony.terminal import fill, say
from ceremony.tool import TOOL
from keys import layout
from keys.encoding import sha256
from keys.tlog import proofs


def make_plan(arguments: argparse.Namespace, now: datetime) -> None:
    """Write a plan to be reviewed, with the public keys that it names."""
    keyring = Keyring(
        tuple(directory.read_public_key(path) for path in arguments.holder), directory.read_public_key(arguments.online)
    )
    if problems := key_problems(keyring):
        raise Refused(problems, "Ask each holder for a key of their own, under a name of their own.")
    proposed = Plan(
        name=arguments.name,
        url=arguments.url,
        purpose=arguments.purpose,
        rehearsal=arguments.rehearsal,
        threshold=arguments.threshold,
        days=arguments.days,
        bins=arguments.bins,
        held=tuple(arguments.held),
        online=signatory(keyring.online),
        holders=tuple(signatory(file) for file in keyring.holders),
        accept_no_spare=arguments.accept_no_spare,
        oldest_root=arguments.oldest_root,
        ceremony=Arrangements(),
        log=_log(arguments),
    )
    files = {inputs.PLAN: plan.write(proposed), inputs.ONLINE: directory.read_file(arguments.online)}
    plan.read(files[inputs.PLAN])
    files |= {
        f"{inputs.HOLDERS}{file.name}.pub": directory.read_file(path)
        for file, path in zip(keyring.holders, arguments.holder, strict=True)
    }
    if arguments.after is not None:
        files |= {f"{inputs.CURRENT}{path}": data for path, data in directory.read_former(arguments.after).items()}
    directory.write_all(arguments.dir, files)
    directory.tell(arguments.dir / TRANSCRIPT, now, "planned", repository=proposed.name, purpose=proposed.purpose)
    say([f"Written {arguments.dir / inputs.PLAN}, with {arguments.bins} bins. Read it and have others read it."])
    print(f"Next: tallystick-ceremony draft {arguments.dir}")


def _log(arguments: argparse.Namespace) -> Log | None:
    """The log of the plan: what is not said of it stays as the root before says it."""
    policy = proofs.policy_of(directory.read_trust(arguments.after).root) if arguments.after else None
    before = log_of(policy) if policy else Log(())
    said = Log(
        tuple(str(directory.read_log_key(path)) for path in arguments.log) or before.keys,
        tuple(map(str, arguments.witness)) or before.witnesses,
        before.quorum if arguments.quorum is None else arguments.quorum,
        arguments.log_begins_anew,
    )
    return None if arguments.no_log or said == Log(()) else said


def make_checklists(arguments: argparse.Namespace, _: datetime) -> None:
    """Write a checklist for everybody, to be printed; anew after the draft, which fills in digests."""
    files = directory.files(arguments.dir)
    its = inputs.read(files)
    drafted = inputs.open_ceremony(files).drafted if inputs.draft_files(files) else None
    digest = sha256(files[inputs.PLAN])
    made = checklist.checklists(its, drafted, digest, str(arguments.dir))
    for name, data in made.items():  # over those of before: they follow from the other files, and prove nothing
        directory.replace_in(arguments.dir, name, data)
    print(f"Written {len(made)} files in {arguments.dir / checklist.FOLDER}; print checklist.html.")


def plan_emergency(arguments: argparse.Namespace, now: datetime) -> None:
    """What to do now, step by step, for this very repository; and the plan of the ceremony to come."""
    found = situation.read(arguments.trust, arguments.public, arguments.lost)
    guide = emergency.steps(arguments.kind, found, now)
    if arguments.plan_out is not None:
        directory.write_all(arguments.plan_out, {inputs.PLAN: plan.write(guide.plan)})
    print(guide.text)
    if arguments.plan_out is not None:
        print(f"Written {arguments.plan_out / inputs.PLAN}, to compare with: new keys are not in it yet.")


def make_draft(arguments: argparse.Namespace, now: datetime) -> None:
    """Make what is to be signed; run again, it makes the same."""
    files = directory.files(arguments.dir)
    its = inputs.read(files)
    drafted = its.draft(inputs.drafted_at(files, its.plan) or now)
    directory.write_draft(arguments.dir, drafted)
    directory.tell(arguments.dir / TRANSCRIPT, now, "drafted", draft=drafted.digest)
    its_screens = show.screens(Ceremony(its, drafted), seal.collect(drafted, (), its.names), now)
    print("\n\n".join(its_screens[2].pages))
    print(f"\nDrafted {', '.join(f'{each.role} {each.version}' for each in drafted.candidates)}.")
    print(f"Next: tallystick-ceremony request {arguments.dir}")


def make_request(arguments: argparse.Namespace, now: datetime) -> None:
    """Write the one file that goes to every holder, on a stick."""
    files = directory.files(arguments.dir)
    its = inputs.open_ceremony(files)
    seal.check_dates(its.drafted, now)
    name = f"{request.name(its.drafted)}{request.SUFFIX}"
    directory.write_all(arguments.dir, {name: request.write(files, its.drafted, TOOL)})
    directory.tell(arguments.dir / TRANSCRIPT, now, "requested", file=name, draft=its.drafted.digest)
    print(f"Written {arguments.dir / name}. Its words:\n")
    print("\n".join(show.word_table(its.drafted.digest)))
    print()
    say(
        [
            "Next: copy this one file to a new stick for each holder. They say:",
            f"  tallystick-ceremony sign {name} --key NAME.key",
        ]
    )


def collect(arguments: argparse.Namespace, now: datetime) -> None:
    """Take in answers, or the text of their codes, each verified."""
    its = directory.open_ceremony(arguments.dir)
    present = {each.file_name: each for each in directory.collected(arguments.dir)}
    brought = [_brought(path, its) for source in arguments.source for path in _answer_files(source)]
    seal.collect(its.drafted, [*present.values(), *brought], its.names)
    new = [each for each in brought if each.file_name not in present]
    directory.write_all(arguments.dir / "answers", {each.file_name: answers.write(each) for each in new})
    for each in new:
        _tell(arguments.dir, now, each)
    known = "" if len(new) == len(brought) else f"; {len(brought) - len(new)} were here already"
    print(f"Collected {len(new)} answer{'' if len(new) == 1 else 's'}{known}.")
    print(_standing(arguments.dir, its))


def status(arguments: argparse.Namespace, now: datetime) -> None:
    """How far this ceremony is, and what comes next."""
    files = directory.files(arguments.dir)
    planned = inputs.read(files).plan
    heading = f"{planned.name}, {planned.url}"
    if not inputs.draft_files(files):
        print(f"{heading}\nPlanned, not drafted yet.\nNext: tallystick-ceremony draft {arguments.dir}")
        return
    its = inputs.open_ceremony(files)
    standing, following = _standing(arguments.dir, its), _next(arguments.dir, its)
    expires = min(candidate.body.expires for candidate in its.drafted.candidates)
    print(f"{heading}\nDrafted, good until {long_date(expires)}, in {(expires - now).days} days.")
    print(f"{standing}\n{fill(f'Next: {following}')}")


def make_sealed(arguments: argparse.Namespace, now: datetime) -> None:
    """Assemble the result when every threshold is met, and verify it."""
    its = directory.open_ceremony(arguments.dir)
    result = seal.seal(its.drafted, directory.collected(arguments.dir), its.names, now)
    directory.write_all(arguments.dir / "sealed", result.files())
    sealed = [result.newest[role].name for role in layout.OFFLINE]
    head = directory.tell(arguments.dir / TRANSCRIPT, now, "sealed", draft=its.drafted.digest, files=sealed)
    print(f"Sealed and verified: {', '.join(sealed)}.")
    again = min(body.expires for body in its.drafted.bodies.values()) - RENEW
    say(
        [
            f"Next: another person says tallystick-ceremony verify {arguments.dir}; then the service takes sealed/ in.",
            f"Keep sealed/ for the next ceremony, due before {long_date(again)}.",
            f"The head of the transcript is {head:.16}; witnesses sign it: transcript head {arguments.dir}",
        ]
    )


def _brought(path: Path, its: Ceremony) -> Answer:
    data = directory.read_file(path)
    if codes.is_code(data):
        return codes.read(path.name, data, its)
    return answers.read(path.name, data)


def _answer_files(source: Path) -> list[Path]:
    """An answer, or every answer in a folder."""
    if not source.is_dir():
        return [source]
    if not (found := sorted(source.glob(f"*{answers.SUFFIX}"))):
        raise BadInput(f"{source}: has no {answers.SUFFIX} file", "Name the answers that came back, or their folder.")
    return found


def _tell(folder: Path, now: datetime, answer: Answer) -> None:
    told: dict[str, object] = {"holder": answer.name, "key": answer.keyid, "their transcript": answer.transcript}
    if answer.declined:
        directory.tell(folder / TRANSCRIPT, now, "declined", **told, reason=answer.declined)
        return
    signed = [f"{each.role} {each.version}" for each in answer.signed]
    heard = "yes" if answer.heard else "no"
    directory.tell(folder / TRANSCRIPT, now, "answered", **told, signed=signed, heard=heard)


def _standing(folder: Path, its: Ceremony) -> str:
    """Who has signed for the old root and the new, and who said no."""
    collected = directory.collected(folder)
    signatures = seal.collect(its.drafted, collected, its.names)
    declined = [fill(f"{each.name} declined: {each.declined}") for each in collected if each.declined]
    return "\n".join([show.signature_lines(its.drafted, its.names, signatures), *declined])


def _next(folder: Path, its: Ceremony) -> str:
    signatures = seal.collect(its.drafted, directory.collected(folder), its.names)
    if (folder / "sealed").is_dir():
        return f"tallystick-ceremony verify {folder}; then the service takes in {folder / 'sealed'}"
    if all(count.met for *_, count in seal.counts(its.drafted, signatures)):
        return f"tallystick-ceremony seal {folder}"
    name = folder / f"{request.name(its.drafted)}{request.SUFFIX}"
    if not name.exists():
        return f"tallystick-ceremony request {folder}"
    return f"the holders named above sign {name}; then tallystick-ceremony collect {folder} ANSWER…"
