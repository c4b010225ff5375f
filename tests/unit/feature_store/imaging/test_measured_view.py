"""What is shown of a study is what is measured of it: the same grid, values and voxels."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from feature_store.imaging.harmonize import harmonize_boxed_mask, harmonize_ct
from feature_store.imaging.reading import read_study
from feature_store.imaging.regions import Region, make_regions
from feature_store.radiomic_features.settings import ExtractionSettings
from feature_store.study_features import load_study, prepared, view_of
from tests.support.synthetic_studies import write_study

SETTINGS = ExtractionSettings()


def test_a_view_is_cut_out_of_what_features_are_made_of(tmp_path: Path) -> None:
    *ct, rtstruct = write_study(tmp_path / "study", "VIEW-1")
    study = load_study(read_study(ct, rtstruct), "GTV-1")
    view = view_of(study, SETTINGS, (3.0, 6.0))

    volume, mask = prepared(study, SETTINGS)
    whole = harmonize_ct(volume)
    regions = make_regions(harmonize_boxed_mask(mask, volume, whole), 1.0, (3.0, 6.0)).masks
    assert list(view.masks) == [Region.GTV, Region.RING_3MM, Region.RING_6MM]
    for region, found in view.masks.items():
        assert found.shape == view.hu.shape
        assert int(found.sum()) == regions[region].count
    widest = regions[Region.RING_6MM].box
    z, y, x = (
        slice(max(0, part.start - margin), min(n, part.stop + margin))
        for part, margin, n in zip(widest, (2, 40, 40), whole.shape, strict=True)
    )
    assert np.array_equal(view.hu, whole.values(z, y, x))
    assert np.array_equal(view.masks[Region.GTV], regions[Region.GTV].whole()[z, y, x])
    assert np.allclose(np.diff(view.heights_mm), 1.0)
    assert np.isclose(view.heights_mm[0], whole.origin_mm[2] + z.start)
