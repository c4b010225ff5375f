"""A frozen bundle comes back as it was, and a changed one does not score."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.bundle.facts import BundleFacts
from models.bundle.frozen_bundle import (
    GRAPH,
    MANIFEST,
    MODEL,
    NETWORK,
    TRAINING,
    canonical_json,
    freeze,
    load,
    read_digest,
)
from models.combined.combined_model import CombinedModel, train_combined_model
from models.errors import BundleError, FeatureMismatchError
from models.network.engines import Engine
from models.network.onnx_graph import onnx_graph
from models.network.weights import DEEP_COLUMNS, NetworkWeights
from tests.support.fresh_interpreter import printed_by
from tests.support.training_cohorts import Cohort, make_cohort


@pytest.fixture(scope="module")
def deep_model() -> CombinedModel:
    cohort = make_cohort(blocks=("gtv", "deep"))
    return train_combined_model(cohort.features, cohort.survival, seed=1, blocks=("gtv", "deep"))


@pytest.fixture(scope="module")
def weights() -> NetworkWeights:
    return NetworkWeights({"stem/kernel": np.arange(6, dtype=np.float32).reshape(2, 3)})


def test_it_scores_as_before(
    tmp_path: Path, cohort: Cohort, model: CombinedModel, facts: BundleFacts
) -> None:
    digest = freeze(tmp_path / "bundle", model, None, facts)
    bundle = load(tmp_path / "bundle", digest)
    assert bundle.model.score(cohort.features) == model.score(cohort.features)
    assert bundle.facts == facts
    assert bundle.network is None
    assert sorted(path.name for path in tmp_path.rglob("*")) == sorted(
        ["bundle", MANIFEST, MODEL, TRAINING]
    )


def test_freezing_again_gives_the_same_bytes(
    tmp_path: Path, deep_model: CombinedModel, weights: NetworkWeights, facts: BundleFacts
) -> None:
    digests = {freeze(tmp_path / name, deep_model, weights, facts) for name in ("one", "two")}
    assert len(digests) == 1
    for name in (MANIFEST, MODEL, TRAINING, NETWORK):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert freeze(tmp_path / "one", deep_model, weights, facts) in digests
    again = load(tmp_path / "one", digests.pop())
    assert again.network is not None
    parts = (again.model, again.network.weights(), again.facts)
    assert freeze(tmp_path / "three", *parts) == again.digest


def test_a_graph_stands_beside_the_network_and_comes_back(
    tmp_path: Path, deep_model: CombinedModel, weights: NetworkWeights, facts: BundleFacts
) -> None:
    without = freeze(tmp_path / "without", deep_model, weights, facts)
    digest = freeze(tmp_path / "with", deep_model, weights, facts, graph=b"a graph")
    assert digest != without
    files = json.loads((tmp_path / "with" / MANIFEST).read_bytes())["files"]
    assert set(files) == {MODEL, TRAINING, NETWORK, GRAPH}
    again = load(tmp_path / "with", digest)
    assert again.network is not None
    assert again.graph is not None
    assert again.graph.read() == b"a graph"
    parts = (again.model, again.network.weights(), again.facts)
    assert freeze(tmp_path / "again", *parts, graph=again.graph.read()) == digest
    (tmp_path / "with" / GRAPH).write_bytes(b"A graph")
    with pytest.raises(BundleError, match=f"file {GRAPH} .* was changed"):
        load(tmp_path / "with", digest)
    assert load(tmp_path / "without", without).graph is None


def test_a_graph_without_a_network_is_refused(
    tmp_path: Path, model: CombinedModel, weights: NetworkWeights, facts: BundleFacts
) -> None:
    freeze(tmp_path / "bundle", model, weights, facts, graph=b"a graph")
    assert not (tmp_path / "bundle" / GRAPH).exists()
    manifest = tmp_path / "bundle" / MANIFEST
    record = json.loads(manifest.read_bytes())
    record["files"][GRAPH] = {"size": 7, "sha256": hashlib.sha256(b"a graph").hexdigest()}
    (tmp_path / "bundle" / GRAPH).write_bytes(b"a graph")
    manifest.write_bytes(canonical_json(record))
    with pytest.raises(BundleError, match="disagree on the network"):
        load(tmp_path / "bundle", read_digest(tmp_path / "bundle"))


@pytest.mark.slow
def test_the_engine_is_chosen_and_both_find_the_same_group(
    tmp_path: Path, deep_model: CombinedModel, facts: BundleFacts
) -> None:
    from models.network.backend import make_deterministic
    from models.network.se_resnet import build_se_resnet, network_weights

    make_deterministic(5)
    network = network_weights(build_se_resnet())
    places = {
        GRAPH: freeze(tmp_path / GRAPH, deep_model, network, facts, graph=onnx_graph(network)),
        NETWORK: freeze(tmp_path / NETWORK, deep_model, network, facts),
    }
    light, asked_for, of_before = (
        load(tmp_path / place, places[place], engine)
        for place, engine in (
            (GRAPH, Engine.OPENVINO),
            (GRAPH, Engine.KERAS),
            (NETWORK, Engine.OPENVINO),
        )
    )
    extractors = [one.deep_feature_extractor for one in (light, asked_for, of_before)]
    assert [one.engine.split()[0] for one in extractors] == ["openvino", "tensorflow", "tensorflow"]
    tumours = np.random.default_rng(0).normal(size=(4, 64, 64, 64)).astype(np.float32)
    gtv = make_cohort(blocks=("gtv", "deep")).features.filter(like="gtv:").head(4)
    risks = []
    for bundle, extractor in zip((light, asked_for, of_before), extractors, strict=True):
        deep = pd.DataFrame(extractor.extract(tumours), index=gtv.index, columns=DEEP_COLUMNS)
        risks.append(bundle.model.score(gtv.join(deep)))
    assert risks[1] == risks[2]
    assert [one.high_risk for one in risks[0]] == [one.high_risk for one in risks[1]]
    assert [one.linear_predictor for one in risks[0]] == pytest.approx(
        [one.linear_predictor for one in risks[1]], abs=1e-3
    )


def test_another_bundle_is_never_overwritten(
    tmp_path: Path, model: CombinedModel, facts: BundleFacts
) -> None:
    digest = freeze(tmp_path / "bundle", model, None, facts)
    with pytest.raises(BundleError, match="already holds another bundle"):
        freeze(tmp_path / "bundle", model, None, replace(facts, version="2"))
    assert load(tmp_path / "bundle", digest).facts == facts


def test_the_network_belongs_to_the_model(
    tmp_path: Path,
    model: CombinedModel,
    deep_model: CombinedModel,
    weights: NetworkWeights,
    facts: BundleFacts,
) -> None:
    with pytest.raises(BundleError, match="no network was given"):
        freeze(tmp_path / "deep", deep_model, None, facts)
    freeze(tmp_path / "plain", model, weights, facts)
    assert not (tmp_path / "plain" / NETWORK).exists()
    plain = load(tmp_path / "plain", read_digest(tmp_path / "plain"))
    with pytest.raises(BundleError, match="reads no deep features"):
        plain.deep_feature_extractor  # noqa: B018 - the attribute is the case


def test_only_the_pinned_bundle_is_loaded(
    tmp_path: Path, model: CombinedModel, facts: BundleFacts
) -> None:
    freeze(tmp_path / "bundle", model, None, facts)
    with pytest.raises(BundleError, match="0000 is pinned"):
        load(tmp_path / "bundle", "0" * 64)


@pytest.mark.parametrize("name", [MODEL, TRAINING, NETWORK])
def test_a_changed_file_is_named(
    tmp_path: Path,
    deep_model: CombinedModel,
    weights: NetworkWeights,
    facts: BundleFacts,
    name: str,
) -> None:
    digest = freeze(tmp_path / "bundle", deep_model, weights, facts)
    path = tmp_path / "bundle" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(BundleError, match=f"file {name} .* was changed"):
        load(tmp_path / "bundle", digest)
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(BundleError, match=f"file {name} .* was changed"):
        load(tmp_path / "bundle", digest)
    path.unlink()
    with pytest.raises(BundleError, match=f"no readable {name}"):
        load(tmp_path / "bundle", digest)


def test_a_changed_manifest_is_not_the_pinned_one(
    tmp_path: Path, model: CombinedModel, facts: BundleFacts
) -> None:
    digest = freeze(tmp_path / "bundle", model, None, facts)
    manifest = tmp_path / "bundle" / MANIFEST
    manifest.write_bytes(
        manifest.read_bytes().replace(b'"demonstration":true', b'"demonstration":false')
    )
    with pytest.raises(BundleError, match="is pinned"):
        load(tmp_path / "bundle", digest)


def test_a_truncated_manifest_is_refused(
    tmp_path: Path, model: CombinedModel, facts: BundleFacts
) -> None:
    digest = freeze(tmp_path / "bundle", model, None, facts)
    manifest = tmp_path / "bundle" / MANIFEST
    manifest.write_bytes(manifest.read_bytes()[:100])
    with pytest.raises(BundleError, match="is pinned"):
        load(tmp_path / "bundle", digest)
    with pytest.raises(BundleError, match=r"manifest\.json is not JSON"):
        load(tmp_path / "bundle", read_digest(tmp_path / "bundle"))


def test_a_foreign_file_is_refused(
    tmp_path: Path, model: CombinedModel, facts: BundleFacts
) -> None:
    digest = freeze(tmp_path / "bundle", model, None, facts)
    (tmp_path / "bundle" / "extra.pkl").write_bytes(b"x")
    with pytest.raises(BundleError, match=r"extra\.pkl, which its manifest does not list"):
        load(tmp_path / "bundle", digest)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"schema": "other/9"}, "has schema 'other/9', .* not a bundle of this software"),
        ({"schema": None}, "has schema None, .* not a bundle of this software"),
        (
            {"schema": "annulus-bundle/1"},
            "older than the 'annulus-bundle/2' .* train and freeze it again",
        ),
        (
            {"schema": "annulus-bundle/3"},
            "newer than the 'annulus-bundle/2' .* update this software",
        ),
        ({"files": {"../model.json": {"size": 1, "sha256": ""}}}, "does not list model.json"),
        (
            {"files": {"model.json": 5, "training.json": 5}},
            "gives no size and SHA-256 of model.json",
        ),
        ({"files": []}, "does not list model.json"),
        ({"facts": {}}, "does not hold a usable model"),
    ],
)
def test_a_foreign_manifest_is_refused(
    tmp_path: Path,
    model: CombinedModel,
    facts: BundleFacts,
    change: dict[str, object],
    sentence: str,
) -> None:
    freeze(tmp_path / "bundle", model, None, facts)
    manifest = tmp_path / "bundle" / MANIFEST
    manifest.write_bytes(canonical_json({**json.loads(manifest.read_bytes()), **change}))
    with pytest.raises(BundleError, match=sentence):
        load(tmp_path / "bundle", read_digest(tmp_path / "bundle"))


def test_a_missing_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"folder nowhere has no readable manifest\.json"):
        load(tmp_path / "nowhere", "0" * 64)


def test_features_of_other_settings_are_refused(
    tmp_path: Path, model: CombinedModel, facts: BundleFacts
) -> None:
    bundle = load(tmp_path / "bundle", freeze(tmp_path / "bundle", model, None, facts))
    bundle.check_extraction("a" * 64)
    with pytest.raises(FeatureMismatchError, match="extracted with settings bbbbbbbbbbbb"):
        bundle.check_extraction("b" * 64)


@pytest.mark.slow
def test_loading_and_scoring_import_neither_tensorflow_nor_the_fitting_libraries(
    tmp_path: Path, deep_model: CombinedModel, weights: NetworkWeights, facts: BundleFacts
) -> None:
    digest = freeze(tmp_path / "bundle", deep_model, weights, facts)
    make_cohort(blocks=("gtv", "deep")).features.to_json(tmp_path / "features.json")
    program = (
        "import sys; from pathlib import Path; import pandas; from models.bundle.frozen_bundle "
        "import load\nbundle = load(Path(sys.argv[1]), sys.argv[2])\nassert "
        "len(bundle.model.score(pandas.read_json(sys.argv[3]))) == 120\nprint([name for name in "
        "('tensorflow', 'keras', 'openvino', 'sksurv', 'sklearn') if name in sys.modules])"
    )
    arguments = (str(tmp_path / "bundle"), digest, str(tmp_path / "features.json"))
    assert printed_by(program, *arguments) == ["[]"]
