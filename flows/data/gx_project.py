"""``python -m flows store data-docs``: the suites on a study or a centre as a project of Great
Expectations, with Checkpoint results and Data Docs.
"""

from __future__ import annotations

from pathlib import Path

from dicom_node.registry.registry import StudyState
from feature_store.expectations.cohort_rules import cohort_facts
from feature_store.expectations.data_docs import SuiteTable, write_data_docs
from feature_store.expectations.study_rules import study_facts
from feature_store.imaging.contour_combination import OverlappingContours
from feature_store.imaging.reading import read_study
from feature_store.imaging.voxel_rules import voxel_facts
from feature_store.study_features import compute_features, load_study, region_facts
from flows.data.identity import chosen_gtv, meant_study
from flows.installation import Installation


def center_data_docs(work: Installation, center: str, folder: Path) -> Path:
    """Judge a centre's clinical table, and its cohort under the pinned bundle; return the first
    page.

    Raises
    ------
    SettingsError
        If there is no such centre.
    StoreError
        If the store cannot be read.
    """
    name, digest = work.center(center).name, work.settings.model.digest
    records = work.store.clinical(name)
    tables = [SuiteTable.of_records(records)]
    if digest is not None:
        quarantined = [
            study.patient_key
            for study in work.registry.studies.summaries(name)
            if study.state is StudyState.QUARANTINED
        ]
        facts = cohort_facts(name, work.store.scores(digest, name), records, quarantined)
        tables.append(SuiteTable.of_facts("cohort", facts))
    return write_data_docs(folder, tables)


def study_data_docs(work: Installation, study_key: str, folder: Path) -> Path:
    """Judge a study as it lies in the archive, suite after suite; return the first page.

    Raises
    ------
    UnknownStudyError
        If there is no such study.
    StudyDefect
        If the study cannot be loaded, so that it has no facts.
    """
    files, settings = work.registry.outbox.files(meant_study(work, study_key)), work.settings
    reading = read_study(
        [one.path for one in files.ct],
        files.rtstruct.path,
        {one.path: one.content_sha256 for one in (files.rtstruct, *files.ct)},
    )
    pattern, quarantine = work.center(files.center).gtv_pattern, settings.expectations.quarantine
    clinical = work.store.clinical_record(files.center, files.patient_key)
    chosen, overlapping = chosen_gtv(files), settings.features.overlapping_contours
    facts = study_facts(
        reading.ct.headers, reading.rtstruct.structure_set, pattern, clinical, chosen
    )
    study = load_study(reading, pattern, OverlappingContours(overlapping), chosen)
    extraction = settings.extraction()
    measured = compute_features(
        study,
        extraction,
        settings.features.ring_widths_mm,
        engine=lambda *_: {},  # the regions alone are judged
    )
    regions = region_facts(measured)
    voxels = voxel_facts(study.volume, study.drawn, extraction.hu_floor)
    judged = {"study": facts, "contours": study.contours, "voxels": voxels, "regions": regions}
    return write_data_docs(
        folder, [SuiteTable.of_facts(name, one, quarantine) for name, one in judged.items()]
    )
