"""The light engine and Keras give the same features, and a graph that does not is left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from feature_store.imaging.deep_input import deep_input
from feature_store.imaging.harmonize import harmonize_boxed_mask, harmonize_ct
from feature_store.imaging.reading import read_study
from feature_store.radiomic_features.settings import ExtractionSettings
from feature_store.study_features import load_study, prepared
from models.errors import BundleError
from models.network import engines
from models.network.engines import LIMIT, GraphCheck, frozen_graph
from models.network.onnx_graph import onnx_graph
from models.network.weights import NetworkWeights
from tests.support.real_data import real_data_folder, real_study


def settled(weights: NetworkWeights, seed: int = 0) -> NetworkWeights:
    """Return weights whose normalisations are those of a trained network and not yet the
    identity.
    """
    random = np.random.default_rng(seed)
    draws = {
        "moving_mean": lambda shape: random.normal(0, 0.1, shape),
        "moving_variance": lambda shape: random.uniform(0.5, 2, shape),
        "gamma": lambda shape: random.uniform(0.5, 1.5, shape),
        "beta": lambda shape: random.normal(0, 0.1, shape),
        "bias": lambda shape: random.normal(0, 0.5, shape),
    }
    changed = {
        path: np.asarray(draws[path.rpartition("/")[2]](array.shape), np.float32)
        if path.rpartition("/")[2] in draws
        else array
        for path, array in weights.arrays.items()
    }
    return NetworkWeights(changed, weights.squeeze_excitation)


def real_tumours(folder: Path) -> NDArray[np.float32]:
    """Return the network's inputs of real studies, with two of their mirror images each."""
    settings, found = ExtractionSettings(), []
    for place in (folder / "pat1", folder / "sts" / "STS_002", folder / "sts" / "STS_008"):
        files = real_study(place)
        study = load_study(read_study(files.ct, files.rtstruct), "gtv.*")
        volume, mask = prepared(study, settings)
        ct = harmonize_ct(volume, settings.spacing_mm)
        image = deep_input(ct, harmonize_boxed_mask(mask, volume, ct))
        found += [image, image[::-1], image[:, ::-1]]
    return np.stack(found)


@pytest.mark.real_data
@pytest.mark.slow
def test_they_give_the_same_features_of_real_tumours(weights: NetworkWeights) -> None:
    folder = real_data_folder()
    if folder is None:
        pytest.skip("real data not found")
    graph, check = frozen_graph(settled(weights), real_tumours(folder))
    assert graph == onnx_graph(settled(weights))
    assert check.tumours == 9
    assert check.largest_feature > 0.5
    assert 0 < check.largest_difference <= LIMIT
    assert check.engine.startswith("openvino ")
    assert check.reference.startswith("tensorflow ")


@pytest.mark.slow
def test_they_give_the_same_features_without_se_modules() -> None:
    from models.network.backend import make_deterministic
    from models.network.se_resnet import build_se_resnet, network_weights

    make_deterministic(4)
    weights = network_weights(build_se_resnet(squeeze_excitation=False), squeeze_excitation=False)
    tumour = np.random.default_rng(1).normal(size=(1, 64, 64, 64))
    graph, check = frozen_graph(settled(weights), tumour)
    assert graph is not None
    assert check.agrees


def test_a_graph_with_other_features_is_left_out(
    weights: NetworkWeights, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = {**weights.arrays, "stem_bn/beta": weights.arrays["stem_bn/beta"] + np.float32(1e-3)}
    monkeypatch.setattr(engines, "onnx_graph", lambda _: onnx_graph(NetworkWeights(moved)))
    tumour = np.random.default_rng(1).normal(size=(1, 64, 64, 64))
    graph, check = frozen_graph(weights, tumour)
    assert graph is None
    assert check.largest_difference > LIMIT


@pytest.mark.parametrize(
    ("difference", "largest", "agrees"),
    [(5e-6, 0.1, True), (5.1e-6, 1.0, False), (1.5e-5, 3.0, True), (1.6e-5, 3.0, False)],
)
def test_the_limit_grows_with_features_above_one(
    difference: float, largest: float, agrees: bool
) -> None:
    assert GraphCheck("a 1", "b 2", 3, difference, largest).agrees is agrees


@pytest.mark.parametrize(("tumours", "difference"), [(0, 0.0), (1, float("nan")), (1, -1.0)])
def test_a_comparison_of_nothing_is_none(tumours: int, difference: float) -> None:
    with pytest.raises(BundleError, match="freeze the bundle again"):
        GraphCheck("a 1", "b 2", tumours, difference, 1.0)
