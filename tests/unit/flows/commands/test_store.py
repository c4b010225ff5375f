"""The commands around the feature store: what they offer, and what ``compact`` keeps."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest
from deltalake import DeltaTable

from feature_store.imaging.regions import Region
from feature_store.tables.query import Contents
from feature_store.tables.store import FeatureStore
from flows.commands.store import add_store_commands
from flows.installation import installation
from tests.support.feature_stores import identity, vector
from tests.unit.flows.commands.conftest import Run


def test_the_command_offers_what_the_store_has() -> None:
    parser = argparse.ArgumentParser()
    add_store_commands(parser.add_subparsers())
    for kind in Contents:
        assert parser.parse_args(["query", str(kind)]).contents == kind


def test_compaction_keeps_versions_that_a_report_names_and_says_which_are_gone(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = folder / "other"
    monkeypatch.setenv("ANNULUS_NODE__FOLDER", str(place))
    store = FeatureStore(place / "feature_store")
    for seed in range(4):
        store.put_radiomics(identity("B", 1), {Region.GTV: vector(Region.GTV, seed)})
    for name, version in (("early", 1), ("middle", 2)):
        report = place / "reports" / name / "report.json"
        report.parent.mkdir(parents=True)
        report.write_text(json.dumps({"provenance": {"store_versions": {"radiomics": version}}}))
    code, out, _ = run("compact")
    assert code == 0
    assert "reports and bundles that name versions, which stay: 2" in out
    monkeypatch.setattr("feature_store.tables.table_upkeep._LEAST_HOURS", 0)
    (place / "reports" / "early" / "report.json").unlink()
    code, out, _ = run("compact", "--keep-days", "0")
    assert "2 files removed" in out  # of versions 1 and 3
    read = ("query", "features", "--region", "gtv", "--format", "csv", "--version")
    assert [run(*read, f"radiomics={version}")[0] for version in (1, 2, 3, 4)] == [1, 0, 1, 0]
    assert "Version 1 of the table radiomics is gone" in run(*read, "radiomics=1")[2]
    (place / "reports" / "early" / "report.json").write_text(
        '{"provenance": {"store_versions": {"radiomics": 1}}}'
    )
    assert "gone before: early names radiomics 1" in run("compact")[1]
    (place / "reports" / "early" / "report.json").write_text("{ not json")
    code, _, err = run("compact", "--keep-days", "0")
    assert code == 1
    assert "Nothing was compacted" in err
    assert DeltaTable(store._location + "/radiomics").to_pyarrow_table().num_rows == 1
    (place / "reports" / "early" / "report.json").unlink()
    elsewhere = place / "bundle"
    elsewhere.mkdir()
    (elsewhere / "manifest.json").write_text('{"facts": {"store_versions": {"radiomics": 2}}}')
    monkeypatch.setenv("ANNULUS_MODEL__EARLIER", json.dumps({"a" * 64: str(elsewhere)}))
    assert "reports and bundles that name versions, which stay: 2" in run("compact")[1]
    assert "expected 0 or more days" in run("compact", "--keep-days", "-1")[2]


def test_the_check_says_what_is_wrong_and_mends_it(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = folder / "checked"
    monkeypatch.setenv("ANNULUS_NODE__FOLDER", str(place))
    installation.cache_clear()
    store = FeatureStore(place / "feature_store")
    store.put_radiomics(identity("B", 1), {Region.GTV: vector(Region.GTV, 1)})
    code, out, err = run("store", "check")
    assert (code, out) == (0, "The store is what it should be.\n")
    assert err.splitlines() == [
        "Taken from the environment, not from annulus.toml and annulus.env: ANNULUS_NODE__FOLDER."
    ]
    report = place / "reports" / "late" / "report.json"
    report.parent.mkdir(parents=True)
    report.write_text(json.dumps({"provenance": {"store_versions": {"radiomics": 3}}}))
    elsewhere = place / "trained elsewhere"
    elsewhere.mkdir()
    (elsewhere / "manifest.json").write_text('{"facts": {"store_versions": {"radiomics": 99}}}')
    monkeypatch.setenv("ANNULUS_MODEL__EARLIER", json.dumps({"a" * 64: str(elsewhere)}))
    installation.cache_clear()
    code, out, _ = run("store", "check")
    assert code == 1
    assert "ends with version 1, and reports name its version 3" in out
    code, _, err = run("compact", "--keep-days", "0")
    assert code == 1
    assert "Nothing was compacted, as the store is not what it should be." in err
    code, out, _ = run("store", "check", "--repair")
    assert code == 0
    assert "radiomics: versions 2 to 3 marked as lost" in out
    assert "late names radiomics 3, which this store cannot read" in out
    installation.cache_clear()


def test_a_report_to_be_made_again_and_centres_are_not_both_named(run: Run) -> None:
    installation.cache_clear()
    code, _, err = run("validate", "--as-of", "2026-01-31T12:00Z")
    assert code == 2
    assert "Name the centres to validate" in err
    installation.cache_clear()
