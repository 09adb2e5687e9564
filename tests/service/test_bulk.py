"""Ten thousand names at once: batches in, one snapshot out, every file within what python-tuf takes by default."""

import json

from tuf.ngclient.config import UpdaterConfig

from keys import layout
from repo_service.build.listing import Listing, Meta
from repo_service.build.metadata import snapshot_file
from tests.service.door import ADMIN, BECAUSE, Door, Silent
from tests.world import BEGIN, World, online_key

ASKED, BATCH, MEANT = 1_000, 250, 10_000


def test_a_thousand_names_are_prohibited_in_one_snapshot_and_ten_thousand_would_fit(world: World) -> None:
    """Edge case 51: computed for ten thousand from what a thousand take; the test's registry has four bins only."""
    door = Door(world, bell=Silent())
    names = [f"evil-{number}" for number in range(ASKED)]
    for begin in range(0, ASKED, BATCH):
        listed = [
            {"verb": "prohibit", "name": name, "reason": BECAUSE, "actor": ADMIN}
            for name in names[begin : begin + BATCH]
        ]
        assert door.post("/v1/batch", {"items": listed}).status_code == 202
    release = world.service.round()
    assert release is not None and release.snapshot_version == 2
    assert world.service.round() is None, "nothing is left for another snapshot"

    allowed = UpdaterConfig()
    bins = [role for role in release.roles if role.name.startswith(layout.BIN_PREFIX)]
    listed_in = [len(json.loads(role.body)["signed"]["targets"]) for role in bins]
    assert len(bins) == 4 and sum(listed_in) == ASKED + 1, "every name, and the policy"
    assert max(len(role.body) for role in bins) * MEANT / ASKED < allowed.targets_max_length
    assert len((world.public / "metadata/2.snapshot.json").read_bytes()) < allowed.snapshot_max_length

    stock, ours = world.stock(), world.client()
    for name in (names[0], names[-1]):
        assert ours.page(name).state.state == "prohibited"  # type: ignore[union-attr]
        assert stock.get_targetinfo(f"simple/{name}/vnd.pypi.simple.v1.json") is not None


def test_the_snapshot_of_the_largest_repository_is_one_that_clients_take() -> None:
    """Edge case 51: it lists bins, not names, so it grows with the plan and not with the registry."""
    bins = layout.Bins(layout.MAX_BIT_LENGTH)
    signed_often = 9_999 * layout.BIN_STRIDE
    versions = {role: layout.first_version(number) + signed_often for number, role in enumerate(bins.roles())}
    listing = Listing.of({role: Meta(each) for role, each in versions.items()})
    snapshot = snapshot_file(2**40, listing, BEGIN, online_key())
    assert len(versions) == 16_384 and len(snapshot.body) < UpdaterConfig().snapshot_max_length
