"""Regions of too few voxels are refused; unusual ones are not."""

from __future__ import annotations

import pytest

from feature_store.errors import RegionError
from feature_store.imaging.region_rules import REGION_RULES, RegionFacts
from feature_store.rules import refuse


@pytest.mark.parametrize("voxels", [27, 400, 2_000_000])
def test_an_unusual_gtv_is_not_refused(voxels: int) -> None:
    refuse(REGION_RULES, RegionFacts(gtv_voxels=voxels, ring_share_beyond_ct=0.2))


@pytest.mark.parametrize("voxels", [0, 26])
def test_a_gtv_without_neighbourhoods_is_refused(voxels: int) -> None:
    with pytest.raises(
        RegionError, match=rf"The GTV has {voxels} voxels?, expected at least 27"
    ) as caught:
        refuse(REGION_RULES, RegionFacts(gtv_voxels=voxels))
    assert caught.value.code == "gtv-too-small"
