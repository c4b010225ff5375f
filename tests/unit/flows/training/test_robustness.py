"""The features of a training's studies over contours, read from the archive again."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from prefect.logging import disable_run_logger

from dicom_node.errors import NodeError
from feature_store.imaging.regions import Region
from feature_store.radiomic_features.settings import FEATURE_NAMES
from feature_store.study_identity import StudyIdentity
from flows.data.identity import identity_of
from flows.installation import Installation
from flows.settings import Settings
from flows.training import robustness as step
from flows.training.request import TrainingRequest
from models.errors import TrainingError
from models.network.weights import NetworkWeights
from tests.support.archived_studies import archive_study
from tests.support.synthetic_studies import write_study

pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_.*' is deprecated:DeprecationWarning")
robustness_of_training = inspect.unwrap(step.robustness_of_training.fn)
RADIOMICS = [
    f"{region}:{name}" for region in (Region.GTV, Region.RING_6MM) for name in FEATURE_NAMES
]
REQUEST = TrainingRequest(center="alpha", bundle=Path("bundle"), robust=0.9)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("training")
    files = write_study(folder / "study", "PATIENT-ID")
    study_key = archive_study(folder / "node", files, "alpha")
    (folder / "annulus.toml").write_text(
        f"[node]\nfolder = '{folder / 'node'}'\n[center.alpha]\nae_titles = ['ALPHA']\n"
        "role = 'training'\n"
    )
    work = Installation(Settings.load(folder / "annulus.toml"))
    identity = identity_of(work.registry.outbox.files(study_key))
    work.store.put_deep_input(identity, np.zeros((64, 64, 64), np.float32))
    yield work
    work.registry.close()


def test_without_being_asked_for_nothing_is_read(work: Installation) -> None:
    request = REQUEST.model_copy(update={"robust": None})
    assert step.studies_to_perturb(work, request, work.store, {"anybody"}) == []
    network = NetworkWeights({"a": np.zeros(1, np.float32)})
    assert robustness_of_training(work, request, [], network) is None


def test_the_studies_are_those_of_the_patients_and_must_be_in_the_archive(
    work: Installation,
) -> None:
    identities, _ = work.store.deep_inputs("alpha")
    (study,) = step.studies_to_perturb(
        work, REQUEST, work.store, {identities[0].patient_key, "another"}
    )
    assert study.study_key == identities[0].study_key
    gone = StudyIdentity("alpha", "gone", "gone", "c" * 64)
    versions = work.store.versions()
    work.store.put_deep_input(gone, np.zeros((64, 64, 64), np.float32))
    with pytest.raises(NodeError, match="gone"):
        step.studies_to_perturb(work, REQUEST, work.store, {"gone"})
    assert step.studies_to_perturb(work, REQUEST, work.store.pinned(versions), {"gone"}) == []


@pytest.mark.slow
def test_every_feature_of_every_contour_is_measured_and_one_patient_is_too_few(
    work: Installation,
) -> None:
    from models.network.backend import keras
    from models.network.se_resnet import build_se_resnet, network_weights

    keras.utils.set_random_seed(1)
    network = network_weights(build_se_resnet())
    identities, _ = work.store.deep_inputs("alpha")
    studies = step.studies_to_perturb(
        work, REQUEST, work.store, {one.patient_key for one in identities} - {"gone"}
    )
    with disable_run_logger():
        (values,) = step._features_over_contours(work, studies, network, 3, RADIOMICS)
        assert values is not None
        assert values.shape == (3, len(RADIOMICS) + 512)
        assert np.isfinite(values).all()
        assert (values.std(axis=0) > 0).mean() > 0.9
        with pytest.raises(TrainingError, match="contours of 1 patient "):
            robustness_of_training(work, REQUEST, studies, network)
