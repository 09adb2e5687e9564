"""``tallystick-service policy``: which policy judges, and the next one announced."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from keys.times import stamp
from repo_service.commands import opening
from repo_service.commands.opening import current
from repo_service.domain.announcing import announce, differences
from repo_service.wiring import Service

if TYPE_CHECKING:
    from repo_service.commands.table import Commands


def add(commands: "Commands") -> None:
    """Add this family to the parser."""
    policy = opening.add(commands, "policy", _policy)
    policy.add_argument("do", choices=sorted(_POLICY), help="show what judges now and later; check or publish the next")
    policy.add_argument(
        "file", metavar="FILE", nargs="?", help="a .toml file or a preset (default: the settings' policy)"
    )
    policy.add_argument(
        "--approved-by", metavar="ID", action="append", default=[],
        help="an admin's opaque id; an emergency needs two of them (kept, never signed)",
    )  # fmt: skip


def _policy(options: argparse.Namespace) -> int:
    file = options.file
    source = str(Path(file).absolute()) if file and file.endswith(".toml") else file
    return _POLICY[options.do](current(options.folder), source, options.approved_by)


def _show_policy(service: Service, _: str | None, __: Sequence[str]) -> int:
    with service.journal.reading() as view:
        judging, published = view.policy(service.clock()), view.policies()
    for each in published:
        state = "judges now" if each.policy == judging else f"takes effect {each.effective_from}"
        if each.policy != judging and each.effective_from <= stamp(service.clock()):
            state = "was replaced"
        urgent = f", at once because: {each.policy.emergency}" if each.policy.emergency else ""
        print(f"{each.policy.id:20} published {each.published_at}, {state}{urgent}")
    return 0


def _check_policy(service: Service, source: str | None, approved_by: Sequence[str]) -> int:
    new, now = service.named_policy(source), service.clock()
    with service.journal.reading() as view:
        judging, published = view.policy(now), view.policies()
    for line in differences(judging, new):
        print(f"  {line}")
    found = announce(new, published, now, approved_by)
    print(f"{new.id} can be published; it would judge from {found.effective_from}. Nothing was written.")
    return 0


def _publish_policy(service: Service, source: str | None, approved_by: Sequence[str]) -> int:
    published = service.announce(service.named_policy(source), approved_by)
    print(f"Published {published.policy.id}: it judges from {published.effective_from}, and is signed as")
    print(f"  {published.path}")
    return 0


_POLICY: Final = {"show": _show_policy, "check": _check_policy, "publish": _publish_policy}
