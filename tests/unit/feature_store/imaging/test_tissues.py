"""Shares of tissues in a region are counted voxel by voxel, and add up to one."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest

from feature_store.imaging.body_mask import body_mask
from feature_store.imaging.boxed_mask import BoxedMask
from feature_store.imaging.harmonize import harmonize_ct, harmonize_mask
from feature_store.imaging.regions import Region, make_regions
from feature_store.imaging.tissues import TissueShares, tissue_shares
from tests.support.ct_volumes import ct_of


def chest() -> np.ndarray:
    """A body of 40 x 40 x 40 voxels whose left half is lung, with a bar of bone, in air."""
    hu = np.full((40, 50, 50), -1000.0)
    hu[:, 5:45, 5:45] = 40
    hu[:, 10:40, 25:40] = -850
    hu[:, 20:22, 8:20] = 700
    return hu


def test_the_shares_are_those_of_the_voxels() -> None:
    volume = ct_of(chest())
    ct = harmonize_ct(volume)
    body = harmonize_mask(body_mask(volume), volume, ct)
    gtv = np.zeros(volume.hu.shape, dtype=bool)
    gtv[15:25, 12:30, 1:30] = True  # from the air before the skin into the lung
    found = tissue_shares(ct, {Region.GTV: BoxedMask.of(gtv)}, body)[Region.GTV]
    # columns 1-4 of 29 are air, 25-29 lung; of 18 rows 2 are bone along 12 of 29 columns
    bone = 2 * 12 / (18 * 29)
    assert astuple(found) == pytest.approx((5 / 29, 20 / 29 - bone, bone, 4 / 29))
    assert found.in_words() == "17% lung, 64% soft tissue, 5% bone, 14% outside the body"


def test_a_ring_in_lung_is_lung() -> None:
    hu = np.full((60, 70, 70), -1000.0)
    hu[:, 5:65, 5:65] = 40
    hu[:, 10:60, 10:60] = -850
    hu[25:35, 30:40, 30:40] = 40
    volume = ct_of(hu)
    ct = harmonize_ct(volume)
    body = harmonize_mask(body_mask(volume), volume, ct)
    gtv = BoxedMask.of(np.pad(np.ones((10, 10, 10), dtype=bool), ((25, 25), (30, 30), (30, 30))))
    shares = tissue_shares(ct, make_regions(gtv, 1.0, (3, 6)).masks, body)
    assert shares[Region.GTV].soft_tissue == 1
    assert shares[Region.RING_3MM].lung == shares[Region.RING_6MM].lung == 1


@pytest.mark.parametrize("edge", ["left", "right", "front", "back"])
def test_lung_at_the_edge_of_the_image_is_no_outside(edge: str) -> None:
    rng = np.random.default_rng(4)
    hu = np.full((8, 90, 110), 40.0)
    hu[:, 20:70, 20:90] = -850
    hu += rng.normal(0, 25, hu.shape)
    cut = {
        "left": np.s_[:, :, 40:],
        "right": np.s_[:, :, :70],
        "front": np.s_[:, 40:],
        "back": np.s_[:, :50],
    }[edge]
    volume = ct_of(hu[cut])
    ct = harmonize_ct(volume)
    body = harmonize_mask(body_mask(volume), volume, ct)
    everything = BoxedMask.of(np.ones(volume.hu.shape, dtype=bool))
    assert tissue_shares(ct, {Region.GTV: everything}, body)[Region.GTV].outside < 0.002


def test_without_a_body_everything_is_outside() -> None:
    volume = ct_of(np.full((8, 8, 8), -1000.0))
    ct = harmonize_ct(volume)
    nobody = harmonize_mask(np.zeros(volume.hu.shape, dtype=bool), volume, ct)
    whole = BoxedMask.of(np.ones(volume.hu.shape, dtype=bool))
    assert tissue_shares(ct, {Region.RING_3MM: whole}, nobody) == {
        Region.RING_3MM: TissueShares(0, 0, 0, 1)
    }
