"""Features that others have published of real patients, through the commands of the guide: tables
to a bundle, the bundle to scores of other patients, these to a report.
"""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from dicom_node.settings import PSEUDONYM_KEY_VARIABLE, SETTINGS_VARIABLE
from feature_store.tables.store import FeatureStore
from models.bundle.frozen_bundle import load, read_digest
from tests.support.intake_bench import KEY
from tests.support.processes import run_module

pytestmark = pytest.mark.slow

TABLES = ("firstorder", "shape", "GLCM", "GLRLM", "HLH_GLRLM")
NOT_SAID = ("version", "bin_width", "normalize", "normalize_scale", "spacing_mm", "interpolator")


def part(table: Path, to: Path, *, odd: bool) -> Path:
    """Copy the lines of the patients with odd or even numbers, as of two centres."""
    with table.open(newline="") as lines, to.open("w", newline="") as chosen:
        reader = csv.DictReader(lines)
        writer = csv.DictWriter(chosen, reader.fieldnames or [])
        writer.writeheader()
        writer.writerows(row for row in reader if int(row["PatientID"][-3:]) % 2 == odd)
    return to


def done(environment: Mapping[str, str], *arguments: str) -> str:
    """Run a command of ``python -m flows``; return what it said."""
    run = run_module(environment, "flows", *arguments)
    said = run.stdout + run.stderr
    assert run.returncode == 0, said
    return said


def test_published_features_train_and_validate_a_model_and_say_everywhere_where_they_come_from(
    tmp_path: Path, prefect_port: int, real_data: Path
) -> None:
    folder, settings = real_data / "lung1", tmp_path / "annulus.toml"
    head = (
        f"[node]\nfolder = '{tmp_path / 'node'}'\n"
        f"[prefect]\napi_url = 'http://127.0.0.1:{prefect_port}/api'\n"
        "[center.A]\nae_titles = ['A']\nrole = 'training'\n[center.B]\nae_titles = ['B']\n"
    )
    settings.write_text(head)
    environment = {
        **os.environ,
        PSEUDONYM_KEY_VARIABLE: KEY.decode(),
        SETTINGS_VARIABLE: str(settings),
    }
    stated = [argument for name in NOT_SAID for argument in ("--stated", f"{name}=unknown")]
    for center, odd in (("A", True), ("B", False)):
        clinical = part(folder / "clinical.csv", tmp_path / f"{center}.csv", odd=odd)
        done(environment, "import-clinical", center, str(clinical))
        parts = (
            part(folder / f"features_{name}.csv", tmp_path / f"{center}-{name}.csv", odd=odd)
            for name in TABLES
        )
        tables = [f"gtv={table}" for table in parts]
        said = done(
            environment, "import-features", center, *tables, *stated, "--stated", "wavelet=coif1"
        )
        assert f"88 features of gtv of 208 patients of centre {center} imported" in said
        assert "Nobody says of these features version, bin_width" in said
        assert "LUNG1" not in said

    bundle = tmp_path / "bundle"
    done(environment, "train", "A", str(bundle), "--imported", "--folds", "2", "--bootstraps", "2")
    digest = read_digest(bundle)
    frozen = load(bundle, digest)
    assert frozen.network is None
    assert frozen.facts.made_elsewhere
    assert len(frozen.evidence.cross_validations) == 1
    card = run_module(environment, "models", "show", str(bundle)).stdout
    assert "origin          features made elsewhere and imported" in card
    assert "LUNG1" not in card
    again = tmp_path / "again"
    done(environment, "train", "A", str(again), "--imported", "--folds", "2", "--bootstraps", "2")
    assert read_digest(again) == digest

    settings.write_text(head + f"[model]\nbundle = '{bundle}'\ndigest = '{digest}'\n")
    assert "208 patients of centre B scored by imported features" in done(
        environment, "score-cohort"
    )
    done(environment, "validate", "B")
    (report,) = (tmp_path / "node").rglob("report.json")
    content = report.read_text(encoding="utf-8")
    assert (
        "The features were made elsewhere (PyRadiomics, in a version that nobody states)" in content
    )
    assert "Nobody says of these features, or of the model's, version" in content
    assert not re.search(r"LUNG1", content)
    json.loads(content)
    store = FeatureStore(str(tmp_path / "node" / "feature_store"))
    scores = store.scores(digest, "B")
    assert len(scores) == 208
    assert all("made elsewhere" in score.warnings[0] for score in scores)
    told = done(environment, "query", "scores", "--center", "B", "--format", "csv")
    assert told.count("The features were made elsewhere") == 208
