"""What the flow makes of a study, in a process that knows no orchestration and no store.

Started by `tests.benchmarks.bench_end_to_end` as a worker is. For each study named on standard
input it prints the seconds from its files to the bytes of its structured report: the functions that
`flows.studies.score_study` calls for a centre that takes the report alone, in its order.
"""

from __future__ import annotations

import gc
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from dicom_node.archive.part10 import content_sha256
from dicom_node.pseudonym import image_key, person_key
from feature_store.cores import both
from feature_store.expectations.study_rules import study_facts
from feature_store.expectations.suites import (
    check_contours,
    check_regions,
    check_study,
    check_voxels,
)
from feature_store.imaging.image_marks import ImageMarks, image_marks
from feature_store.imaging.reading import StudyReading, read_study
from feature_store.imaging.voxel_rules import voxel_facts
from feature_store.radiomic_features.settings import ExtractionSettings
from feature_store.study_features import (
    LoadedStudy,
    StudyFeatures,
    compute_features,
    load_study,
    region_facts,
    regions_on_ct,
)
from models.bundle.frozen_bundle import FrozenBundle, load, read_digest
from models.combined.combined_model import Risk, one_patient
from models.combined.explanation import explain
from models.network.weights import DEEP_COLUMNS, INPUT_SHAPE
from validation_reports.cohort.trained_on import TrainedOn
from validation_reports.dicom.files import write_dicom
from validation_reports.dicom.patient_report import build_structured_report
from validation_reports.dicom.references import ModelReference, RoiReference
from validation_reports.dicom.segments import ShownRegions, segments_of
from validation_reports.dicom.uids import derived_uid
from validation_reports.not_estimable import NotEstimable
from validation_reports.page.region_pictures import CtPlanes

GTV_PATTERN = "gtv[-_ ]?(p|1|primary)?"
_SETTINGS = ExtractionSettings()
_KEY = bytes(32)


def main() -> int:
    """Time what is asked for until nothing more is; the folder holds the bundle."""
    folder = Path(sys.argv[1])
    bundle = load(folder / "bundle", read_digest(folder / "bundle"))
    bundle.deep_feature_extractor.extract(np.zeros((1, *INPUT_SHAPE), dtype=np.float32))
    gc.freeze()  # as a worker does
    for study in map(Path, map(str.strip, sys.stdin)):
        *ct, rtstruct = sorted(study.glob("*.dcm"))
        sha256 = {path: content_sha256(path) for path in (*ct, rtstruct)}  # the registry knows it
        started = time.monotonic()
        write_report(bundle, read_study(ct, rtstruct, sha256), folder / "alone" / study.name)
        print(time.monotonic() - started, flush=True)
        gc.collect()  # as a worker does
    return 0


def write_report(bundle: FrozenBundle, reading: StudyReading, path: Path) -> None:
    """Check, measure and score a study, and write its structured report."""
    structure_set = reading.rtstruct.structure_set
    check_study(study_facts(reading.ct.headers, structure_set, GTV_PATTERN, None))
    study = load_study(reading, GTV_PATTERN)
    voxels, marks = both(
        lambda: voxel_facts(study.volume, study.drawn, _SETTINGS.hu_floor),
        lambda: _marks(reading, study),
    )
    check_contours(study.contours)
    check_voxels(voxels)
    study = replace(study, volume=study.volume.with_floor(_SETTINGS.hu_floor))
    CtPlanes.through(study.volume, study.drawn)
    features = compute_features(study, _SETTINGS, last_use=True)
    check_regions(region_facts(features))
    _write(bundle, reading, study, features, _scored(bundle, features, marks), path)


def _marks(reading: StudyReading, study: LoadedStudy) -> ImageMarks:
    return image_marks(
        reading.ct.datasets,
        study.volume,
        lambda uid: image_key(_KEY, uid),
        0,
        lambda *names: person_key(_KEY, *names),
    )


def _scored(bundle: FrozenBundle, features: StudyFeatures, marks: ImageMarks) -> Risk:
    columns = {
        f"{region}:{name}": value
        for region, vector in features.vectors.items()
        for name, value in vector.as_dict().items()
    }
    deep = bundle.deep_feature_extractor.extract(features.deep_input[np.newaxis])[0]
    columns.update(zip(DEEP_COLUMNS, deep.tolist(), strict=True))
    table = one_patient(columns)
    (risk,) = bundle.model.score(table)
    TrainedOn(bundle.digests, bundle.evidence.images).leak(marks)
    if bundle.applicability is not None:
        bundle.applicability.places(table)
    explain(bundle.model, table)
    return risk


def _write(
    bundle: FrozenBundle,
    reading: StudyReading,
    study: LoadedStudy,
    features: StudyFeatures,
    risk: Risk,
    path: Path,
) -> None:
    headers, rtstruct = reading.ct.headers, reading.rtstruct.dataset
    roi = RoiReference(number=study.gtv.number, name=study.gtv.name)
    regions = regions_on_ct(study, features, _SETTINGS.spacing_mm)
    report = build_structured_report(
        ct_datasets=[reading.ct.datasets[one.number] for one in headers.slices],
        rtstruct=rtstruct,
        roi=roi,
        risk=risk,
        model=ModelReference(
            name=bundle.facts.name,
            version=bundle.facts.version,
            digest=bundle.digest,
            demonstration=bundle.facts.demonstration,
            intended_use=bundle.facts.intended_use,
        ),
        software_version="benchmark",
        warnings=(),
        created_at=datetime.now(UTC),
        sop_instance_uid=derived_uid("instance", path.name),
        series_instance_uid=derived_uid("series", path.name),
        center="C",
        performance=NotEstimable("not validated here"),
        shown=ShownRegions(segments_of(regions, rtstruct, roi), regions),
    )
    write_dicom(report, path.with_suffix(".dcm"))


if __name__ == "__main__":
    sys.exit(main())
