"""IBSI's grid: interpolated voxels of one size whose middle is the middle of the image."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK


def on_aligned_grid(
    image: Any, spacing_mm: float, interpolator: int = SimpleITK.sitkLinear
) -> npt.NDArray[np.float64]:
    """Interpolate an image of float64 to isotropic voxels, with the centres of both grids at one
    place (IBSI 2.4).

    Parameters
    ----------
    image : SimpleITK.Image
        The image.
    spacing_mm : float
        Edge of the new voxels in mm.
    interpolator : int
        SimpleITK's.

    Returns
    -------
    ndarray of float64, shape (z, y, x)
        The values on the new grid.
    """
    old = np.array(image.GetSpacing())
    size = np.ceil(np.array(image.GetSize()) * old / spacing_mm).astype(int)
    start = 0.5 * (np.array(image.GetSize()) - 1 - (size - 1) * spacing_mm / old)
    make_filter: Any = SimpleITK.ResampleImageFilter
    resample = make_filter()
    resample.SetSize(size.tolist())
    resample.SetOutputSpacing((spacing_mm,) * 3)
    resample.SetOutputOrigin(image.TransformContinuousIndexToPhysicalPoint(start.tolist()))
    resample.SetInterpolator(interpolator)
    return np.asarray(SimpleITK.GetArrayFromImage(resample.Execute(image)))
