"""Every verb of a change by the route that it ends, and the request that it asks for: the one list of them."""

from collections.abc import Mapping
from typing import Final

from repo_service.domain import requests as r

RELEASE_VERBS: Final[dict[str, type[r.Request]]] = {
    "publish": r.Publish,
    "yank": r.Yank,
    "approve": r.ApproveYank,
    "unyank": r.Unyank,
    "unpublish": r.Unpublish,
    "restore": r.Restore,
    "purge": r.PurgeRelease,
    "close": r.CloseRelease,
    "quarantine": r.QuarantineRelease,
    "clear": r.ClearRelease,
    "deprecate": r.DeprecateRelease,
    "undeprecate": r.UndeprecateRelease,
}
FILE_VERBS: Final[dict[str, type[r.Request]]] = {"remove": r.RemoveFile, "restore": r.RestoreFile, "purge": r.PurgeFile}
PROJECT_VERBS: Final[dict[str, type[r.Request]]] = {
    "archive": r.Archive,
    "unarchive": r.Unarchive,
    "deprecate": r.Deprecate,
    "undeprecate": r.Undeprecate,
    "quarantine": r.Quarantine,
    "clear": r.Clear,
    "lock": r.Lock,
    "unlock": r.Unlock,
    "assign": r.Assign,
    "respell": r.Respell,
    "unpublish": r.UnpublishProject,
    "restore": r.RestoreProject,
    "remove": r.RemoveProject,
    "verdict": r.Judge,
    "transfer": r.TransferProject,
}
NAME_VERBS: Final[dict[str, type[r.Request]]] = {
    "reserve": r.Reserve,
    "renew": r.Renew,
    "release": r.Release,
    "claim": r.Claim,
    "revoke": r.Revoke,
    "prohibit": r.Prohibit,
    "unprohibit": r.Unprohibit,
    "open-session": r.OpenSession,
    "claim-open": r.ClaimOpen,
    "transfer-reservation": r.TransferReservation,
}
NAMESPACE_VERBS: Final[dict[str, type[r.Request]]] = {
    "grant": r.Grant,
    "grant-child": r.GrantChild,
    "share": r.Share,
    "unshare": r.Unshare,
    "hand-over": r.HandOver,
    "end": r.EndGrant,
}
FAMILIES: Final[dict[str, Mapping[str, type[r.Request]]]] = {
    "release": RELEASE_VERBS,
    "file": FILE_VERBS,
    "project": PROJECT_VERBS,
    "name": NAME_VERBS,
    "namespace": NAMESPACE_VERBS,
}
"""The verbs of each family: of what there is a route ``<family>_verb``."""
ROUTES: Final[tuple[tuple[str | None, str, dict[str, type[r.Request]]], ...]] = (
    ("filename", "file_verb", FILE_VERBS),
    ("version", "release_verb", RELEASE_VERBS),
    (None, "project_verb", {**PROJECT_VERBS, **NAME_VERBS, **NAMESPACE_VERBS}),
)
"""What a change of a batch is about, by the most particular thing that it names."""
