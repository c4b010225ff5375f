"""`prefect deployment run` scores a study and validates a cohort, and the answer is the run's
state.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.uid import ParametricMapStorage

from dicom_node.registry.registry import StudyState
from dicom_node.settings import PSEUDONYM_KEY_VARIABLE
from tests.support.processes import run_module
from tests.support.running_installation import NewInstallation, Running
from tests.support.settings_tables import center_table
from tests.support.synthetic_studies import write_study
from tests.support.waiting import wait_until
from tests.support.web import ask

pytestmark = [pytest.mark.peers, pytest.mark.slow]


@pytest.fixture
def running(new_installation: NewInstallation) -> Iterator[Running]:
    with new_installation(center_table("B"), dispatcher=False) as running:
        yield running


def _deployment_run(running: Running, deployment: str, **parameters: Any) -> dict[str, Any]:
    """Start a run as a biostatistician would, and return it when it has ended."""
    values = [
        text for name, value in parameters.items() for text in ("-p", f"{name}={json.dumps(value)}")
    ]
    asked = running.run_prefect("deployment", "run", deployment, *values)
    assert asked.returncode == 0, asked.stdout + asked.stderr
    flow, name = deployment.split("/")
    body = {
        "flows": {"name": {"any_": [flow]}},
        "deployments": {"name": {"any_": [name]}},
        "sort": "EXPECTED_START_TIME_DESC",
    }

    def ended() -> dict[str, Any] | None:
        runs = ask(f"{running.system.prefect_url}/api/flow_runs/filter", body)
        final = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
        return next((run for run in runs if run["state_type"] in final), None)

    wait_until(lambda: ended() is not None, 240, f"the run of {deployment} has ended")
    run = ended()
    assert run is not None
    return run


def _check_explanation(running: Running, score: str, study_key: str, occlusion: Path) -> None:
    """Ask on the command line what the score is made of; the parts add up to it, and a map is
    written.
    """
    told = running.run_flow("explain", study_key, "--occlusion", str(occlusion))
    assert told.returncode == 0, told.stderr
    total = re.search(r"^linear predictor ([+-][0-9.]+): (.+)$", told.stdout, re.MULTILINE)
    assert total is not None, told.stdout
    assert f"linear predictor {total[1]}" in score
    parts = re.findall(
        r"^  ([+-][0-9.]+)  .+ SD from the training mean \(.+\)$", told.stdout, re.MULTILINE
    )
    assert sum(map(float, parts)) == pytest.approx(float(total[1]), abs=0.001 * len(parts))
    assert set(re.findall(r"(\S+) [+-]", total[2])) == {"gtv", "ring_6mm", "deep"}
    assert dcmread(occlusion, stop_before_pixels=True).SOPClassUID == ParametricMapStorage


def test_a_study_is_scored_and_a_cohort_refused_by_deployment_runs(
    running: Running, peer: Callable[[str], str], tmp_path: Path
) -> None:
    assert running.push(peer, write_study(tmp_path / "study", "P1"), "B") == 0
    (study,) = running.wait_for(1, StudyState.QUEUED)
    running.system.start("deployments", "flows", "serve")
    wait_until(
        lambda: len(ask(f"{running.system.prefect_url}/api/deployments/filter", {})) >= 5,
        120,
        "deployments",
    )

    other = {**running.system.environment, PSEUDONYM_KEY_VARIABLE: "another installation's key"}
    second = run_module(other, "flows", "deploy", "its-pool")
    assert (second.returncode, second.stdout) == (2, "")
    assert "is another installation's, whose deployments would be overwritten" in second.stderr

    scored = _deployment_run(running, "score-study/score-one-study", study_key=study.study_key)
    assert (scored["state_name"], scored["state_type"]) == ("Scored", "COMPLETED")
    assert [item.state for item in running.studies()] == [StudyState.SCORED]
    _check_explanation(running, scored["state"]["message"], study.study_key, tmp_path / "map.dcm")

    other = _deployment_run(running, "extract-study/extract-one-study", study_key=study.study_key)
    assert other["state_name"] == "Refused"
    assert [item.state for item in running.studies()] == [StudyState.SCORED]

    assert {"center:B", "outcome:refused", "study"} == set(other["tags"])

    refused = _deployment_run(
        running,
        "validate-cohort/ad-hoc",
        cohort={"name": "none", "centers": ["B"], "scored_from": "2026-13-01"},
    )
    assert refused["state_name"] == "Refused"
    assert refused["state"]["message"].startswith("cohort.scored_from is '2026-13-01': expected")
    nowhere = 'cohort={"centers": ["NOWHERE"]}'
    told = running.run_flow("prefect", "deployment", "run", "validate-cohort/ad-hoc", "-p", nowhere)
    assert told.returncode != 0
    assert "'NOWHERE' is not one of ['B']" in told.stdout + told.stderr
    assert "Traceback" not in told.stdout + told.stderr

    watched = running.run_flow(
        "prefect",
        *("deployment", "run", "redeliver/send-report-again", "--watch"),
        *("-p", f"study_key={study.patient_key}"),
    )
    assert watched.returncode == 1
    assert f"Study {study.study_key} is scored and has no report to deliver" in watched.stdout
