"""PyRadiomics' own feature classes, fed with a region that has been binned once for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK

from feature_store.radiomic_features.filters import Values
from feature_store.radiomic_features.settings import FEATURES_BY_CLASS
from feature_store.radiomic_features.surface_mesh import surface_mesh

_GROUPS = tuple(group for group in FEATURES_BY_CLASS if group != "shape")


@dataclass(frozen=True, eq=False)
class BinnedRegion:
    """Grey levels of one region of one image.

    Parameters
    ----------
    matrix : ndarray of int32, shape (z, y, x)
        Grey level of each voxel of the region, from 1; 0 elsewhere.
    levels : ndarray of int64
        The grey levels that occur, ascending.
    """

    matrix: npt.NDArray[np.int32]
    levels: npt.NDArray[np.int64]


class _BinnedOnce:
    """Mixed into PyRadiomics' classes: takes the grey levels from the keyword argument ``binned``."""

    settings: dict[str, Any]
    coefficients: dict[str, Any]

    def _applyBinning(self, _matrix: Values) -> npt.NDArray[np.int32]:  # noqa: N802 - PyRadiomics' name
        binned: BinnedRegion = self.settings["binned"]
        self.coefficients["grayLevels"] = binned.levels
        self.coefficients["Ng"] = int(binned.levels[-1])
        return binned.matrix.copy()


class _MeshOnce:
    """Mixed into PyRadiomics' shape class: takes area, volume and diameters from `surface_mesh`."""

    inputImage: Any  # noqa: N815 - PyRadiomics' names throughout
    inputMask: Any  # noqa: N815

    def _initSegmentBasedCalculation(self) -> None:  # noqa: N802
        self.pixelSpacing = np.array(self.inputImage.GetSpacing()[::-1])
        self.maskArray = SimpleITK.GetArrayFromImage(self.inputMask) == 1
        self.labelledVoxelCoordinates = np.nonzero(self.maskArray)
        z, y, x = self.pixelSpacing.tolist()
        mesh = surface_mesh(self.maskArray, (z, y, x))
        self.SurfaceArea, self.Volume, self.diameters = mesh.area_mm2, mesh.volume_mm3, mesh.diameters_mm
        places = np.stack(self.labelledVoxelCoordinates, axis=1) * self.pixelSpacing
        places -= places.mean(axis=0)
        self.eigenValues = np.linalg.eigvalsh(places.T @ places / len(places))  # ascending; symmetric, so real
        self.eigenValues[(self.eigenValues < 0) & (self.eigenValues > -1e-10)] = 0


@cache
def _binned_classes() -> dict[str, Any]:
    """Return PyRadiomics' classes with `_BinnedOnce` mixed in, by their name in feature names."""
    from radiomics import getFeatureClasses  # noqa: PLC0415 - importing PyRadiomics takes about a second

    classes = {}
    for group in _GROUPS:
        original = getFeatureClasses()[group]
        names = original.getFeatureNames()
        classes[group] = type(
            original.__name__,
            (_BinnedOnce, original),
            # PyRadiomics logs under the module's name and lists its features anew for each instance.
            {"__module__": original.__module__, "getFeatureNames": classmethod(lambda _, names=names: names)},
        )
    return classes


@cache
def _shape_class() -> Any:
    """Return PyRadiomics' shape class with `_MeshOnce` mixed in."""
    from radiomics import shape  # noqa: PLC0415 - importing PyRadiomics takes about a second

    original = shape.RadiomicsShape
    return type(original.__name__, (_MeshOnce, original), {"__module__": original.__module__})


def bin_region(values: Values, mask: npt.NDArray[np.bool_], bin_width: float) -> BinnedRegion:
    """Assign grey levels by a fixed bin width, with edges at multiples of it, as PyRadiomics does.

    Parameters
    ----------
    values : ndarray, shape (z, y, x)
        A filtered image; its type decides how the edges are rounded, so it must be PyRadiomics' own.
    mask : ndarray of bool, shape (z, y, x)
        The region; not empty.
    bin_width : float
        In units of the image.
    """
    inside = values[mask]
    low, high = inside.min(), inside.max()
    edges = np.arange(low - (low % bin_width), high + 2 * bin_width, bin_width)
    matrix = np.zeros(values.shape, dtype=np.int32)
    matrix[mask] = np.digitize(inside, edges)
    levels = np.flatnonzero(np.bincount(matrix[mask]))
    return BinnedRegion(matrix, levels.astype(np.int64))


def intensity_features(
    values: Values, mask: npt.NDArray[np.bool_], spacing_mm: tuple[float, ...], settings: Mapping[str, Any]
) -> list[float]:
    """Return the 93 first-order and texture features of a region of one image, in the order of `FEATURES_BY_CLASS`.

    Parameters
    ----------
    values : ndarray, shape (z, y, x)
        The image, cropped to the region's bounding box.
    mask : ndarray of bool, shape (z, y, x)
        The region.
    spacing_mm : tuple of 3 float
        Along (x, y, z).
    settings : mapping
        PyRadiomics' settings; ``binWidth`` must be there.

    Returns
    -------
    list of float
        A feature that PyRadiomics cannot compute is NaN.
    """
    binned = bin_region(values, mask, settings["binWidth"])
    image, label = _images(values, mask, spacing_mm)
    found: list[float] = []
    for group, feature_class in _binned_classes().items():
        features = feature_class(image, label, **settings, binned=binned).execute()
        found.extend(float(features[name]) for name in FEATURES_BY_CLASS[group])
    return found


def shape_features(mask: npt.NDArray[np.bool_], spacing_mm: tuple[float, ...]) -> list[float]:
    """Return the 14 shape features of a region, cropped to its bounding box (z, y, x); spacing along (x, y, z)."""
    image, label = _images(mask.astype(np.float32), mask, spacing_mm)
    features = _shape_class()(image, label).execute()
    return [float(features[name]) for name in FEATURES_BY_CLASS["shape"]]


def _images(values: Values, mask: npt.NDArray[np.bool_], spacing_mm: tuple[float, ...]) -> tuple[Any, Any]:
    image: Any = SimpleITK.GetImageFromArray(values)
    label: Any = SimpleITK.GetImageFromArray(mask.astype(np.uint32))
    image.SetSpacing(spacing_mm)
    label.SetSpacing(spacing_mm)
    return image, label
