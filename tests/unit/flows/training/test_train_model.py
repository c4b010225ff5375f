"""Training from the feature store: the rule that was asked for is used, and what weakens the model
is logged.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydantic
import pytest

from feature_store.clinical_records import ClinicalRecord, ClinicalTable, Histology, Sex
from feature_store.imaging.image_marks import ImageMarks
from feature_store.imaging.regions import Region
from feature_store.radiomic_features.feature_vector import FeatureVector
from feature_store.radiomic_features.settings import FEATURE_NAMES
from feature_store.tables.store import FeatureStore, StudyIdentity
from flows.__main__ import _parser
from flows.data.eligible_patients import eligible_records
from flows.installation import Installation
from flows.runs import account
from flows.settings import CombatTable, Settings
from flows.training import train_model
from flows.training.bundle_facts import bundle_facts
from flows.training.request import RingChoice, TrainingRequest
from flows.training.train_model import (
    BUNDLE_PACKAGES,
    USE,
    combat_reference,
    combined_model_features,
    compared_region_features,
    digests_of_training,
    fit_combined_model,
    gather_evidence,
    network_graph,
    range_of_training,
    training_store,
)
from flows.training.trainability import check_trainable
from models.bundle.frozen_bundle import freeze
from models.combined.combined_model import train_combined_model
from models.combined.robustness import Robustness
from models.errors import TrainingError
from models.network import engines
from models.network.weights import NetworkWeights
from models.survival.lasso_cross_validation import LambdaRule
from tests.support.training_cohorts import make_cohort

PATIENTS = 50
NETWORK = NetworkWeights({"a": np.zeros(1, dtype=np.float32)})


def log_runs_to(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Log what a run would; there is none here."""
    for module in (train_model, account):
        monkeypatch.setattr(module, "get_run_logger", lambda: logging.getLogger(name))


def test_the_rule_is_asked_for_by_its_name() -> None:
    assert _parser().parse_args(["train", "A", "bundle"]).lambda_rule == LambdaRule.MIN
    assert (
        _parser().parse_args(["train", "A", "bundle", "--lambda-rule", "1se"]).lambda_rule == "1se"
    )
    request = TrainingRequest.model_validate(
        {"center": "A", "bundle": "bundle", "lambda_rule": "1se"}
    )
    assert request.lambda_rule is LambdaRule.ONE_STANDARD_ERROR
    assert TrainingRequest(center="A", bundle=Path("bundle")).lambda_rule is LambdaRule.MIN
    with pytest.raises(pydantic.ValidationError, match="lambda_rule"):
        TrainingRequest.model_validate({"center": "A", "bundle": "bundle", "lambda_rule": "2se"})


def test_versions_of_the_store_are_asked_for_by_table(capsys: pytest.CaptureFixture[str]) -> None:
    parse = _parser().parse_args
    assert parse(["train", "A", "bundle"]).store_versions is None
    asked = parse(
        ["train", "A", "bundle", "--store-versions", "clinical=3, radiomics=60"]
    ).store_versions
    assert asked == {"clinical": 3, "radiomics": 60}
    for wrong in ("clinical", "clinical=newest", "=3", ""):
        with pytest.raises(SystemExit):
            parse(["train", "A", "bundle", "--store-versions", wrong])
        assert "write clinical=3,radiomics=60" in capsys.readouterr().err


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """A centre of which some GTV features follow the hazard, and nothing else varies."""
    folder = tmp_path_factory.mktemp("installation")
    file = folder / "annulus.toml"
    file.write_text(
        f'[node]\nfolder = "{folder / "node"}"\n[center.A]\nae_titles = ["A"]\nrole = "training"\n'
    )
    work = Installation(Settings.load(file))
    rng = np.random.default_rng(3)
    digest = work.settings.extraction().digest
    for key, hazard in records_and_hazards():
        identity = StudyIdentity("A", key, f"study-{key}", "c" * 64)
        gtv, ring = np.ones((2, len(FEATURE_NAMES)))
        gtv[:30] = hazard + rng.normal(size=30)
        work.store.put_radiomics(
            identity,
            {
                Region.GTV: FeatureVector(Region.GTV, gtv, digest),
                Region.RING_6MM: FeatureVector(Region.RING_6MM, ring, digest),
            },
        )
        work.store.put_deep(identity, np.ones(512), NETWORK.digest)
    return work


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda _: {},
            (
                "has 50 patients with features and 0 eligible clinical records, but no patient "
                "with both"
            ),
        ),
        (lambda known: dict(list(known.items())[:7]), "7 deaths cannot be shared among 10 folds"),
        (
            lambda known: {
                key: replace(record, survival_days=400.0) for key, record in known.items()
            },
            "followed for 400 days at most, but survival is to be predicted at 1095 days",
        ),
    ],
)
def test_what_no_model_can_come_from_is_refused_before_the_network_trains(
    work: Installation,
    change: Callable[[dict[str, ClinicalRecord]], dict[str, ClinicalRecord]],
    sentence: str,
) -> None:
    request = TrainingRequest(center="A", bundle=Path("bundle"))
    check_trainable(work, request, training_store(work, request), records())
    with pytest.raises(TrainingError, match=sentence):
        check_trainable(work, request, training_store(work, request), change(records()))


@pytest.mark.slow
def test_too_many_components_are_refused_before_the_network_trains(work: Installation) -> None:
    request = TrainingRequest(center="A", bundle=Path("bundle"), least_deaths_per_component=20)
    source = training_store(work, request)
    with pytest.raises(TrainingError, match=r"components for 50 deaths, .* \(--lambda-rule 1se\)"):
        check_trainable(work, request, source, records())
    anyway = request.model_copy(update={"least_deaths_per_component": 0})
    check_trainable(work, anyway, source, records())


def test_radiomics_that_order_all_deaths_are_refused_with_the_way_out(work: Installation) -> None:
    """A sum of features that ranks every patient rightly has no finite Cox coefficients."""
    request = TrainingRequest(center="A", bundle=Path("bundle"), least_deaths_per_component=0)
    source = training_store(work, request)
    digest = work.settings.extraction().digest
    total = source.features("A", [Region.GTV], digest).iloc[:, :30].sum(axis=1)
    ordered = {
        key: replace(records()[key], survival_days=60.0 + 30 * place)
        for place, key in enumerate(total.sort_values(ascending=False).index)
    }
    with pytest.raises(TrainingError, match=r"so the network is not trained: .*--lambda-rule 1se"):
        check_trainable(work, request, source, ordered)


def test_folds_that_leave_too_few_deaths_are_refused_before_the_network_trains(
    work: Installation,
) -> None:
    request = TrainingRequest(center="A", bundle=Path("bundle"), folds=5)
    few = {
        key: replace(record, event=number < 12)
        for number, (key, record) in enumerate(records().items())
    }
    with pytest.raises(TrainingError, match=r"cannot be cross-validated in 5 folds: .*--folds 0"):
        check_trainable(work, request, training_store(work, request), few)
    with pytest.raises(pydantic.ValidationError, match="One fold leaves nobody to train on"):
        TrainingRequest(center="A", bundle=Path("bundle"), folds=1)


def records_and_hazards() -> list[tuple[str, float]]:
    hazards = np.random.default_rng(2).normal(size=PATIENTS)
    return [(f"patient{number:03d}", float(hazard)) for number, hazard in enumerate(hazards)]


def records() -> dict[str, ClinicalRecord]:
    rng = np.random.default_rng(4)
    return {
        key: ClinicalRecord(
            key,
            "A",
            70.0,
            Sex.MALE,
            Histology.SQUAMOUS,
            "II",
            float(np.ceil(rng.exponential(900 / np.exp(1.5 * hazard)))),
            True,
        )
        for key, hazard in records_and_hazards()
    }


@pytest.mark.slow
def test_the_rule_reaches_the_model_and_its_weakness_is_logged(
    work: Installation, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    log_runs_to("run", monkeypatch)
    models = {}
    for rule in LambdaRule:
        caplog.clear()
        request = TrainingRequest(center="A", bundle=Path("bundle"), lambda_rule=rule)
        features = combined_model_features(work, request, training_store(work, request), NETWORK)
        model = models[rule] = fit_combined_model.fn(request, features, records())
        assert model.training.settings.lambda_rule is rule
        assert model.blocks == ("gtv",)
        said = [record.getMessage() for record in caplog.records if record.name == "run"]
        assert [sentence[:45] for sentence in said[:2]] == [
            "The model is combined without the block ring_",
            "The model is combined without the block deep:",
        ]
        assert said[2:] == list(model.training.warnings)
    few, many = models[LambdaRule.ONE_STANDARD_ERROR], models[LambdaRule.MIN]
    assert len(few.features) < len(many.features)
    assert "deaths per component" in many.training.warnings[0]


def test_a_block_of_which_no_feature_is_robust_is_left_out_with_a_sentence(
    work: Installation, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    log_runs_to("run", monkeypatch)
    request = TrainingRequest(center="A", bundle=Path("bundle"), robust=0.9)
    features = combined_model_features(work, request, training_store(work, request), NETWORK)
    steady = {name: float(name.startswith("gtv:")) for name in map(str, features.columns)}
    offered = Robustness(0.9, 10, PATIENTS, 0, steady).robust(features)
    model = fit_combined_model.fn(request, offered, records())
    assert model.blocks == ("gtv",)
    said = [record.getMessage() for record in caplog.records if record.name == "run"]
    assert said[:2] == [
        f"The model is combined without the block {block}: none of its features is robust."
        for block in ("deep", "ring_6mm")
    ]


def frozen(work: Installation, folder: Path, **changes: object) -> dict[str, bytes]:
    """Do what the flow does after the network, and return the bundle's files."""
    request = TrainingRequest.model_validate(
        {"center": "A", "bundle": folder, "bootstraps": 1, **changes}
    )
    source = training_store(work, request)
    eligible = eligible_records(source, "A")
    features = combined_model_features(work, request, source, NETWORK)
    model = fit_combined_model.fn(request, features, eligible)
    evidence = gather_evidence.fn(
        request, features, compared_region_features(work, request, source), eligible, model, ()
    )
    facts = bundle_facts(request, source, work.settings.extraction(), USE, BUNDLE_PACKAGES)
    freeze(folder, model, NETWORK, facts, evidence)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.slow
def test_the_same_store_and_seed_give_the_same_bytes_whatever_the_external_centres_hold(
    work: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_runs_to("run", monkeypatch)
    work.store.put_clinical(ClinicalTable(tuple(records().values()), ()))
    outside = [replace(record, center="B") for record in records().values()]
    write_external(work, outside, seed=1)
    versions = work.store.versions()
    first = frozen(work, tmp_path / "first")
    assert set(first) == {"manifest.json", "model.json", "training.json"}

    days = [record.survival_days for record in outside][::-1]
    permuted = [
        replace(record, survival_days=day) for record, day in zip(outside, days, strict=True)
    ]
    write_external(work, permuted, seed=2)
    assert work.store.versions() != versions
    assert frozen(work, tmp_path / "as it was", store_versions=versions) == first
    now = frozen(work, tmp_path / "now")
    compared = json.loads(first["training.json"])["comparison"]
    assert [result["regions"] for result in compared] == [
        ["gtv"],
        ["ring_6mm"],
        ["gtv", "ring_6mm"],
    ]
    assert [now[name] == first[name] for name in ("model.json", "training.json")] == [True, True]
    manifests = [json.loads(files["manifest.json"]) for files in (first, now)]
    assert manifests[0]["facts"].pop("store_versions") != manifests[1]["facts"].pop(
        "store_versions"
    )
    assert manifests[0] == manifests[1]


def write_external(work: Installation, outside: list[ClinicalRecord], seed: int) -> None:
    rng, digest = np.random.default_rng(seed), work.settings.extraction().digest
    work.store.put_clinical(ClinicalTable(tuple(outside), ()))
    for record in outside[:5]:
        identity = StudyIdentity("B", record.patient_key, f"study-{record.patient_key}", "c" * 64)
        values = {
            region: FeatureVector(region, rng.normal(size=len(FEATURE_NAMES)), digest)
            for region in (Region.GTV, Region.RING_6MM)
        }
        work.store.put_radiomics(identity, values)


def test_the_combat_reference_is_frozen_only_where_the_settings_ask_for_it(
    work: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_runs_to("run", monkeypatch)
    request = TrainingRequest(center="A", bundle=Path("bundle"))
    features = combined_model_features(work, request, training_store(work, request), NETWORK)
    model = fit_combined_model.fn(request, features, records())
    assert combat_reference(work, features, records(), model) is None
    asking = Installation(work.settings.model_copy(update={"combat": CombatTable(enabled=True)}))
    some = dict(list(records().items())[:40])
    reference = combat_reference(asking, features, some, model)
    assert reference is not None
    assert reference.patients == 40
    assert len(reference.features) == 30  # of the model's only block, those that vary
    expected = features.loc[list(some), list(reference.features)].to_numpy().mean(axis=0)
    np.testing.assert_allclose(reference.means, expected, atol=1e-12)


@pytest.mark.slow
def test_the_network_is_frozen_as_a_graph_that_was_held_against_keras(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from models.network.backend import make_deterministic
    from models.network.se_resnet import build_se_resnet, network_weights

    log_runs_to("run", monkeypatch)
    make_deterministic(6)
    network = network_weights(build_se_resnet())
    store = FeatureStore(str(tmp_path / "store"))
    tumours = np.random.default_rng(6).normal(size=(2, 64, 64, 64)).astype(np.float32)
    for number, tumour in enumerate(tumours):
        identity = StudyIdentity("A", f"p{number}", f"s{number}", "c" * 64)
        store.put_deep_input(identity, tumour)
    request = TrainingRequest(center="A", bundle=tmp_path / "bundle")
    cohort = make_cohort(blocks=("gtv", "deep"))
    deep = train_combined_model(cohort.features, cohort.survival, seed=1, blocks=("gtv", "deep"))
    graph, check = network_graph(request, store, network, deep)
    assert graph is not None
    assert check is not None
    assert (check.tumours, check.agrees) == (2, True)
    assert not caplog.records
    monkeypatch.setattr(engines, "LIMIT", 0.0)
    assert network_graph(request, store, network, deep) == (None, check)
    assert "frozen without it, and Keras will score" in caplog.text


def test_the_range_and_the_digests_are_of_the_patients_that_train(
    work: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_runs_to("run", monkeypatch)
    request = TrainingRequest(center="A", bundle=Path("bundle"))
    source = training_store(work, request)
    features = combined_model_features(work, request, source, NETWORK)
    model = fit_combined_model.fn(request, features, records())
    (radiomics,) = range_of_training(features, records(), {}, model, ()).distances
    assert radiomics.group == "radiomics"
    assert radiomics.z_score.features == model.features
    assert radiomics.left_out.size == PATIENTS

    for key in ("patient001", "of nobody"):
        study = StudyIdentity("A", key, f"study-{key}", "c" * 64)
        work.store.put_images(study, ImageMarks(1, (f"{key} uid",), (f"{key} hu",), (f"{key} id",)))
    digests = digests_of_training(request, training_store(work, request), records())
    assert [digests.pixels, digests.instances, digests.persons] == [
        (digests.salted(["patient001 hu"]),),
        (digests.salted(["patient001 uid"]),),
        digests.salted(["patient001 id"]),
    ]


@pytest.mark.slow
def test_the_ring_that_the_patients_favour_is_the_models_and_needs_others_to_choose_among(
    work: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_runs_to("run", monkeypatch)
    request = TrainingRequest(center="A", bundle=Path("bundle"), ring=RingChoice.BEST)
    with pytest.raises(TrainingError, match=r"The settings name 1 ring, .*train with --ring 6mm"):
        check_trainable(work, request, training_store(work, request), records())
    gtv = work.store.features("A", [Region.GTV], work.settings.extraction().digest)
    features = gtv.iloc[:, :1].copy()
    random = np.random.default_rng(8)
    told = np.array([hazard for _, hazard in records_and_hazards()])
    for ring, noise in (("ring_3mm", 0.5), ("ring_6mm", 9.0)):
        for number in range(3):
            features[f"{ring}:{number}"] = told + noise * random.normal(size=PATIENTS)
    model = fit_combined_model.fn(request, features, records())
    assert "ring_3mm" in model.blocks
    paper = request.model_copy(update={"ring": RingChoice.PAPER})
    assert "ring_3mm" not in fit_combined_model.fn(paper, features, records()).blocks
