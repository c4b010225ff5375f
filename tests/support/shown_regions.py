"""A real study with its regions as objects show them, made once for the tests that need one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from pydicom.dataset import Dataset

from feature_store.imaging.reading import read_study
from feature_store.imaging.regions import Region
from feature_store.imaging.regions_on_ct import RegionOnCt
from feature_store.radiomic_features.settings import ExtractionSettings
from feature_store.study_features import (
    LoadedStudy,
    StudyFeatures,
    compute_features,
    load_study,
    regions_on_ct,
)
from validation_reports.dicom.references import ModelReference, RoiReference
from validation_reports.dicom.segmentation import build_segmentation
from validation_reports.dicom.segments import Segment, ShownRegions, segments_of
from validation_reports.dicom.uids import derived_uid

MODEL = ModelReference("demo-nsclc", "1.0", "ab" * 32, True, "Research on external validation.")
SCORED_AT = datetime(2026, 3, 4, 5, 6, 7, 89, tzinfo=UTC)


@dataclass(frozen=True, eq=False)
class RegionsOfStudy:
    """A study, what was measured of it (masks, no features), and its segments."""

    study: LoadedStudy
    features: StudyFeatures
    ct: tuple[Dataset, ...]
    rtstruct: Dataset
    regions: dict[Region, RegionOnCt]
    segments: tuple[Segment, ...]

    @property
    def shown(self) -> ShownRegions:
        """The regions without a segmentation."""
        return ShownRegions(self.segments, self.regions)

    def segmentation(self) -> Dataset:
        """Return the SEG."""
        return build_segmentation(
            self.ct,
            self.segments,
            self.regions,
            self.study.volume.spacing_mm[2],
            MODEL,
            software_version="0.1.0",
            created_at=SCORED_AT,
            sop_instance_uid=derived_uid("content", "model", "seg"),
            series_instance_uid=derived_uid("content", "model", "seg series"),
        )


@cache
def regions_of_study(folder: Path) -> RegionsOfStudy:
    """Read a study of the real data and bring its GTV and 6 mm ring to the CT's grid."""
    (rtstruct,) = (path for path in (folder / "rtstruct").rglob("*") if path.is_file())
    reading = read_study(sorted((folder / "ct").rglob("*.dcm")), rtstruct)
    study = load_study(reading, "gtv.*")
    features = compute_features(study, ExtractionSettings(), engine=lambda *_: {})
    regions = regions_on_ct(study, features, 1.0)
    return RegionsOfStudy(
        study,
        features,
        tuple(reading.ct.datasets[one.number] for one in reading.ct.headers.slices),
        reading.rtstruct.dataset,
        regions,
        segments_of(regions, reading.rtstruct.dataset, RoiReference(1, study.gtv.name)),
    )
