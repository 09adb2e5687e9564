"""The words of a ceremony's checklists, in the form of ``sheets.parsed``: ceremony/checklist.py fills them in.

A step says who does what, what must be seen, and what else to do. Deviations go onto the exceptions sheet.
"""

from typing import Final

STANDBY: Final = """\
The standby date is used IF fewer holders come than must sign, a machine or a token fails, or somebody doubts what they
see. Nothing is lost by that: the files of before are good for weeks.
"""

APART: Final = "Nobody has two of these roles, and nobody sees another's passphrase or PIN."

DONE: Final = """\
== Done when

[ ] {dir}/sealed holds {files}, signed by enough holders
[ ] the witness has replayed it with stock clients, from every root that a client may have
[ ] the service has taken it in, and its status ends with: All is well.
[ ] a client that was there before and a fresh one both verify a name
[ ] the words of the transcript's head were read aloud, and every witness has signed it
[ ] every exception is closed, with who closed it and how
[ ] everything on the coordinator's last list is done
"""

BEFORE: Final = """\
== Before

[ ] {rehearsed}
[ ] two people built the tool, each alone, and their files have one SHA-256
[ ] what opens a key (passphrase or PIN) is kept apart from the key: never in one bag, never on this paper
[ ] the clock of every machine shows UTC, within a minute of a watch
[ ] tallystick-ceremony selfcheck says that each machine is fit
[ ] every holder has read plan.toml, and compared its words
[ ] the operator can take files in on the day, and knows what must come first
"""

COORDINATOR: Final = """\
You hand out and collect. You hold no key, and make nobody sign what they have not read.

# Coordinator: Make the draft.
$ tallystick-ceremony draft {dir}
> Drafted {files}.
! read each problem that is named, correct plan.toml, have it read again, and print new checklists.

# Coordinator: Make the request.
$ tallystick-ceremony request {dir}
> Written {dir}/{request}. Its words:
! {exception}

# Coordinator: Copy the request, and nothing else, onto each stick, and hand each to its holder: {sticks}.
! a stick that holds anything else is put aside, and a new one is taken.

# Coordinator: Read aloud what changes, with everybody present or on the line.
$ tallystick-ceremony show {dir}
! {stop}

# Holders: Sign, each by their own checklist, and hand back the sticks.

# Coordinator: Collect the answers, stick by stick. STICK is where it is mounted.
$ tallystick-ceremony collect {dir} STICK
! an answer that is refused goes back to its holder, with what the tool said.

# Coordinator: See who is missing.
$ tallystick-ceremony status {dir}
> Next: tallystick-ceremony seal {dir}
! wait for those who are named; IF they cannot come, THEN use the standby date.

# Coordinator: Seal.
$ tallystick-ceremony seal {dir}
> Sealed and verified: {sealed}
! {exception}

# Witness: Replay it, by your own checklist.

# Operator: Take {dir}/sealed in, by your own checklist.

== Afterwards

What comes first in publishing is the service's to know: targets, held, bins and their pages, every bin, the snapshot,
the timestamp, and the root last. The old root and the new accept all of it, so no client fails on the way.

[ ] archived, in two places: {dir} whole, these sheets, each holder's transcript, the SHA-256 of the tool and of any
recording
[ ] the next ceremony is in everybody's calendar for {next}: 90 days before the first file expires
[ ] {keys}
[ ] sticks that carried files are wiped or destroyed; bags are closed, and their numbers written down
[ ] what must be told is announced
"""

HOLDER: Final = """\
Your stick is {stick}. Your key is your own: no other hand touches it. You decide alone.{leaves}

# {name}: Start your machine. It has no network, and its clock shows UTC.
$ date --utc
! set the clock by a watch. IF it has a network, THEN unplug that and start again.

# {name}: Check it.
$ tallystick-ceremony selfcheck
! do what it says, or take another machine.

# {name}: See that your key opens. (It may lie on a token: then its file says where.)
$ tallystick-ceremony key test --key {name}.key
> The key of {name} opens, signs and verifies. Nothing of a repository was signed.
! for a token: never try a third time; {exception}

# {name}: Insert the stick {stick}. It holds {request} and nothing else. Copy that to your machine.
$ ls STICK
> {request}
! open nothing of it; {exception}

{pin}

# {name}: Begin to sign: five screens, one question each, and every answer but yes is no. Take your time.
$ tallystick-ceremony sign {request} --key {name}.key
! {stop}

# {name}: Screen 1, who and what: {repository}, {kind}, your name, today's date.
! say no, and {stop}

# {name}: Screen 2, what changes: only what you were told, and nothing else.
! say no, and {stop}

# {name}: Screen 3, what follows: you can answer for each of it.
! say no, and {stop}

# {name}: Screen 4, who signs: for the old root and for the new, and the files' digests.
! say no, and {stop}

# {name}: Screen 5, words: another holder reads theirs to you, from their own screen and not from yours. Type those
that you are asked for, then the sentence in full, then your passphrase or PIN.
> Signed and verified: {mine}.
! nothing was signed; {exception}

# {name}: Copy the answer, and nothing else, to the stick {stick}, and give it back. It never comes back to your
machine. Or show the answer to the coordinator's camera.
$ tallystick-ceremony code {answer}

# {name}: Write down the head of your transcript. Your key goes where it is kept, and what opens it somewhere else.
$ tallystick-ceremony transcript verify {name}.transcript.jsonl
"""

PIN: Final = """\
# {name}: Only IF your key has never signed for this repository: trust its newest root, by words that another holder
reads to you.
$ tallystick-ceremony pin {request} --key {name}.key
! {stop}
"""

WITNESS: Final = """\
You see everything and touch nothing. You read aloud, replay, and keep the exceptions sheet. You may stop the ceremony.

# Witness: Write down who is here, in which role and since when. Read the cover aloud.

# Witness: Compare the plan with the cover, digit by digit or word by word.
$ sha256sum {dir}/plan.toml
> {digest}  {dir}/plan.toml
! {stop}

# Witness: On your own machine, with your own copy of the request, read what changes. The words must be the
coordinator's.
$ tallystick-ceremony show {request}
! {stop}

# Witness: For each holder see that the stick is theirs, by colour and label, when it goes out and when it comes back:
{sticks}.
! {exception}

# Witness: Replay what was sealed, on your own machine, from a copy of {dir}.
$ tallystick-ceremony verify {dir}
> Every signature, rule and page was verified, and the transcript is whole.
! {stop}

# Witness: Read the head of the transcript aloud. Everybody writes down its first and its last word.
$ tallystick-ceremony transcript verify {dir}
$ tallystick-ceremony transcript head {dir}
! {stop}

# Witness: Sign the head with a key of your own, never with a key of the repository.
$ tallystick-ceremony transcript head {dir} --plain > head.txt
$ ssh-keygen -Y sign -n tallystick-transcript -f ~/.ssh/id_ed25519 head.txt

# Witness: Close each exception, or write down who will. Sign the cover.
"""

OPERATOR: Final = """\
You run the service. The online key never leaves it. What comes to the ceremony is {brought}.

{first}

# Operator: Read the id of the online key aloud, from the service and from the plan: {online}.
$ tallystick-ceremony key show SERVICE/{pub}
! {stop}

{log}

{before}

# Operator: Take the sealed files in.
$ tallystick-service {verb} SERVICE --sealed {dir}/sealed{practice}
! nothing was written: do what it says; {exception}

# Operator: Look.
$ tallystick-service status SERVICE
$ tallystick-service fsck SERVICE
> All is well.
! do what it says under: What to do.

# Operator: Verify a name with a client that was there before, and with a fresh one.
$ tallystick show NAME
! {exception}
"""

LOG: Final = """\
# Operator: Read the log's name and the first 16 digits aloud, from the service and from the plan: {names}.
$ sha256sum SERVICE/{pub}
! {stop}
"""

FIRST: Final = """\
# Operator: Make the online key, and bring {brought} to the coordinator.
$ tallystick-service key SERVICE{rehearsal}
! {exception}
"""

LATER: Final = """\
# Operator: Make a backup.
$ tallystick-service backup SERVICE FILE
"""

ROTATES: Final = """\
# Operator: The online key changes. See that both keys have signed everything.
$ tallystick-service status SERVICE
! wait. Until then the service refuses the sealed files, and nothing is lost.
"""

OUTSIDE: Final = """\
== How to open a key file without this tool

A .key file is PKCS#8, sealed with the passphrase. Any openssl from 3.0 on opens it, on a machine without a network.
The passphrase is typed in small letters, with one space between its words.
"""

CALL: Final = """\
IF a key is lost or stolen, a file expires or two roots have one number, THEN tallystick-ceremony emergency prints
what to do, for this repository.
"""

EXCEPTIONS: Final = """\
Whatever is not as a checklist says, however small: a cable that is missing, a clock that is wrong, a stick that was
another's. The witness keeps this sheet. A ceremony with exceptions is a good one if each is explained.
"""
