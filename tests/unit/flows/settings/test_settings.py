"""The settings file: documented key by key, strict about misspellings, overridden by the
environment.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

from dicom_node.center import Completeness, Role
from dicom_node.settings import (
    TABLES,
    CenterTable,
    NodeSettings,
    NodeTable,
    QueryTable,
    ReturnTable,
    SettingsError,
    TlsTable,
)
from feature_store.clinical_tables.conventions import Conventions
from flows.settings import (
    AugmentationTable,
    ClinicalConventionsTable,
    FeaturesTable,
    ModelTable,
    PrefectTable,
    Settings,
    SystemTable,
    ValidationTable,
)
from models.network.augmentation import Augmentation
from tests.support import ROOT

CENTER = "[center.B]\nae_titles = ['B']\n"
EXAMPLE = ROOT / "deploy" / "settings.example.toml"
TABLE_MODELS: dict[str, type[BaseModel]] = {
    "node": NodeTable,
    "center.B": CenterTable,
    "center.B.return_to": ReturnTable,
    "center.B.report_commitment_to": ReturnTable,
    "center.B.query_from": QueryTable,
    "node.tls": TlsTable,
    "features": FeaturesTable,
    "augmentation": AugmentationTable,
    "model": ModelTable,
    "validation": ValidationTable,
    "prefect": PrefectTable,
    "system": SystemTable,
    "clinical.B": ClinicalConventionsTable,
}


def _documented_keys(table: str) -> set[str]:
    section = re.split(r"^(?:# )?\[+", EXAMPLE.read_text(), flags=re.MULTILINE)
    body = next(part.split("\n", 1)[1] for part in section if part.startswith(f"{table}]"))
    return set(re.findall(r"^(?:# )?(\w+) = ", body, flags=re.MULTILINE))


@pytest.mark.parametrize("table", TABLE_MODELS)
def test_the_example_documents_every_key_and_no_other(table: str) -> None:
    keys = set(TABLE_MODELS[table].model_fields)
    keys -= {name.removeprefix(f"{table}.") for name in TABLE_MODELS}
    assert _documented_keys(table) == keys


def test_the_augmentation_s_defaults_are_those_of_the_training() -> None:
    assert AugmentationTable().ranges() == Augmentation()


def test_the_example_is_a_valid_settings_file() -> None:
    settings = Settings.load(EXAMPLE)
    (center,) = settings.centers()
    assert center.name == "B"
    assert center.quiet_period_s == 120.0
    assert center.return_to is not None
    assert center.return_to.port == 104


def test_every_table_has_an_owner() -> None:
    assert set(Settings.model_fields) == set(TABLES)
    assert set(tomllib.loads(EXAMPLE.read_text())) == set(TABLES)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[node]\nprot = 1\n", "node.prot"),
        ("[nod]\nport = 1\n", "nod"),
        ("[node]\nport = 70000\n", "node.port"),
        ("[model]\ndigest = 'short'\n", "model.digest"),
        ("[features]\nring_widths_mm = [5]\n", "features.ring_widths_mm"),
        ("[center.B]\nae_titles = ['B']\ngtv_pattern = '('\n", "gtv_pattern"),
        ("[center.B]\nae_titles = []\n", "no calling AE title"),
        ("[center.B]\nae_titles = ['X']\n[center.C]\nae_titles = ['X']\n", "both B and C"),
        ("[node\n", "not TOML"),
        ("[validation]\nschedule = 'nightly'\n", "'nightly' is not a schedule"),
        ("[validation]\ntimezone = 'Mars/Olympus'\n", "Mars/Olympus is not a time zone"),
        ("[validation]\nmargins = [0.8, 0.9]\n", "The margins are 0.8 and 0.9"),
        ("[validation]\ndecision_thresholds = [30]\n", "less than 1"),
        ("[clinical.B]\ndates = 'day-first'\n", "[clinical.B] names no centre of this file"),
        (f"{CENTER}[clinical.B]\ncolumns = {{ name = 'N' }}\n", "name is no column: expected"),
        (f"{CENTER}[clinical.B]\ncolumns = {{ patient_id = '' }}\n", "patient_id is needed"),
        (f"{CENTER}[clinical.B]\ncodes = {{ age = {{ 1 = 'old' }} }}\n", "age has no codes"),
        (
            f"{CENTER}[clinical.B]\ncodes = {{ event = {{ 1 = 'yes' }} }}\n",
            "'yes' is not understood as event",
        ),
        (f"{CENTER}[clinical.B]\ndates = 'american'\n", "clinical.B.dates"),
        ("[validation]\nschedules = { B = '0 1 * * *' }\n", "validation.schedules names B"),
    ],
)
def test_a_mistake_is_named_in_a_sentence(tmp_path: Path, text: str, named: str) -> None:
    file = tmp_path / "annulus.toml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=re.escape(named)):
        Settings.load(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"absent\.toml cannot be read"):
        Settings.load(tmp_path / "absent.toml")


def test_the_environment_wins_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "annulus.toml"
    file.write_text("[node]\nport = 104\nae_title = 'HERE'\n[prefect]\nworkers = 3\n")
    monkeypatch.setenv("ANNULUS_NODE__PORT", "11119")
    settings = Settings.load(file)
    assert (settings.node.port, settings.node.ae_title, settings.prefect.workers) == (
        11119,
        "HERE",
        3,
    )


def test_the_node_leaves_the_tables_of_others_alone(tmp_path: Path) -> None:
    file = tmp_path / "annulus.toml"
    file.write_text(
        "[features]\nbin_width = 25.0\n[center.B]\nae_titles = ['B']\nrole = 'training'\n"
    )
    (center,) = NodeSettings.load(file).centers()
    assert (center.role, center.completeness) == (Role.TRAINING, Completeness.LENIENT)


def test_a_center_is_validated_when_its_own_schedule_says(tmp_path: Path) -> None:
    file = tmp_path / "annulus.toml"
    file.write_text(
        "[validation]\nschedule = '0 1 * * *'\npool_schedule = 'off'\nschedules = { B = '0 5 * * "
        "1', C = 'off' }\n[center.B]\nae_titles = ['B']\n[center.C]\nae_titles = "
        "['C']\n[center.D]\nae_titles = ['D']\n"
    )
    validation = Settings.load(file).validation
    assert [validation.schedule_of(center) for center in "BCD"] == ["0 5 * * 1", None, "0 1 * * *"]
    assert validation.pooled_schedule() is None


def test_a_centre_s_conventions_reach_the_reader_of_its_tables(tmp_path: Path) -> None:
    file = tmp_path / "annulus.toml"
    file.write_text(
        f"{CENTER}[clinical.B]\ncolumns = {{ survival_months = 'OS', stage = '' }}\n"
        "codes = { sex = { 1 = 'male' }, histology = { 9 = 'unknown' } }\ndecimal = 'comma'\n"
    )
    settings = Settings.load(file)
    assert settings.clinical_conventions("B") == Conventions(
        columns={"survival_months": "OS", "stage": ""},
        codes={"sex": {"1": "male"}, "histology": {"9": "unknown"}},
        decimal="comma",
    )
    assert settings.clinical_conventions("C") == Conventions()
