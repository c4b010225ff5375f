"""``python -m flows pyradiomics-parameters``: with the printed file, PyRadiomics as it comes gives
the features of a bundle.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import SimpleITK
import yaml

from feature_store.imaging.harmonize import harmonize_boxed_mask, harmonize_ct
from feature_store.imaging.reading import read_study
from feature_store.imaging.regions import Region
from feature_store.radiomic_features.extractor import extract
from feature_store.radiomic_features.pyradiomics_parameters import parameter_file
from feature_store.radiomic_features.settings import FEATURE_NAMES, ExtractionSettings
from feature_store.study_features import load_study, prepared
from flows.__main__ import main
from models.bundle.facts import BundleFacts
from models.bundle.frozen_bundle import freeze
from models.combined.combined_model import CombinedModel, train_combined_model
from models.survival.survival_data import Survival
from tests.support.fresh_interpreter import printed_by

PATIENTS = 60
STOCK_PYRADIOMICS = """
import json, sys
from radiomics.featureextractor import RadiomicsFeatureExtractor
found = RadiomicsFeatureExtractor(sys.argv[1]).execute(*sys.argv[2:])
print(json.dumps({name: float(value) for name, value in found.items()}))
"""
Freeze = Callable[..., Path]


@pytest.fixture(scope="module")
def model() -> CombinedModel:
    """A model on made-up features of the GTV, of which the first carries the hazard."""
    rng = np.random.default_rng(6)
    values = rng.normal(size=(PATIENTS, 10))
    death = rng.exponential(600 * np.exp(-1.5 * values[:, 0]))
    table = pd.DataFrame(
        values,
        index=[f"p{row:03d}" for row in range(PATIENTS)],
        columns=[f"gtv:{name}" for name in FEATURE_NAMES[:10]],
    )
    survival = Survival(np.minimum(death, 2000.0) + 1, death < 2000)
    return train_combined_model(table, survival, seed=1, blocks=("gtv",), horizons=(365, 730))


@pytest.fixture
def frozen(model: CombinedModel, tmp_path: Path) -> Freeze:
    """Freeze a bundle with some extraction settings, and return its folder."""

    def freeze_with(text: str, digest: str) -> Path:
        facts = BundleFacts(
            name="lung",
            version="1",
            intended_use="Tests only.",
            demonstration=True,
            extraction_settings=text,
            extraction_settings_digest=digest,
            training_center="A",
            created_at=datetime(2026, 1, 1, tzinfo=UTC),
            software_version="0.9",
        )
        freeze(tmp_path / "bundle", model, None, facts)
        return tmp_path / "bundle"

    return freeze_with


def test_a_bundle_decides_the_parameters(
    frozen: Freeze, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = ExtractionSettings(bin_width=10, normalize_scale=40)
    folder = frozen(settings.to_json(), settings.digest)
    assert main(["pyradiomics-parameters", str(folder)]) == 0
    text = capsys.readouterr().out
    assert settings.digest in text
    parameters = yaml.safe_load(text)
    assert parameters["setting"] == {
        "binWidth": 10,
        "normalize": True,
        "normalizeScale": 40,
        "additionalInfo": False,
    }
    assert parameters["imageType"]["LoG"] == {"sigma": [1.0, 2.0, 3.0, 4.0, 5.0]}


def test_what_pyradiomics_cannot_repeat_is_said_in_the_file(
    frozen: Freeze, capsys: pytest.CaptureFixture[str]
) -> None:
    usual = parameter_file(ExtractionSettings())
    assert "ATTENTION" not in usual
    settings = ExtractionSettings(normalize_over="body", ring_tissue="lung", normalize_scale=50)
    assert main(["pyradiomics-parameters", str(frozen(settings.to_json(), settings.digest))]) == 0
    text = capsys.readouterr().out
    assert 'ATTENTION, normalize_over = "body": PyRadiomics can take mean and' in text
    assert "(HU - mean) / sd * 50" in text
    assert 'ATTENTION, ring_tissue = "lung"' in text
    setting = yaml.safe_load(text)["setting"]
    assert setting["normalize"] is False
    assert setting["binWidth"] == 25


def test_without_a_bundle_the_settings_file_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "annulus.toml"
    file.write_text(f"[node]\nfolder = '{tmp_path}'\n[features]\nbin_width = 12.5\n")
    monkeypatch.setenv("ANNULUS_SETTINGS", str(file))
    assert main(["pyradiomics-parameters"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["setting"]["binWidth"] == 12.5


@pytest.mark.parametrize(
    ("change", "digest", "sentence"),
    [
        (
            {"engine": "pyradiomics 4"},
            ExtractionSettings().digest,
            "cannot be extracted by this version: engine is 'pyradiomics 4'",
        ),
        ({"resampling": "linear"}, ExtractionSettings().digest, "Use version 0.9"),
        ({}, "a" * 64, "but scores features with aaaaaaaaaaaa"),
    ],
    ids=["another engine", "an unknown setting", "another digest"],
)
def test_settings_that_are_not_these_are_refused_in_a_sentence(
    frozen: Freeze,
    capsys: pytest.CaptureFixture[str],
    change: dict[str, str],
    digest: str,
    sentence: str,
) -> None:
    folder = frozen(json.dumps(json.loads(ExtractionSettings().to_json()) | change), digest)
    assert main(["pyradiomics-parameters", str(folder)]) == 1
    said = capsys.readouterr()
    assert not said.out
    assert sentence in said.err
    assert said.err.count("\n") == 1


def test_no_bundle_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pyradiomics-parameters", str(tmp_path / "nowhere")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.slow
@pytest.mark.real_data
def test_pyradiomics_with_the_file_gives_the_features_of_the_bundle(
    frozen: Freeze, real_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = ExtractionSettings()
    assert main(["pyradiomics-parameters", str(frozen(settings.to_json(), settings.digest))]) == 0
    files = [str(tmp_path / name) for name in ("pyradiomics.yaml", "ct.nrrd", "gtv.nrrd")]
    Path(files[0]).write_text(capsys.readouterr().out, encoding="utf-8")

    folder = real_data / "pat1"
    ct_files, rtstruct = (folder / "ct").glob("*.dcm"), next((folder / "rtstruct").glob("*.dcm"))
    study = load_study(read_study(sorted(ct_files), rtstruct), "gtv.*")
    volume, contour = prepared(study, settings)
    ct = harmonize_ct(volume, settings.spacing_mm)
    gtv = harmonize_boxed_mask(contour, volume, ct)
    image: Any = ct.to_image()
    label: Any = SimpleITK.GetImageFromArray(gtv.whole().astype(np.uint8))
    label.CopyInformation(image)
    SimpleITK.WriteImage(image, files[1])
    SimpleITK.WriteImage(label, files[2])

    (printed,) = printed_by(STOCK_PYRADIOMICS, *files, timeout_s=500)
    theirs = json.loads(printed)
    ours = extract(ct, {Region.GTV: gtv}, settings)[Region.GTV].as_dict()
    assert theirs.keys() == ours.keys()
    assert len(theirs) == len(FEATURE_NAMES) == 1316
    found, expected = (np.array([by[name] for name in FEATURE_NAMES]) for by in (ours, theirs))
    off = np.abs(found - expected) / np.abs(expected)
    worst = np.argsort(-off)[:5]
    assert off.max() < 1e-6, [(FEATURE_NAMES[at], found[at], expected[at]) for at in worst]
