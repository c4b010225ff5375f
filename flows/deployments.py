"""The deployments that ``python -m flows serve`` offers to `prefect deployment run` and to the Prefect UI."""

from __future__ import annotations

from typing import cast

from prefect import serve
from prefect.deployments.runner import RunnerDeployment

from flows.explain_study import explain_study
from flows.score_study import extract_study, score_study
from flows.train_model import train_model
from flows.validate import validate_center, validate_cohort

CONCURRENT_RUNS = 2
"""More cold processes at once than this exhaust the memory of a small machine."""


def serve_deployments() -> None:
    """Serve every deployment until stopped; each run gets a process of its own."""
    deployments = (
        score_study.to_deployment("by-hand", description="Score one study, named by its pseudonym.", tags=["study"]),
        extract_study.to_deployment("by-hand", description="Extract one training study again.", tags=["study"]),
        validate_cohort.to_deployment("ad-hoc", description="Validate any set of centres.", tags=["validation"]),
        validate_center.to_deployment("by-hand", description="Validate one centre.", tags=["validation"]),
        explain_study.to_deployment("by-hand", description="Say what a study's score is made of.", tags=["study"]),
        train_model.to_deployment("by-hand", description="Train and freeze a model on one centre.", tags=["model"]),
    )
    serve(*(cast(RunnerDeployment, deployment) for deployment in deployments), limit=CONCURRENT_RUNS)
