"""What voxels say of themselves tells a CT in HU, a tumour and metal from what is none."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from feature_store.imaging.boxed_mask import BoxedMask
from feature_store.imaging.voxel_rules import voxel_facts
from tests.support.ct_volumes import ct_of

GTV = np.zeros((4, 20, 20), dtype=bool)
GTV[1:3, 8:12, 8:12] = True
DRAWN = BoxedMask.of(GTV)


def chest() -> npt.NDArray[np.float64]:
    """Air around (half of the slice), tissue, and a lung that holds the tumour."""
    hu = np.full((4, 20, 20), -1000.0)
    hu[:, 5:15] = 40
    hu[:, 6:14, 6:14] = -850
    hu[GTV] = 35
    return hu


def test_a_chest_as_it_is() -> None:
    facts = voxel_facts(ct_of(chest()), DRAWN, -1000.0)
    lung = 4 * 64 - GTV.sum()
    assert facts.air_share == pytest.approx((4 * 200 + lung) / 1600)
    assert facts.soft_tissue_share == pytest.approx((4 * 136 + GTV.sum()) / 1600)
    assert facts.gtv_90th_percentile_hu == pytest.approx(35)
    assert (facts.gtv_outside_image, facts.metal_influence) == (0, 0.0)


@pytest.mark.parametrize("shift", [1024.0, -1024.0])
def test_a_shifted_intercept_shows_in_each_fact(shift: float) -> None:
    facts = voxel_facts(ct_of(chest() + shift), DRAWN, -1000.0)
    assert facts.gtv_90th_percentile_hu == pytest.approx(35 + shift)
    air = 4 * 200 + 4 * 64 - GTV.sum()
    assert facts.soft_tissue_share == (air / 1600 if shift > 0 else 0.0)
    assert facts.air_share == (0.0 if shift > 0 else 1.0)


def test_padding_counts_for_nothing_but_itself() -> None:
    padded = chest()
    padded[:, :5] = -np.inf
    padded[1, 8, 8:12] = -np.inf
    facts = voxel_facts(ct_of(padded), DRAWN, -1000.0)
    measured = 1600 - 400 - 4
    assert facts.gtv_outside_image == 4
    assert facts.gtv_90th_percentile_hu == pytest.approx(35)
    assert facts.air_share == pytest.approx((4 * 100 + 4 * 64 - GTV.sum()) / measured)


def test_limits_belong_to_what_they_limit() -> None:
    hu = chest()
    of_row = [-1500.0, -1499.0, -700.0, -701.0, -200.0, 200.0, 201.0, 32767.0, 32768.0, -201.0]
    hu[0, 0, : len(of_row)] = of_row
    facts = voxel_facts(ct_of(hu), DRAWN, -1000.0)
    measured = 1600 - 1  # what is at -1500 HU is padding
    air = 4 * 200 - len(of_row) + 2 + 4 * 64 - GTV.sum()
    assert facts.air_share == pytest.approx(air / measured)
    assert facts.soft_tissue_share == pytest.approx((4 * 136 + GTV.sum() + 2) / measured)
    assert facts.beyond_scale == 1


def test_a_gtv_of_padding_has_no_percentile() -> None:
    facts = voxel_facts(ct_of(np.where(GTV, -np.inf, chest())), DRAWN, -1000.0)
    assert facts.gtv_90th_percentile_hu is None
    assert facts.gtv_outside_image == GTV.sum()


def test_the_influence_of_metal_is_how_much_wider_it_makes_the_image() -> None:
    metal = chest()
    metal[0, 0, :16] = 30_000
    bounded = chest()
    bounded[0, 0, :16] = 3071
    facts = voxel_facts(ct_of(metal), DRAWN, -1000.0)
    assert facts.metal_influence == pytest.approx(metal.std() / bounded.std() - 1, rel=1e-6)
    assert facts.metal_influence > 1
    assert voxel_facts(ct_of(bounded), DRAWN, -1000.0).metal_influence == 0


def test_slices_that_were_copied_are_counted() -> None:
    hu = chest() + np.random.default_rng(4).normal(0, 10, GTV.shape)
    assert voxel_facts(ct_of(hu), DRAWN, -1000.0).repeated_slices == 0
    hu[2] = hu[1]
    assert voxel_facts(ct_of(hu), DRAWN, -1000.0).repeated_slices == 1
    hu[1:3] = -1000.0  # air, or nothing that was measured, is alike everywhere
    hu[1:3, :4] = -np.inf
    assert voxel_facts(ct_of(hu), DRAWN, -1000.0).repeated_slices == 0


@pytest.mark.parametrize(("step_hu", "values"), [(1, 401), (4, 101), (16, 25)])
def test_the_values_of_soft_tissue_are_counted(step_hu: int, values: int) -> None:
    hu = np.random.default_rng(4).integers(-200, 201, (4, 100, 100)) // step_hu * step_hu
    drawn = BoxedMask.of(np.ones(hu.shape, dtype=np.bool_))
    facts = voxel_facts(ct_of(hu.astype(float)), drawn, -1000.0)
    assert facts.soft_tissue_values == values
    few = voxel_facts(
        ct_of(hu[:1].astype(float)), BoxedMask.of(np.ones((1, 100, 100), bool)), -1000.0
    )
    assert few.soft_tissue_values is None
