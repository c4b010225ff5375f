"""From one complete study to its features: load, harmonise, make regions, extract."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from feature_store.cores import both, side_by_side
from feature_store.errors import StudyDefect
from feature_store.imaging.body_mask import body_mask, body_on, lung_mask
from feature_store.imaging.boxed_mask import Box, BoxedMask, union, with_margin
from feature_store.imaging.contour_combination import OverlappingContours
from feature_store.imaging.contour_rules import ContourFacts, contour_facts
from feature_store.imaging.ct_volume import CtVolume, ct_volume
from feature_store.imaging.deep_input import deep_input
from feature_store.imaging.gtv_choice import ChosenGtv, in_the_ct_that_is_listed, select_gtv
from feature_store.imaging.harmonize import (
    HarmonizedCt,
    HarmonizedGrid,
    harmonize_boxed_mask,
    harmonize_ct,
    harmonize_mask,
    harmonized_grid,
)
from feature_store.imaging.measured_view import MeasuredView, measured_view
from feature_store.imaging.orientation import boxed_in_lps_order
from feature_store.imaging.perturbation import Perturbation, perturbed_masks
from feature_store.imaging.rasterize import rasterize
from feature_store.imaging.reading import StudyReading
from feature_store.imaging.region_rules import RegionFacts
from feature_store.imaging.regions import Region, make_regions
from feature_store.imaging.regions_on_ct import RegionOnCt, drawn_on_ct, region_on_ct
from feature_store.imaging.structure_set import Roi, StructureSet
from feature_store.imaging.tissues import TissueShares, tissue_shares
from feature_store.radiomic_features.extractor import FilteredCt, extract
from feature_store.radiomic_features.feature_vector import FeatureVector
from feature_store.radiomic_features.filters import near
from feature_store.radiomic_features.possible_values import impossible_features
from feature_store.radiomic_features.settings import ExtractionSettings

ExtractionEngine = Callable[
    [HarmonizedCt, Mapping[Region, BoxedMask], ExtractionSettings], dict[Region, FeatureVector]
]


@dataclass(frozen=True, eq=False)
class LoadedStudy:
    """A CT with its contour.

    Parameters
    ----------
    volume : CtVolume
        The CT in HU on its own grid.
    structure_set : StructureSet
        The RTSTRUCT.
    gtv : Roi
        The ROI that the centre's rule chose.
    drawn : BoxedMask
        Its voxels on the CT's grid.
    contours : ContourFacts
        What happened to its contours.
    """

    volume: CtVolume
    structure_set: StructureSet
    gtv: Roi
    drawn: BoxedMask
    contours: ContourFacts

    @property
    def gtv_mask(self) -> npt.NDArray[np.bool_]:
        """The GTV's voxels on the whole grid of the CT, shape (z, y, x)."""
        return self.drawn.whole()


@dataclass(frozen=True, eq=False)
class StudyFeatures:
    """What was measured on one study.

    Parameters
    ----------
    vectors : mapping of Region to FeatureVector
        The GTV first, then the rings.
    deep_input : ndarray of float32, shape (64, 64, 64)
        The network's input.
    gtv_voxels : int
        Voxels of the GTV on the harmonised grid (mm3 at a spacing of 1 mm).
    ring_share_beyond_ct : float
        The largest share of a ring that lies beyond the CT.
    tissues : mapping of Region to TissueShares
        What the regions hold.
    masks : mapping of Region to BoxedMask
        Where the regions are, on the harmonised grid.
    """

    vectors: Mapping[Region, FeatureVector]
    deep_input: npt.NDArray[np.float32]
    gtv_voxels: int
    ring_share_beyond_ct: float
    tissues: Mapping[Region, TissueShares]
    masks: Mapping[Region, BoxedMask]


def load_study(
    reading: StudyReading,
    gtv_pattern: str,
    overlapping: OverlappingContours = OverlappingContours.REFUSE,
    chosen: ChosenGtv | None = None,
) -> LoadedStudy:
    """Choose the GTV of a study that was read, make its volume, and rasterise the one on the other.

    Parameters
    ----------
    reading : StudyReading
        The study; the pixels of its CT are taken.
    gtv_pattern : str
        Regular expression for the whole name of the GTV, without regard to case.
    overlapping : OverlappingContours
        What becomes of contours of one slice that overlap in part.
    chosen : ChosenGtv, optional
        The choice of the GTV that was made when the study was completed.

    Raises
    ------
    StudyDefect
        If the geometry, the pixels or the contour cannot be right.
    """
    structure_set = reading.rtstruct.structure_set
    gtv = select_gtv(structure_set, gtv_pattern, chosen)
    gtv = in_the_ct_that_is_listed(gtv, structure_set, reading.ct.headers)
    volume = ct_volume(reading.ct)
    drawn = rasterize(gtv, volume, overlapping)
    facts = contour_facts(gtv, drawn, volume)
    return LoadedStudy(volume, structure_set, gtv, BoxedMask.of(drawn.mask), facts)


def prepared(study: LoadedStudy, settings: ExtractionSettings) -> tuple[CtVolume, BoxedMask]:
    """Return CT and GTV as features are made of them: nothing below the floor, axes in one order.

    Parameters
    ----------
    study : LoadedStudy
        The CT and its GTV.
    settings : ExtractionSettings
        How features are made; `hu_floor` is the floor.
    """
    return boxed_in_lps_order(study.volume.with_floor(settings.hu_floor), study.drawn)


def compute_features(
    study: LoadedStudy,
    settings: ExtractionSettings,
    ring_widths_mm: Sequence[float] = (6.0,),
    engine: ExtractionEngine = extract,
    *,
    last_use: bool = False,
) -> StudyFeatures:
    """Harmonise a study, make its regions and measure them (paper: harmonisation, regions,
    radiomics, deep input).

    Parameters
    ----------
    study : LoadedStudy
        The CT and its GTV.
    settings : ExtractionSettings
        How features are made; `spacing_mm` is the harmonised grid.
    ring_widths_mm : sequence of float
        Rings beside the GTV, in mm: 3, 6 or 9.
    engine : callable
        `extract`, or `extract_with_pyradiomics`, which is slow and gives the same values.
    last_use : bool
        That nobody looks at the voxels of the CT afterwards: they may be written over, which saves
        as much memory as they take.

    Raises
    ------
    StudyDefect
        If a region is too small or a feature does not exist.
    """
    volume, drawn = prepared(study, settings)
    del study  # where nobody else holds it, its voxels go when they are harmonised
    over = body_mask(volume) if settings.normalize_over == "body" else None
    tissue = _ring_tissue(settings.ring_tissue, volume)
    grid = harmonized_grid(volume, settings.spacing_mm)
    gtv = harmonize_boxed_mask(drawn, volume, grid)
    within = None if tissue is None else harmonize_mask(tissue, volume, grid)
    regions = make_regions(gtv, grid.spacing_mm, ring_widths_mm, within)
    # PyRadiomics filters the whole CT; the values of the default engine depend on what is near.
    box = union(*(mask.box for mask in regions.masks.values()))
    around = near(box, settings, grid) if engine is extract else None
    body = _body_near(drawn, volume, max(ring_widths_mm, default=0.0))
    ct = harmonize_ct(volume, settings.spacing_mm, over, around, last_use=last_use)
    volume = volume.without_voxels()  # a CT's worth of memory, which the filters need
    body = harmonize_boxed_mask(body, volume, grid)
    (network_input, tissues), vectors = both(
        lambda: (deep_input(ct, gtv), tissue_shares(ct, regions.masks, body)),
        lambda: engine(ct, regions.masks, settings),
    )
    return StudyFeatures(
        vectors=vectors,
        deep_input=network_input,
        gtv_voxels=gtv.count,
        ring_share_beyond_ct=regions.share_beyond_image,
        tissues=tissues,
        masks=regions.masks,
    )


@dataclass(frozen=True, eq=False)
class ContourFeatures:
    """What was measured within one contour of a study.

    Parameters
    ----------
    values : mapping of str to float
        By column, ``<region>:<name>``.
    deep_input : ndarray of float32, shape (64, 64, 64)
        The network's input.
    """

    values: Mapping[str, float]
    deep_input: npt.NDArray[np.float32]


def perturbed_contours(
    study: LoadedStudy,
    settings: ExtractionSettings,
    contours: int,
    seed: str,
    perturbation: Perturbation,
) -> tuple[BoxedMask, ...]:
    """Return a study's contour as other readers might have drawn it, on the grid that `prepared`
    returns; parameters as of `perturbed_masks`.
    """
    volume, drawn = prepared(study, settings)
    return perturbed_masks(drawn.whole(), volume.spacing_mm, contours, seed, perturbation)


def measure_contours(
    study: LoadedStudy,
    settings: ExtractionSettings,
    contours: Sequence[BoxedMask],
    columns: Collection[str],
) -> tuple[ContourFeatures | StudyDefect, ...]:
    """Measure other contours of a study, each with the values that `compute_features` gives it; the
    CT is harmonised and filtered once.

    Parameters
    ----------
    study : LoadedStudy
        The CT and its GTV.
    settings : ExtractionSettings
        How features are made.
    contours : sequence of BoxedMask
        On the grid that `prepared` returns.
    columns : collection of str
        The features that are wanted, ``<region>:<name>``: what they need is computed, and no more.

    Returns
    -------
    tuple of ContourFeatures or StudyDefect
        In the order of `contours`; a defect where one cannot be measured.

    Raises
    ------
    StudyDefect
        If the CT cannot be harmonised or filtered.
    """
    wanted: dict[Region, list[str]] = {}
    for region, _, name in (column.partition(":") for column in columns):
        wanted.setdefault(Region(region), []).append(name)
    widths = [region.width_mm for region in wanted if region is not Region.GTV]
    volume, _ = prepared(study, settings)
    over = body_mask(volume) if settings.normalize_over == "body" else None
    tissue = _ring_tissue(settings.ring_tissue, volume)
    grid = harmonized_grid(volume, settings.spacing_mm)
    within = None if tissue is None else harmonize_mask(tissue, volume, grid)
    masks = [harmonize_boxed_mask(contour, volume, grid) for contour in contours]
    drawn = [mask for mask in masks if mask.count]
    box = _around(drawn, max(widths, default=0.0), grid)
    ct = harmonize_ct(volume, settings.spacing_mm, over, near(box, settings, grid))
    volume = volume.without_voxels()
    names = {name.rsplit("_", 2)[0] for names in wanted.values() for name in names}
    images = FilteredCt.within(ct, box, settings, names)

    def measured(mask: BoxedMask) -> ContourFeatures | StudyDefect:
        try:
            regions = make_regions(mask, ct.spacing_mm, widths, within).masks
            values = {
                f"{region}:{name}": value
                for region, names in wanted.items()
                for name, value in images.measure(region, regions[region], names).items()
            }
            return ContourFeatures(values, deep_input(ct, mask))
        except StudyDefect as defect:
            return defect

    return tuple(side_by_side(measured, masks))


def _around(masks: Sequence[BoxedMask], reach_mm: float, grid: HarmonizedGrid) -> Box:
    """Return the box of a grid that rings reach around masks, each of which has some voxels."""
    reach = int(np.ceil(reach_mm / grid.spacing_mm))
    boxes = [with_margin(mask.tight().box, reach, grid.shape) for mask in masks]
    nowhere = (slice(0, 1), slice(0, 1), slice(0, 1))
    return union(*boxes) if boxes else nowhere


def view_of(
    study: LoadedStudy, settings: ExtractionSettings, ring_widths_mm: Sequence[float] = (6.0,)
) -> MeasuredView:
    """Return what `compute_features` measures of a study, to be looked at; parameters and errors
    as there.
    """
    volume, drawn = prepared(study, settings)
    tissue = _ring_tissue(settings.ring_tissue, volume)
    return measured_view(volume, drawn, settings.spacing_mm, tuple(ring_widths_mm), within=tissue)


def _ring_tissue(kind: str, volume: CtVolume) -> npt.NDArray[np.bool_] | None:
    """Return the voxels that a ring may hold, shape (z, y, x); `None` for all."""
    return {"all": lambda _: None, "body": body_mask, "lung": lung_mask}[kind](volume)


def _body_near(gtv: BoxedMask, volume: CtVolume, reach_mm: float) -> BoxedMask:
    """Return the patient within reach of the GTV, one voxel more on each side."""
    z, y, x = (
        slice(max(0, part.start - more), min(n, part.stop + more))
        for part, n, more in zip(
            gtv.box,
            gtv.grid_shape,
            np.ceil(reach_mm / np.asarray(volume.spacing_mm[::-1])).astype(int) + 1,
            strict=True,
        )
    )
    near = body_on(volume, z)[:, y, x].copy()  # the rest of the slices goes
    return BoxedMask(near, (z, y, x), gtv.grid_shape)


def regions_on_ct(
    study: LoadedStudy, features: StudyFeatures, spacing_mm: float
) -> dict[Region, RegionOnCt]:
    """Return the regions that were measured on the CT's own grid, the GTV as it was rasterised
    there.

    Parameters
    ----------
    study : LoadedStudy
        The CT and its GTV.
    features : StudyFeatures
        What was measured on it.
    spacing_mm : float
        Edge of a voxel of the harmonised grid, in mm.
    """
    return {
        region: drawn_on_ct(study.drawn, mask, study.volume, spacing_mm)
        if region is Region.GTV
        else region_on_ct(mask, study.volume, spacing_mm)
        for region, mask in features.masks.items()
    }


def region_facts(features: StudyFeatures) -> RegionFacts:
    """Return what the expectations on the regions are held against."""
    return RegionFacts(
        gtv_voxels=features.gtv_voxels,
        ring_share_beyond_ct=features.ring_share_beyond_ct,
        gtv_outside_body=features.tissues[Region.GTV].outside,
        impossible_features=tuple(
            name for vector in features.vectors.values() for name in impossible_features(vector)
        ),
    )
