"""The words of the guides for emergencies: what ceremony/emergency.py fills with a repository's names and numbers.

The form is that of ``sheets.parsed``. What it says of clients was seen with stock ones:
tests/ceremony/test_emergency.py, tests/walks/test_emergencies.py, tests/walks/test_rotations.py.
"""

from collections.abc import Mapping
from typing import Final

CEREMONY: Final = """\
# Coordinator: Write the plan. Have somebody else read plan.toml. Then make the request, and give it to every holder on
a stick of their own.
$ {plan}
$ tallystick-ceremony draft {dir}
$ tallystick-ceremony request {dir}

# Witness: Read aloud what changes. Nothing may change that this guide does not name. Write down every exception.
$ tallystick-ceremony show {dir}

# Holders: Sign, each on their own machine, from a root that their own key trusts. {needed} Whose key is new first
trusts root {root}, by words that another holder reads to them.
$ tallystick-ceremony pin {request} --key YOURS.key
$ tallystick-ceremony sign {request} --key YOURS.key

# Coordinator: Collect the answers, and seal.
$ tallystick-ceremony collect {dir} ANSWERS
$ tallystick-ceremony seal {dir}

# Witness: Replay it as clients will, from every root there ever was.
$ tallystick-ceremony verify {dir}
"""

NEW_CHAIN: Final = """\
# New holders: Be at least {count} people, in different places. Each makes a new key under a name of their own; the
plan below calls them NEW-1, NEW-2 and so on. One key serves one repository, so nobody takes an old one.
$ tallystick-ceremony key new YOURS --out STICK

# Operator: Begin a new service, in a folder and at an address of its own.
$ tallystick-service key NEW-DIR --name {new_online}

{log}

# Coordinator: Plan a first ceremony: there is no --after, so it begins at root 1. Write the new address in place of
NEW-ADDRESS. Have somebody else read plan.toml, and give the request to every new holder.
$ {plan}
$ tallystick-ceremony draft {dir}
$ tallystick-ceremony request {dir}

# New holders: Sign, each on their own machine. Needed: root 1, targets 1, held 1 and bins 1, each by {threshold} of
you.
$ tallystick-ceremony sign {request} --key YOURS.key

# Coordinator: Collect the answers, and seal. Somebody else replays it.
$ tallystick-ceremony collect {dir} ANSWERS
$ tallystick-ceremony seal {dir}
$ tallystick-ceremony verify {dir}

# Operator: Publish it, and bring the content in from the registry's own records (docs/FORMAT.md, Import).
$ tallystick-service init NEW-DIR --sealed {dir}/sealed
$ tallystick-service import NEW-DIR CONTENT.ndjson

# Coordinator: Publish the fingerprint of the new root 1 in at least two ways that do not hang on the old address.
Release clients that carry the new root and the new address. Users of tallystick type:
$ tallystick trust remove {name}
$ tallystick trust add {name} --url NEW-ADDRESS --root 1.root.json --fingerprint sha256:HEX
"""

NEW_LOG: Final = """\
# Coordinator: The witnesses of the old log do not know the new one. Give them NEW-DIR/log.pub, and name in the plan
those that cosign it: --witness KEY, one for each, and --quorum Q.
"""

RACE: Final = """\
# Coordinator: IF no other root {next_root} was seen anywhere, and {threshold} holders who are honest still have their
keys, THEN race: a root {next_root} that replaces every holder, at the old address. It saves each client that meets it
before the thief's. {needed} Its new holders make keys for it alone. Then request, sign, collect, seal and verify it as
the one below.
$ tallystick-ceremony key new YOURS --out STICK
$ {plan}
$ tallystick-ceremony draft {dir}
$ tallystick-service take-in DIR --sealed {dir}/sealed
"""

_WORKED: Final = """\
== HOW TO KNOW THAT IT WORKED

# Witness: No embedded root is left behind.
$ tallystick-ceremony verify {dir}

# Operator: It ends with: All is well.
$ tallystick-service status DIR

# Anybody: On a machine that has installed before, and on a fresh one:
$ tallystick show NAME
$ tallystick status
"""

_WORKED_ANEW: Final = """\
== HOW TO KNOW THAT IT WORKED

# Witness: The new root 1 is what the new holders signed.
$ tallystick-ceremony verify {dir}

# Operator: It ends with: All is well.
$ tallystick-service status NEW-DIR

# Anybody: On a fresh machine that trusts the new root:
$ tallystick show NAME --repo {name}
"""

_ONLINE_KEY: Final = """\
== EMERGENCY: THE ONLINE KEY IS STOLEN

{about}

Stolen: {online}. It signs timestamp, snapshot and all {bins} bins. The same if a host that holds it was broken into.

{public_now}

== WHAT TO DO

# Operator: Stop every `serve` and `worker` on every host, so that nothing is signed on top of what a thief made. Take
the broken host off the network, and do not wipe it.
$ systemctl stop tallystick

# Operator: Copy the whole public folder and the logs away, as evidence. Then find the last good state. `status` says
which timestamp this service signed last, LAST-GOOD, and fsck names each public file that is not as it was signed. If
the host of the database was broken into, go back to a backup from before. IF fsck names nothing, THEN the thief wrote
nothing there: a new online key as always lets no client fail and takes the old one away too (docs/OPERATIONS.md).
$ tallystick-service status DIR
$ tallystick-service fsck DIR

# Operator: On a clean host move the stolen key out of the folder, and make a new one. Bring online.pub to the
coordinator.
$ mv DIR/online*.key DIR/online*.pub EVIDENCE/
$ tallystick-service key DIR --name {new_online}

{log_too}

{ceremony}

# Operator: Take the sealed files in. What the thief put into the public metadata is taken out and kept in DIR/theft.
All {bins} bins, the snapshot and the timestamp are signed with the new key, at the versions after the last good ones.
$ tallystick-service take-in DIR --sealed {dir}/sealed --key-stolen LAST-GOOD

# Operator: Purge the CDN, which may go on serving the thief's files.

# Operator: Start the service. Compare each name that changed since the theft with the registry's own records.
$ systemctl start tallystick
$ tallystick-service fsck DIR

# Coordinator: Announce it: from when to when signatures may be the thief's, what clients see, and that root
{next_root} ends it.

== WHAT NOT TO DO

- Do not leave the old key in root {next_root} beside the new one. A client that a thief took to a far version of
timestamp or snapshot comes back only when the old keys of BOTH are gone. The draft does that.
- Do not run `tallystick-service recover`. What is public may be signed by the thief, and recover would make it the
journal's own.
- Do not begin again at version 1, and overwrite no file. Stores and caches keep a name with its bytes for ever.
- Do not delete what the thief signed. It is the evidence of what clients may have seen.

== WHAT CLIENTS SEE

- Until you publish again they go on with what is public, until the timestamp expires: {timestamp_expires}.
- Clients with a cache and fresh ones follow root {next_root} by themselves.
- Clients that the thief took to higher versions are well again with root {next_root}: it makes them throw away cached
timestamps and snapshots of the old key. So versions go on at the last good one + 1.
- What the thief signs after that is refused: signed by 0 of 1 keys. A client that is kept from root {next_root}
believes the thief until root {root} expires: {root_expires}.
- `tallystick` remembers what it verified of each name. A machine that saw the thief change a name goes on refusing that
name, until its user has read the announcement and says `tallystick forget NAME`.

"""

LOG_TOO: Final = """\
# Operator: IF log.key lay on the same host, THEN it is stolen too. Make the log's next key, and add --log
DIR/log-next.pub to the plan. An hour after the new root is public let it sign alone: key DIR --retire-log.
$ tallystick-service key DIR --next-log
"""

_LOG_KEY: Final = """\
== EMERGENCY: THE LOG'S KEY IS STOLEN OR LOST

{about}

Stolen or lost: {log_keys}. It signs what the log {log} holds, and nothing that anybody installs. With it a thief can
show somebody another history of the log. With the online key too they can sign for one victim what nobody else ever
sees.
{witnessed} The key also makes the log's salts: whoever has it may guess texts that were taken back.

== WHAT TO DO

# Operator: IF the online key ({online}) lay on the same host, THEN it is stolen too: do what `emergency online-key`
says, on a clean host, and name the log's new key in the same ceremony with --log DIR/log-next.pub.

# Operator: Make the log's next key, and start the service again: from then on both keys sign. Give log-next.pub to the
coordinator and to whoever runs a witness.
$ tallystick-service key DIR --next-log
$ systemctl restart tallystick

# Operator: IF nobody has the key any more, THEN make another instead, for the same log, and take log.pub where it says
log-next.pub below. Nothing is published until root {next_root} is.
$ tallystick-service key DIR --log --log-name {log}

# Witnesses: Compare the last checkpoint that you cosigned with the public one. IF neither goes on from the other, THEN
it is a fork: keep both, and cosign nothing until the coordinator has seen them.
$ curl {checkpoint}

{ceremony}

# Operator: Take the sealed files in. IF there are two keys, THEN an hour later let the new one sign alone, start the
service again, and destroy the old one.
$ tallystick-service take-in DIR --sealed {dir}/sealed
$ tallystick-service key DIR --retire-log
$ systemctl restart tallystick

# Coordinator: Announce it: since when checkpoints may be the thief's, and that root {next_root} ends it. Whoever was
shown one that the public log does not go on from is asked to send it.

== WHAT NOT TO DO

- Do not take log.key away before root {next_root} is public. Until then clients know no other key of the log, and those
that require the log would refuse everything.
- Do not name both keys in root {next_root}. What the thief signs would go on counting.
- Do not begin another log, under another name. What is in the log stays true, and the new key goes on from it.
- Do not delete a checkpoint that the thief signed. It proves the theft.

== WHAT CLIENTS SEE

- Nothing. Those with a cache and fresh ones follow root {next_root} in one step. Stock clients never ask for the log.
- Whoever has root {next_root} refuses what the old key signs alone. A client that is kept from it believes the old key
until root {root} expires: {root_expires}.

"""

_HOLDER_LOST: Final = """\
== EMERGENCY: ONE HOLDER'S KEY IS LOST OR STOLEN

{about}

{lost_now}

== WHAT TO DO

# Coordinator: Tell every holder, by voice. Was the key lost (nobody has it) or stolen (somebody may)? Collect nothing
that it signs from now on.

# New holder: Make a key, under a name of your own in place of NEW, and bring NEW.pub to the coordinator. Read its
words aloud to two people who know your voice.
$ tallystick-ceremony key new NEW --out STICK
$ tallystick-ceremony key show STICK/NEW.pub

{ceremony}

# Operator: Take the sealed files in.
$ tallystick-service take-in DIR --sealed {dir}/sealed

# Lost holder: If the key turns up again, do not use it. Destroy it before the witness.

== WHAT NOT TO DO

- Do not count the new holder for the old root. {threshold} of the old ones must sign root {next_root}. Fewer of them
and the new one together are refused by every client.
- Do not lower the threshold instead. That too needs {threshold} of the old holders, and then a thief needs fewer keys.
- Do not hand the lost holder's backup to somebody else. A new person makes a new key.
- Do not sign a second root {next_root} because the first has a mistake. First abandon the first, and only if nobody
can publish it: `tallystick-ceremony abandon`.

== WHAT CLIENTS SEE

- Nothing. Those with a cache and fresh ones follow root {next_root} in one step.
- A root {next_root} that lacks signatures and was published by mistake may be replaced by the right one: no client
took it.
- If nothing is done they go on until {deadline}.

"""

_QUORUM_LOST: Final = """\
== EMERGENCY: TOO FEW HOLDERS REMAIN TO SIGN A ROOT

{about}

{lost_now}

What is online goes on by itself until {deadline}. Until then nobody can change held names, the online key, the holders
or the number of bins.

== WHAT TO DO

# Every holder: Look for every copy of your key: sticks, paper, shares in safes, a former machine. If one that comes
back makes {threshold}, stop here and say `emergency holder-lost`.
$ tallystick-ceremony key test --key YOURS.key

# Operator: Let the old service run, and leave the old address as it is. Guard the online key ({online}) well: if it is
stolen now, nobody can replace it.

{new_chain}

# Registry: Send each change to both services, as long as clients look at both.

# Operator: When {deadline}, clients at the old address refuse. Stop the old service then. Leave its files.

== WHAT NOT TO DO

- Do not put a root {next_root} that lacks signatures, or another root 1, under the old address. Clients there would
refuse at once. Left alone they go on until the date above.
- Do not bring the keys that remain together in one place to try something. They are still good keys.
- Do not have users give up the old root before the new address answers.

== WHAT CLIENTS SEE

- At the old address, with a cache or without: all is well until {deadline}.
- At the new address: only those that were given the new root, with a new release of the client or by hand. Nothing
leads there from the old root. That is what a lost quorum means.

"""

_QUORUM_STOLEN: Final = """\
== EMERGENCY: SOMEBODY ELSE CAN SIGN A ROOT

{about}

Whoever has {threshold} of these keys can make root {next_root}. Each client that meets it follows the thief from then
on.

{public_now}

{seen}

== WHAT TO DO

# Everybody: Sign nothing but what this guide lists. Believe no file and no message. Meet, or call people whose voices
you know.

# Operator: Stop the service. Copy the public folder, the mirrors' and the CDN's, as evidence. Look in each for a root
{next_root} that no ceremony of yours made.
$ systemctl stop tallystick
$ ls -l {public}/metadata/{next_root}.root.json

# Coordinator: Say publicly, today, that the keys are stolen, since when, and that nothing is to be installed from the
old address. Each day of silence makes victims.

{race}

{new_chain}

# Coordinator: Publish a list of what is good: every file with its hash, from the registry's own records. What was
installed since the theft may be the thief's.

== WHAT NOT TO DO

- Do not publish a root {next_root} of your own once another root {next_root} was seen anywhere. Two roots of one
version split the clients.
- Do not use an old holder's key for the new chain, nor a machine or a stick that held one.
- Do not wait for a date. That root {root} expires on {root_expires} stops nobody who can sign the next one.
- Do not let old and new clients share an address.

== WHAT CLIENTS SEE

- Those that have not met the thief's root {next_root}: all is well until they do.
- Those that have met it stay with the thief. A later good root that is embedded anew (bootstrap) cures a stock client,
and it stays well. With the old root embedded the thief's files are found first, in its own cache: delete its cached
metadata.
- `tallystick` begins at the new address with nothing cached. What it verified at the old one does not count there.

"""

_EXPIRED: Final = """\
== EMERGENCY: WHAT HOLDERS SIGN HAS EXPIRED, OR IS ABOUT TO

{about}

{dates}

An outage, or the threat of one, and no loss: the same people sign the next version with the same keys.

== WHAT TO DO

{ceremony}

# Operator: Take the sealed files in.
$ tallystick-service take-in DIR --sealed {dir}/sealed

== WHAT NOT TO DO

- Do not make new keys in a hurry, and change nothing else in the plan. The fewer changes, the fewer mistakes.
- Do not set back the clock of a machine that signs, publishes or installs.
- Do not move to a new address, and do not skip a version. At a gap clients stop silently, with the root before it.
- Do not wait for all holders. {threshold} of {count} are enough.

== WHAT CLIENTS SEE

{refuse}
- {after}
- That older roots in the chain have expired does not matter. Clients ask for the date of the newest only.

"""

_FORK: Final = """\
== EMERGENCY: THERE ARE TWO DIFFERENT ROOTS {root}

{about}

{sealed}/{root}.root.json, SHA-256 of what is signed: {digest}

{other}

== WHAT TO DO

# Everybody: Stop. Nobody signs, publishes or deletes.

# Coordinator: Bring both roots {root} together, and compare them. Then find out whether both were ever public: the
public folder, each mirror, the CDN, the caches of clients.
$ sha256sum {sealed}/{root}.root.json {public}/metadata/{root}.root.json

# Holders: IF only one of them was ever public, THEN give the other up. Each holder who signed it abandons it, and
every copy of it and of its answers is destroyed. That is all: no client was split.
$ tallystick-ceremony abandon REQUEST --key YOURS.key --reason "two roots {root}"

# Coordinator: IF both were public, THEN leave under the address the one that is there now. {sealed} must hold that
one. Make a root {next_root} that both sides accept. {both}

# Holder: A draft is made only if something changes. So one holder, {leaver}, takes a new key, and signs with the old
one too.
$ tallystick-ceremony key new NEW --out STICK

{ceremony}

# Operator: Take the sealed files in.
$ tallystick-service take-in DIR --sealed {dir}/sealed

# Coordinator: IF root {next_root} could not be signed for both, THEN clients of the root that was given up refuse from
now on. Tell their users to trust the newest root by hand, after deleting the metadata that their client has cached.
$ tallystick trust remove {name}
$ tallystick trust add {name} --url {url} --root {next_root}.root.json --fingerprint sha256:HEX

== WHAT NOT TO DO

- Do not exchange the {root}.root.json that is public. Whoever has it keeps it, and the split only moves.
- Do not make a third root {root}, and do not skip to root {after_next}. At a gap clients stop silently, with the root
before it.
- Do not take an entry out of a key's memory to be able to sign. It is what prevents this.

== WHAT CLIENTS SEE

- A client never takes a second root of a version that it has. It follows a root {next_root} that enough keys of ITS
root {root} have signed.
- Fresh clients see only the root {root} that is under the address.
- A root {next_root} that is signed for one side only leaves the other behind, and nothing at the address brings it
back.

"""

TEXTS: Final[Mapping[str, str]] = {
    "online-key": _ONLINE_KEY + _WORKED,
    "log-key": _LOG_KEY + _WORKED,
    "holder-lost": _HOLDER_LOST + _WORKED,
    "quorum-lost": _QUORUM_LOST + _WORKED_ANEW,
    "quorum-stolen": _QUORUM_STOLEN + _WORKED_ANEW,
    "expired": _EXPIRED + _WORKED,
    "fork": _FORK + _WORKED,
}
"""A guide for each kind of emergency."""
