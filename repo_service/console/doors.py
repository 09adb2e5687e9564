"""Who may open which page: a table, as the API has one. A page that is not in it is closed to everybody."""

from typing import Final

from repo_service.web import auth
from repo_service.web.auth import Caller, Permission

PREFIX: Final = "/console"
OPEN: Final = frozenset({"home", "sign_in", "sign_in_here", "sign_out", "static", "nowhere"})
"""Pages that say nothing of what is in this registry: the way in and out, the looks, and what is not there."""
PAGES: Final[dict[str, Permission]] = {
    "overview": "audit",
    "names": "read",
    "name": "read",
    "timeline": "read",
    "events": "audit",
    "holds": "audit",
    "hold": "audit",
    "approve": "change",
    "cancel": "change",
    "policies": "audit",
    "ceremonies": "audit",
    "log": "read",
}
"""What each page needs of a token. Who may sign in at all may ``audit``: an auditor, a moderator or an admin."""
PUBLIC: Final = frozenset({"names", "name", "timeline", "log"})
"""Pages that everybody may read where the setting says ``console = "public"``."""
STAFF: Final[Permission] = "audit"
"""What a token must allow to begin a session."""


def offered(page: str, caller: Caller | None, for_all: frozenset[str]) -> bool:
    """Whether a link to a page leads somewhere, where nobody need sign in for the pages in ``for_all``."""
    if caller is None:
        return page in for_all
    return PAGES[page] in auth.ROLES[caller.token.role].may
