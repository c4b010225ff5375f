"""What must hold of a whole study that is read from files: right, or refused with a rule's code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from feature_store.errors import StudyDefect
from feature_store.imaging.boxed_mask import BoxedMask
from feature_store.imaging.contour_rules import CONTOUR_RULES, ContourFacts
from feature_store.imaging.ct_volume import CtVolume
from feature_store.imaging.harmonize import HarmonizedCt, harmonize_ct, harmonize_mask
from feature_store.imaging.reading import read_study
from feature_store.imaging.region_rules import LEAST_VOXELS
from feature_store.imaging.regions import Region, make_regions
from feature_store.imaging.voxel_rules import voxel_facts
from feature_store.radiomic_features.settings import ExtractionSettings
from feature_store.rules import Between, OneOf, Rule, fact
from feature_store.study_features import LoadedStudy, load_study, prepared
from tests.support.drawn_studies import FLOOR_HU, DrawnStudy

_CERTAIN = {
    "repeated-contour",
    "remnant-contour",
    "crossing-contour",
    "several-contour-items",
    "contour-offset",
}


def check_study(drawn: DrawnStudy, folder: Path) -> str:
    """Check what comes of a study's files; return the code of a refusal, or ``"right"``."""
    paths, rtstruct = drawn.write(folder)
    expected = drawn.refusals()
    study, defect = _loaded(paths, rtstruct)
    if defect is not None:
        may_be = expected or ({"contours-skip-slices"} if drawn.may_skip_slices() else set())
        assert defect.code in may_be, f"{defect.code}: {defect}, expected {may_be or 'no refusal'}"
        assert len(str(defect)) > 40
        assert "SECRET" not in str(defect)
        return defect.code
    assert study is not None
    assert not expected, f"accepted, expected {expected}"
    assert not np.isnan(study.volume.hu).any()
    clear = _check_voxels(drawn, study)
    _check_facts(drawn, study)
    volume, mask = prepared(study, ExtractionSettings())
    _check_places(drawn, volume, mask.whole(), clear)
    _check_regions(volume, mask.whole())
    return "right"


def _loaded(paths: list[Path], rtstruct: Path) -> tuple[LoadedStudy | None, StudyDefect | None]:
    try:
        return load_study(read_study(paths, rtstruct), "GTV-1"), None
    except StudyDefect as defect:
        return None, defect


def _check_voxels(drawn: DrawnStudy, study: LoadedStudy) -> npt.NDArray[np.bool_]:
    """Check the GTV on the grid as it was sent, and return where its answer is certain."""
    clear, wanted = drawn.clear, drawn.true_mask
    wrong = np.argwhere((study.gtv_mask != wanted) & clear)
    assert not len(wrong), f"{len(wrong)} voxels of the GTV are wrong, the first at {wrong[0]}"
    doubtful = int(np.count_nonzero(~clear))
    assert abs(int(study.gtv_mask.sum()) - int(wanted.sum())) <= doubtful
    return clear


def _check_facts(drawn: DrawnStudy, study: LoadedStudy) -> None:
    told = {rule.code for rule in CONTOUR_RULES if not _is_met(rule, study.contours)}
    assert told & _CERTAIN == drawn.warnings()
    off = max(drawn.depths_mm())
    assert abs(study.contours.off_plane_mm - off) < 1e-4
    assert ("contour-off-plane" in told) == (off > max(0.1, 0.05 * drawn.spacing_mm[2]))
    facts = voxel_facts(study.volume, study.drawn, FLOOR_HU)
    assert facts.gtv_outside_image == int(np.count_nonzero(drawn.padded & study.gtv_mask))


def _is_met(rule: Rule, facts: ContourFacts) -> bool:
    assert isinstance(rule.bounds, Between | OneOf)
    return rule.bounds.holds(fact(facts, rule.column))


def _check_places(
    drawn: DrawnStudy,
    volume: CtVolume,
    mask: npt.NDArray[np.bool_],
    clear: npt.NDArray[np.bool_],
) -> None:
    """Check that each voxel's value and membership lie at its place in the patient."""
    axes = volume.axes
    assert (np.abs(axes).argmax(axis=0) == (0, 1, 2)).all()
    assert (np.diag(axes) > 0).all()
    index = volume.to_index(drawn.positions_mm().reshape(-1, 3))
    nearest = np.round(index).astype(int)
    assert np.abs(index - nearest).max() < 1e-3
    x, y, z = nearest.T
    assert volume.hu.size == len(nearest)
    np.testing.assert_allclose(volume.hu[z, y, x], drawn.true_hu.ravel(), atol=1e-3)
    wrong = (mask[z, y, x] != drawn.true_mask.ravel()) & clear.ravel()
    assert not wrong.any(), "the GTV lies elsewhere in the patient"


def _check_regions(volume: CtVolume, mask: npt.NDArray[np.bool_]) -> None:
    """Check grid, GTV and ring at 1 mm by brute force."""
    ct = harmonize_ct(volume)
    gtv = harmonize_mask(mask, volume, ct)
    whole, sure = _nearest(mask, volume, ct)
    assert not ((gtv.whole() != whole) & sure).any()
    distance = ndimage.distance_transform_edt(~gtv.whole()) if gtv.count else np.zeros(ct.shape)
    ring = (distance > 0) & (distance <= 3 + 1e-6)
    if min(gtv.count, int(ring.sum())) >= LEAST_VOXELS:
        found = make_regions(BoxedMask.of(gtv.whole()), 1.0, (3,)).masks
        np.testing.assert_array_equal(found[Region.RING_3MM].whole(), ring)


def _nearest(
    mask: npt.NDArray[np.bool_], volume: CtVolume, ct: HarmonizedCt
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return the mask at the voxels that are nearest to the new grid's centres, the faces of the
    first voxels being one, and where none is equally near.
    """
    old, certain = [], []
    for n, size, step in zip(mask.shape, ct.shape, volume.spacing_mm[::-1], strict=True):
        at = (np.arange(size) + 0.5) / step - 0.5
        found = np.floor(at + 0.5).astype(int)
        old.append(np.clip(found, 0, n - 1))
        certain.append((np.abs(at + 0.5 - np.round(at + 0.5)) > 1e-6) & (found >= 0) & (found < n))
    inside = np.logical_and.outer(np.logical_and.outer(certain[0], certain[1]), certain[2])
    return mask[np.ix_(*old)], inside
