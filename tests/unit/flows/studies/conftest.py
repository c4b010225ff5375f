"""A scored study with everything that its score returns, made once for the tests of this room."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from prefect.logging import disable_run_logger

from feature_store.radiomic_features.settings import FEATURE_NAMES
from flows.data.model_features import study_features
from flows.installation import Installation
from flows.settings import Settings
from flows.studies import steps
from flows.studies.scored import ModelAnswer, Scored
from models.combined.combined_model import train_combined_model
from models.combined.explanation import explain
from models.survival.survival_data import Survival
from tests.support import synthetic_studies as spoil
from tests.support.archived_studies import archive_study
from tests.support.training_cohorts import bundle_facts

check_and_load = inspect.unwrap(steps.check_and_load)
extract_features = inspect.unwrap(steps.extract_features)
SCORED_AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.fixture(scope="module")
def bundle() -> Any:
    """A model of a few features of GTV and ring, without a network."""
    random = np.random.default_rng(4)
    names = [f"{block}:{name}" for block in ("gtv", "ring_6mm") for name in FEATURE_NAMES[:8]]
    values = random.normal(size=(90, len(names)))
    days = np.ceil(random.exponential(900 / np.exp(values[:, 0] + values[:, 9])).clip(1, 2000))
    model = train_combined_model(
        pd.DataFrame(values, columns=names),
        Survival(days, days < 2000),
        seed=1,
        blocks=("gtv", "ring_6mm"),
        horizons=(365, 730),
    )
    return SimpleNamespace(model=model, facts=bundle_facts(), network=None, digest="cd" * 32)


def installed(folder: Path, bundle: Any, center: str) -> Installation:
    (folder / "annulus.toml").write_text(
        f"[node]\nfolder = '{folder / 'node'}'\n[center.alpha]\nae_titles = ['ALPHA']\n{center}"
    )
    work = Installation(Settings.load(folder / "annulus.toml"))
    vars(work)["bundle"] = bundle
    return work


RETURN_TO = "[center.alpha.return_to]\nae_title = 'PACS'\nhost = '127.0.0.1'\nport = 104\n"


@pytest.fixture(scope="module")
def archived(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("returned")
    files = spoil.write_study(folder / "study", "PATIENT-ID")
    return folder, archive_study(folder / "node", files, "alpha")


@pytest.fixture(scope="module")
def scored(archived: tuple[Path, str], bundle: Any) -> Iterator[Scored]:
    folder, study_key = archived
    # other contours are scored, so that the voxels are kept
    work = installed(folder, bundle, RETURN_TO + "[certainty]\ncontours = 10\n")
    with disable_run_logger(), work.store.writing_beside() as store:
        run = steps.StudyRun(work, store, work.registry.outbox.files(study_key))
        checked = check_and_load(run)
        features, _ = extract_features(run, checked)
    table = pd.DataFrame([study_features(bundle, features)])
    (risk,), (parts,) = bundle.model.score(table), explain(bundle.model, table)
    answer = ModelAnswer(risk, parts, (), SCORED_AT)
    yield Scored(checked, features, answer, ("The tube voltage is missing.",))
    work.registry.close()
