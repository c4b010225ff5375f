"""The machine code of what measures a study, made before there is one.

Compiling takes ten seconds and 100 MB, which the first study of each process would wait for and
each process keep. A process of its own does it once, and all others find the code kept.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from feature_store.imaging.boxed_mask import BoxedMask
from feature_store.imaging.contour_rules import contour_facts
from feature_store.imaging.ct_headers import Acquisition
from feature_store.imaging.ct_volume import CtVolume
from feature_store.imaging.harmonize import harmonize_ct
from feature_store.imaging.image_marks import pixel_digests
from feature_store.imaging.perturbation import Perturbation
from feature_store.imaging.rasterize import rasterize
from feature_store.imaging.structure_set import Roi, StructureSet
from feature_store.imaging.voxel_rules import voxel_facts
from feature_store.radiomic_features.settings import ExtractionSettings
from feature_store.study_features import (
    LoadedStudy,
    compute_features,
    measure_contours,
    perturbed_contours,
)

_SHAPE: Final = (16, 120, 124)
_SPACING_MM: Final = (1.5, 1.5, 3.0)
_GTV_SLICES: Final = range(4, 12)
_FRAME: Final = "2.25.1"
_GTV_MM: Final = ((84.0, 84.0), (98.0, 84.0), (98.0, 97.0), (84.0, 97.0))


def compile_kernels() -> None:
    """Judge and measure a study of noise, drawn and with another contour, so that everything is
    compiled that real ones need; what is measured is nobody's.
    """
    study, settings = _study_of_noise(), ExtractionSettings()
    voxel_facts(study.volume, study.drawn, settings.hu_floor)
    pixel_digests(study.volume)
    features = compute_features(study, settings)
    harmonize_ct(study.volume)  # as of a CT that is small, of which the filters need everything
    contours = perturbed_contours(study, settings, 1, "kernels", Perturbation())
    columns = [f"{region}:{next(iter(v.as_dict()))}" for region, v in features.vectors.items()]
    measure_contours(study, settings, contours, columns)


def _study_of_noise() -> LoadedStudy:
    hu = np.random.default_rng(0).normal(0.0, 200.0, _SHAPE).astype(np.float32)
    acquired = Acquisition(None, None, None, None, None, *_SHAPE[1:], missing_tags=())
    axes = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    volume = CtVolume(hu, _SPACING_MM, (0.0, 0.0, 0.0), axes, _FRAME, "", acquired)
    depths = [number * _SPACING_MM[2] for number in _GTV_SLICES]
    contours = tuple(np.array([(*xy, z) for xy in _GTV_MM]) for z in depths)
    gtv = Roi(1, "GTV", contours, _FRAME)
    drawn = rasterize(gtv, volume)
    structure_set = StructureSet("", "", "", _FRAME, (gtv,), frozenset())
    facts = contour_facts(gtv, drawn, volume)
    return LoadedStudy(volume, structure_set, gtv, BoxedMask.of(drawn.mask), facts)
