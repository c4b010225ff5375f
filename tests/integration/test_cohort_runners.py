"""`score-cohort` gives the same features and scores over a Dask cluster, over processes and one
after the other, and `certainty-cohort` the same scores over other contours as scoring itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from dicom_node.registry.registry import StudyState
from feature_store.imaging.regions import Region
from feature_store.radiomic_features.settings import ExtractionSettings
from tests.support.processes import run_module
from tests.support.running_installation import NewInstallation, Running
from tests.support.settings_tables import center_table
from tests.support.synthetic_studies import write_study

pytestmark = [pytest.mark.peers, pytest.mark.slow]

STUDIES = 3


def _fingerprint(running: Running) -> list[str]:
    """Return for each patient a digest of every byte of features, network input and score, whatever
    the pseudonyms.
    """
    store, digest = running.store, running.bundle_digest
    features = store.features("B", [Region.GTV, Region.RING_6MM], ExtractionSettings().digest)
    identities, inputs = store.deep_inputs("B")
    scores = {score.identity.patient_key: score for score in store.scores(digest, "B")}
    found = []
    for identity, voxels in zip(identities, inputs, strict=True):
        score = scores[identity.patient_key]
        told = repr(
            (score.linear_predictor, score.high_risk, dict(score.survival), score.warnings)
        ).encode()
        row = features.loc[identity.patient_key].to_numpy().tobytes()
        over = running.store.contour_scores(digest, "B")[identity]
        told += repr((over.linear_predictors, over.p10, over.p90, over.other_group)).encode()
        found.append(hashlib.sha256(row + voxels.tobytes() + told).hexdigest())
    return sorted(found)


def test_dask_gives_the_same_bytes_as_one_after_the_other(
    new_installation: NewInstallation,
    peer: Callable[[str], str],
    tmp_path: Path,
) -> None:
    found = {}
    for runner in ("dask", "thread"):
        with new_installation(center_table("B"), dispatcher=False) as running:
            found[runner] = _scored_by(running, runner, peer, tmp_path)
    assert found["dask"] == found["thread"]
    assert len(set(found["dask"])) == STUDIES


def _scored_by(
    running: Running, runner: str, peer: Callable[[str], str], tmp_path: Path
) -> list[str]:
    for number in range(STUDIES):
        files = write_study(tmp_path / runner / f"P{number}", f"P{number}")
        assert running.push(peer, files, "B") == 0
    running.wait_for(STUDIES, StudyState.QUEUED)
    for _ in range(STUDIES):  # an earlier model has scored them
        item = running.registry.outbox.claim("the dispatcher of an earlier model", 60)
        assert item is not None
        running.registry.outbox.finish(
            item.study_key, item.content_digest, "0" * 64, StudyState.SCORED, None, None
        )
    environment = {
        "ANNULUS_PREFECT__COHORT_RUNNER": runner,
        "ANNULUS_PREFECT__COHORT_WORKERS": "2",
        "ANNULUS_PREFECT__COHORT_CHUNK": "2",
        # over Dask what is scored without other contours is computed afterwards
        "ANNULUS_CERTAINTY__CONTOURS": "0" if runner == "dask" else "10",
    }
    done = run_module({**running.system.environment, **environment}, "flows", "score-cohort", "B")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{STUDIES} studies: {STUDIES} Scored" in done.stdout
    moved = run_module(
        {**running.system.environment, **environment},
        "flows", "certainty-cohort", "B", "--contours", "10",
    )  # fmt: skip
    assert moved.returncode == 0, moved.stdout + moved.stderr
    said = f"{STUDIES} studies: " if runner == "dask" else "every score of B"
    assert said in moved.stdout
    again = running.run_flow("score-cohort", "B")
    assert "has scored every study of B" in again.stdout
    return _fingerprint(running)
