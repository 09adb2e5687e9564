"""What helps against a reason, and whom to ask: one row for each code that ``decide`` can give."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from repo_service.domain.case import Why
from repo_service.domain.demands import is_offered
from repo_service.domain.policy import Policy

Whom = Literal["owner", "holder", "support", "moderators", "admins", "registry"]
"""``registry`` is whoever wrote the request: its own program has something to send otherwise."""


@dataclass(frozen=True, slots=True)
class Remedy:
    """Who can do something about a reason, what would help, and which of our verbs do it or serve instead."""

    ask: Whom
    help: str
    verbs: tuple[str, ...] = ()


_R = Remedy

REMEDIES: Final[dict[str, Remedy]] = {
    # the request itself
    "version_invalid": _R("registry", "send a version as PEP 440 spells it, without a local part"),
    "files_missing": _R("registry", "send at least one file"),
    "file_invalid": _R("registry", "correct what the sentence names and send the request again"),
    "filename_mismatch": _R("registry", "name the file as its project and version are, or send it to the right one"),
    "upload_time_in_future": _R("registry", "set the clock that says uploaded_at, or leave uploaded_at out"),
    "actor_id_missing": _R("registry", "say actor.id"),
    "facts_missing": _R("registry", "look the fact up and send it with the time at which you looked"),
    "facts_stale": _R("registry", "look the fact up again and send it with the time at which you looked"),
    "reason_missing": _R("owner", "give a reason: a code, and a text for people"),
    "contact_unverified": _R("owner", "verify the account's primary contact; then send actor.contact with its date"),
    "role_insufficient": _R("registry", "let somebody act whose class the sentence names"),
    "second_approver_required": _R("admins", "let a second person approve it and send their id as actor.approver"),
    "feature_disabled": _R("support", "this registry does it only through support, or not at all"),
    "contact_suppressed": _R("owner", "let the registry write to the account's contact again, and verify it"),
    "step_up_required": _R("owner", "confirm the password or key again, with a second factor; then send actor.auth"),
    "needs_support": _R("support", "ask support, who looks into it"),
    "too_few_observers": _R("moderators", "a moderator can quarantine it at once", ("quarantine",)),
    "confirmation_missing": _R("owner", "type the project's name, and send it as confirm"),
    "rate_limited": _R("owner", "wait until the time that the reason names; a limit is the account's"),
    # the name
    "name_unknown": _R("registry", "check the spelling; a name begins with its first release", ("publish", "reserve")),
    "name_vacant": _R("registry", "check the spelling; nobody has the name", ("publish", "reserve")),
    "name_taken": _R("owner", "take another name, or ask its owner"),
    "name_reserved": _R("holder", "act as the holder, or wait: the reservation may end"),
    "name_placeholder": _R("support", "a claim that support grants opens the name to a new holder", ("claim",)),
    "name_prohibited": _R("admins", "take another name; only an admin lifts a prohibition", ("unprohibit",)),
    "name_held": _R("admins", "take another name; only a targets ceremony can release this one"),
    "reservation_not_renewable": _R("holder", "reserve the name anew once it is free", ("reserve",)),
    "renewal_limit": _R("holder", "publish a first release before the reservation ends", ("publish",)),
    "name_invalid": _R("registry", "choose a name of the form that the sentence describes"),
    "name_similar": _R("support", "choose another name; support can make an exception, which is on record"),
    "name_stdlib": _R("support", "choose another name; support can make an exception, which is on record"),
    "reservation_quota": _R("owner", "publish under a name that is reserved, or give one back", ("publish", "release")),
    # hands
    "recipient_unverified": _R("owner", "let the recipient verify a contact first"),
    "transfer_offer_over": _R("owner", "offer it again, and accept it in time", ("transfer",)),
    "session_not_transferable": _R("holder", "publish the first release, then transfer the project", ("publish",)),
    # namespaces
    "name_in_namespace": _R("owner", "take a name outside the namespace, or ask its organisation"),
    "namespace_unknown": _R("registry", "check the spelling; support grants namespaces", ("grant",)),
    "namespace_taken": _R("owner", "take another prefix, or ask its organisation"),
    "namespace_overlap": _R("support", "take a prefix that is in nobody's namespace and holds nobody's"),
    "namespace_not_owned": _R("owner", "let the organisation that owns the prefix ask for it"),
    "namespace_too_deep": _R("owner", "take a prefix of fewer parts"),
    "grandchild_grant": _R("owner", "share the child's namespace, or grant beside it", ("share", "grant-child")),
    "namespace_shared": _R("owner", "end the sharing first", ("unshare",)),
    "namespace_has_children": _R("owner", "end the child grants first", ("end",)),
    # the project
    "project_quarantined": _R("admins", "an admin clears the quarantine after looking into it", ("clear",)),
    "project_locked": _R("moderators", "an admin unlocks the project", ("unlock",)),
    "project_archived": _R("owner", "unarchive the project first", ("unarchive",)),
    # the release
    "release_not_found": _R("registry", "check the version; nothing was ever published under it"),
    "release_not_published": _R("owner", "restore the release, or publish a new version", ("restore", "publish")),
    "version_exists": _R("owner", "add files under the spelling that exists, or publish a new version", ("publish",)),
    "version_tombstoned": _R(
        "owner", "publish a new version, or restore this one with the files it had", ("publish", "restore")
    ),
    "release_closed": _R("owner", "publish a new version", ("publish",)),
    "release_quarantined": _R("admins", "an admin clears the release after looking into it", ("clear",)),
    "admin_yank_locked": _R("admins", "publish a new version; only the registry lifts its own yanks", ("publish",)),
    "yank_not_held": _R(
        "admins", "look at the release again: its yank was cancelled, or there never was one", ("yank",)
    ),
    "unpublish_window_over": _R(
        "support", "yank or deprecate it, or ask support to unpublish it", ("yank", "deprecate")
    ),
    "has_dependents": _R("support", "yank or deprecate it: what depends on it goes on working", ("yank", "deprecate")),
    "restore_window_over": _R("owner", "publish a new version", ("publish",)),
    "restore_locked": _R("admins", "an admin can restore it within the window", ("restore",)),
    "restore_other_holder": _R("owner", "publish a new version; an earlier holder's does not come back", ("publish",)),
    "purged": _R("owner", "publish a new version", ("publish",)),
    # one file
    "file_exists": _R("owner", "publish a new version: a file's bytes never change", ("publish",)),
    "artifact_identity_conflict": _R("owner", "publish a new version, or send the file as it was named", ("publish",)),
    "file_not_found": _R("registry", "check the file's name against the release"),
    "filename_tombstoned": _R("owner", "restore the file, or publish a new version", ("restore", "publish")),
    "version_full": _R("owner", "publish a new version", ("publish",)),
    "content_taken_down": _R("admins", "publish other bytes; an admin's verdict can acquit these", ("verdict",)),
    "last_file": _R("owner", "unpublish the release", ("unpublish",)),
    # all of a project
    "too_many_downloads": _R(
        "support", "deprecate or archive it, or ask support to remove it", ("deprecate", "archive")
    ),
    "multiple_owners": _R(
        "support", "let the other owners leave first, or ask support to remove it", ("deprecate", "archive")
    ),
    "takedown_covers_more": _R(
        "admins", "say ok of all its versions, and what becomes of the others in verdicts of their own", ("verdict",)
    ),
    # flags
    "flag_read_only": _R("admins", "send it again when the flag is cleared"),
    "flag_deletions_halted": _R("admins", "yank it meanwhile, or send it again when the flag is cleared", ("yank",)),
    "flag_new_names_halted": _R("admins", "send it again when the flag is cleared"),
    "flag_uploads_halted": _R("admins", "send it again when the flag is cleared"),
}


def alternatives(reasons: Iterable[Why], policy: Policy) -> tuple[str, ...]:
    """Verbs that help against any of the reasons or serve instead, as far as owners may use them here."""
    verbs = dict.fromkeys(verb for why in reasons for verb in REMEDIES[why.code].verbs)
    return tuple(verb for verb in verbs if is_offered(policy, verb))
