"""Texture, first-order and shape features are those of PyRadiomics' own classes on regions of every
awkward form.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import SimpleITK
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from radiomics import getFeatureClasses
from scipy import ndimage

from feature_store.imaging.boxed_mask import bounding_box
from feature_store.radiomic_features.first_order import first_order_features
from feature_store.radiomic_features.grey_levels import grey_levels
from feature_store.radiomic_features.pyradiomics_engine import silence_pyradiomics
from feature_store.radiomic_features.settings import FEATURES_BY_CLASS
from feature_store.radiomic_features.shape import shape_features
from feature_store.radiomic_features.texture import texture_features
from feature_store.radiomic_features.texture_matrices import TextureRegion, texture_matrices
from tests.support import ROOT

SPACING_MM = (0.8, 1.0, 2.5)
Mask = npt.NDArray[np.bool_]


def ours(values: npt.NDArray[Any], mask: Mask) -> dict[str, dict[str, float]]:
    levels = grey_levels(values[mask], 25.0)
    texture = texture_features(texture_matrices(TextureRegion.of(mask), levels))
    return {
        "firstorder": first_order_features(values[mask], levels, float(np.prod(SPACING_MM))),
        **texture,
    }


def theirs(
    values: npt.NDArray[Any], mask: Mask, groups: tuple[str, ...]
) -> dict[str, dict[str, float]]:
    silence_pyradiomics()
    image: Any = SimpleITK.GetImageFromArray(values)
    label: Any = SimpleITK.GetImageFromArray(mask.astype(np.uint8))
    for each in (image, label):
        each.SetSpacing(SPACING_MM)
    found = {}
    with np.errstate(all="ignore"):
        for group in groups:
            features = getFeatureClasses()[group](image, label, binWidth=25.0).execute()
            found[group] = {name: float(features[name]) for name in FEATURES_BY_CLASS[group]}
    return found


def assert_equal(found: dict[str, dict[str, float]], wanted: dict[str, dict[str, float]]) -> None:
    """Demand a relative 1e-6, or an absolute 1e-5 where the value is below 1."""
    for group, features in wanted.items():
        assert set(found[group]) == set(features)
        for name, value in features.items():
            tolerance = 1e-5 if abs(value) < 1 else 1e-6 * abs(value)
            np.testing.assert_allclose(
                found[group][name], value, rtol=0, atol=tolerance, err_msg=f"{group} {name}"
            )


def assert_texture_equal(values: npt.NDArray[Any], mask: Mask) -> None:
    box = bounding_box(mask)
    values, mask = values[box], mask[box]
    groups = tuple(group for group in FEATURES_BY_CLASS if group != "shape")
    assert_equal(ours(values, mask), theirs(values, mask, groups))


@st.composite
def phantoms(draw: st.DrawFn) -> tuple[npt.NDArray[Any], Mask]:
    """Draw a small image of 1 to about 300 grey levels with a region of any form that has 27 voxels
    or more.
    """
    shape = draw(st.tuples(st.integers(1, 9), st.integers(6, 11), st.integers(6, 11)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    rough = ndimage.gaussian_filter(rng.normal(size=shape), draw(st.sampled_from([0.0, 0.7, 1.5])))
    levels = draw(st.sampled_from([1, 2, 5, 16, 60, 300]))
    values = rough / np.abs(rough).max() * levels * 12.5
    field = ndimage.gaussian_filter(rng.normal(size=shape), draw(st.sampled_from([0.0, 1.0, 2.0])))
    mask = field >= np.quantile(field, 1 - max(draw(st.floats(0.1, 1)), 27 / field.size))
    return values.astype(draw(st.sampled_from([np.float32, np.float64]))), mask


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(phantoms())
def test_any_region_of_any_image(phantom: tuple[npt.NDArray[Any], Mask]) -> None:
    assert_texture_equal(*phantom)


def _slab(axis: int) -> Mask:
    mask = np.zeros((9, 10, 11), dtype=bool)
    np.moveaxis(mask, axis, 0)[4, 2:8, 1:9] = True
    return mask


def _shell() -> Mask:
    distance = np.sqrt(
        np.sum((np.indices((15, 16, 17)) - np.reshape([7, 8, 8], (3, 1, 1, 1))) ** 2, axis=0)
    )
    return np.asarray((distance > 3) & (distance <= 6))


def _pieces() -> Mask:
    mask = np.zeros((12, 13, 14), dtype=bool)
    mask[:4, :4, :4] = mask[-3:, -5:, -4:] = mask[0, -1, -1] = True
    return mask


def _lattice() -> Mask:
    mask = np.zeros((13, 13, 13), dtype=bool)
    mask[::2, ::3, ::4] = True
    return mask


def _scattered() -> Mask:
    """Make voxels of which hardly two are on one line, so that PyRadiomics leaves directions
    out.
    """
    mask = np.zeros((9, 9, 9), dtype=bool)
    mask[np.arange(9), np.arange(9) * 2 % 9, np.arange(9) * 5 % 9] = True
    mask[4, 4, 3:6] = True
    return mask


@pytest.mark.parametrize("levels", [1, 2, 16, 300])
@pytest.mark.parametrize(
    "mask",
    [
        _slab(0),
        _slab(1),
        _slab(2),
        _shell(),
        _pieces(),
        _lattice(),
        _scattered(),
        np.ones((2, 5, 6), dtype=bool),
    ],
    ids=[
        "one slice",
        "one row",
        "one column",
        "shell",
        "pieces",
        "lattice",
        "scattered",
        "two slices",
    ],
)
def test_regions_with_holes_pieces_and_one_slice(mask: Mask, levels: int) -> None:
    rng = np.random.default_rng(levels)
    values = ndimage.gaussian_filter(rng.normal(size=mask.shape), 0.5)
    assert_texture_equal(values / np.abs(values).max() * levels * 12.5, mask)


@pytest.mark.parametrize("mask", [_shell(), _pieces(), np.ones((2, 5, 6), dtype=bool)])
def test_shape(mask: Mask) -> None:
    mask = mask[bounding_box(mask)]
    wanted = theirs(mask.astype(np.float32), mask, ("shape",))
    assert_equal({"shape": shape_features(mask, SPACING_MM)}, wanted)


def test_matrices_count_every_voxel_once() -> None:
    mask = _shell()
    levels = np.random.default_rng(3).integers(1, 9, int(mask.sum()))
    matrices = texture_matrices(TextureRegion.of(mask), levels)
    voxels = float(mask.sum())
    lengths = np.arange(1, matrices.glrlm.shape[2] + 1)
    assert matrices.glrlm.shape[0] == matrices.glcm.shape[0] == 13
    np.testing.assert_array_equal((matrices.glrlm @ lengths).sum(axis=1), voxels)
    assert float((matrices.glszm @ matrices.zone_sizes).sum()) == voxels
    assert float(matrices.gldm.sum()) == float(matrices.ngtdm_counts.sum()) == voxels
    np.testing.assert_array_equal(matrices.glcm, matrices.glcm.transpose(0, 2, 1))


@pytest.mark.slow
def test_kernels_import_where_their_folder_is_read_only(tmp_path: Path) -> None:
    """Numba then keeps the machine code in its cache folder."""
    package = tmp_path / "feature_store" / "radiomic_features"
    package.mkdir(parents=True)
    modules = (
        "__init__.py",
        "compiled.py",
        "errors.py",
        "radiomic_features/__init__.py",
        "radiomic_features/grey_level_zones.py",
        "radiomic_features/grey_levels.py",
        "radiomic_features/texture_matrices.py",
    )
    for name in modules:
        (tmp_path / "feature_store" / name).write_bytes(
            (ROOT / "feature_store" / name).read_bytes()
        )
    for folder in (package, package.parent):
        (folder / "__pycache__").write_text("a file where numba wants a folder")
    program = (
        "import numpy as np; from feature_store.radiomic_features.texture_matrices import *;"
        "texture_matrices(TextureRegion.of(np.ones((3, 3, 3), dtype=bool)), np.ones(27, dtype=int))"
    )
    cache = tmp_path / "cache"
    environment = os.environ | {"NUMBA_CACHE_DIR": str(cache), "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert list(cache.rglob("*.nbi"))
