"""A whole training in which only features may be selected that other contours hardly change: from
archived studies to a frozen bundle and its card.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from deploy.demo.phantom import Scanner, TumourTraits, make_phantom
from deploy.demo.planning_study import SyntheticPatient, write_planning_study
from dicom_node.settings import PSEUDONYM_KEY_VARIABLE, SETTINGS_VARIABLE
from feature_store.clinical_records import ClinicalRecord, ClinicalTable, Histology, Sex
from feature_store.tables.store import FeatureStore
from models.bundle.frozen_bundle import load, read_digest
from models.bundle.model_card import model_card
from models.combined.signature import block_of
from tests.support.archived_studies import archive_study
from tests.support.fresh_interpreter import printed_by
from tests.support.intake_bench import KEY
from tests.support.processes import run_module

pytestmark = pytest.mark.slow

PATIENTS = 16
"""A few more than ten folds and the correlation need."""
SCANNER = Scanner("SIEMENS", "B30f", 120, 4.0, 24, noise_hu=12, blur_mm=0.8)
ICC = 0.75
EXTRACTED = """
import json, sys
from flows.studies.score_study import extract_study

states = [extract_study(key, return_state=True) for key in sys.argv[1:]]
print(json.dumps([state.name for state in states]))
"""


def archived_patients(folder: Path, random: np.random.Generator) -> dict[str, float]:
    """Archive a training centre's studies; return how large each tumour is, by study."""
    volumes = {}
    for number, volume in enumerate(np.linspace(-2.0, 1.0, PATIENTS)):
        traits = TumourTraits(float(volume), *random.uniform(-1, 1, 3).tolist())
        patient = SyntheticPatient(f"PATIENT-{number}", "F", 63, "20180312")
        phantom = make_phantom(traits, SCANNER, random)
        files = write_planning_study(folder / f"study{number}", patient, phantom, SCANNER)
        volumes[archive_study(folder / "node", list(files), "A")] = float(volume)
    return volumes


def test_only_robust_features_are_selected_and_the_card_says_how_many_there_are(
    tmp_path: Path, prefect_port: int
) -> None:
    (tmp_path / "annulus.toml").write_text(
        f"[node]\nfolder = '{tmp_path / 'node'}'\n[certainty]\ncontours = 10\n"
        f"[prefect]\napi_url = 'http://127.0.0.1:{prefect_port}/api'\n"
        "[center.A]\nae_titles = ['A']\nrole = 'training'\n"
    )
    environment = {
        **os.environ,
        PSEUDONYM_KEY_VARIABLE: KEY.decode(),
        SETTINGS_VARIABLE: str(tmp_path / "annulus.toml"),
        "PREFECT_API_URL": f"http://127.0.0.1:{prefect_port}/api",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    random = np.random.default_rng(7)
    volumes = archived_patients(tmp_path, random)
    printed = printed_by(EXTRACTED, *volumes, environment=environment, timeout_s=1500)
    assert json.loads(printed[-1]) == ["Extracted"] * PATIENTS

    store = FeatureStore(str(tmp_path / "node" / "feature_store"))
    assert "certainty" not in store.versions()  # who trains the model has no score to move
    identities, _ = store.deep_inputs("A")
    records = [
        ClinicalRecord(
            one.patient_key,
            "A",
            63.0,
            Sex.FEMALE,
            Histology.SQUAMOUS,
            "II",
            float(np.ceil(300 * np.exp(-volumes[one.study_key] + random.normal(0, 0.6)))),
            True,
        )
        for one in identities
    ]
    store.put_clinical(ClinicalTable(tuple(records), ()))
    folder = tmp_path / "bundle"
    asked = (
        f"--robust {ICC} --lambda-rule 1se --epochs 1 --folds 0 --bootstraps 0 "
        "--least-deaths-per-component 0 --demonstration"
    )
    trained = run_module(environment, "flows", "train", "A", str(folder), *asked.split())
    assert trained.returncode == 0, trained.stdout + trained.stderr

    bundle = load(folder, read_digest(folder))
    found = bundle.evidence.robustness
    assert found is not None
    assert (found.threshold, found.contours, found.n, found.n_left_out) == (ICC, 10, PATIENTS, 0)
    counts = found.counts()
    assert {block: offered for block, (_, offered) in counts.items()} == {
        "gtv": 1316,
        "ring_6mm": 1316,
        "deep": 512,
    }
    assert 0 < counts["gtv"][0] < 1316  # some are left out, and only some
    assert bundle.model.features
    for name in bundle.model.features:
        assert found.correlations[name] >= ICC
    for signature in bundle.model.signatures:
        assert signature.selection.n_offered == counts[signature.block][0]
        assert block_of(signature.features[0]) == signature.block
    card = "\n".join(model_card(bundle))
    for block, (reach, offered) in counts.items():
        assert f"    {block}: {reach} of {offered} features\n" in card
    assert f"at least {ICC:g} over 10 perturbed contours of {PATIENTS} patients" in card
    assert "certainty" not in store.versions()
