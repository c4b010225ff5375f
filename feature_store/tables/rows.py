"""The rows of the feature store: a study, what a model said of it, and what else is known of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from typing import Any

import numpy as np
import pandas as pd

from feature_store.clinical_records import ClinicalRecord, Histology, Sex
from feature_store.expectations.checks import Check
from feature_store.expectations.suites import SUITES
from feature_store.feature_tables.imported_features import ImportedFeatures
from feature_store.feature_tables.origin_settings import OriginSettings
from feature_store.imaging.ct_headers import Acquisition
from feature_store.imaging.image_marks import ImageMarks
from feature_store.imaging.regions import Region
from feature_store.imaging.tissues import TissueShares
from feature_store.radiomic_features.settings import FEATURE_NAMES
from feature_store.rules import Finding, Severity
from feature_store.score import ContourScores, ScoreRow
from feature_store.study_identity import StudyIdentity
from feature_store.tables.columns import DEEP_FEATURES, STUDY, TISSUE_COLUMNS
from feature_store.tables.keyed_table import ROW_DIGEST, WRITTEN_AT
from feature_store.tables.study_order import StudyOrder

_NO_ORDER = StudyOrder()
_REGION_CODES = frozenset({"no-gtv-voxels", *(rule.code for rule in SUITES["regions"])})


def identity_of(row: Mapping[str, Any]) -> StudyIdentity:
    """Return the study of a row of any table but the clinical one."""
    return StudyIdentity(*(row[name] for name in STUDY))


def of_first_studies(
    rows: Sequence[dict[str, Any]],
    order: StudyOrder,
    studies: Collection[StudyIdentity] | None = None,
) -> list[dict[str, Any]]:
    """Return the row of the study content that counts of each patient, ordered by patient key.

    Parameters
    ----------
    rows : sequence of mapping
        At most one of each content.
    order : StudyOrder
        What the store knows of the order of studies.
    studies : collection of StudyIdentity, optional
        The contents to choose from; all by default.
    """
    by_study = {identity_of(row): row for row in rows}
    if studies is not None:
        by_study = {study: by_study[study] for study in set(studies) & by_study.keys()}
    first = order.first({study: row[WRITTEN_AT] for study, row in by_study.items()})
    chosen = [by_study[one.identity] for one in first.values()]
    return sorted(chosen, key=lambda row: (row["patient_key"], row["center"]))


def row_of_images(marks: ImageMarks) -> dict[str, Any]:
    """Return marks as columns of the store."""
    return {
        "acquired_s": marks.acquired_s,
        "instances": list(marks.instances),
        "pixels": list(marks.pixels),
        "persons": list(marks.persons),
    }


def marks_of(row: Mapping[str, Any]) -> ImageMarks:
    """Return the marks that a row of the table of images holds."""
    return ImageMarks(
        row["acquired_s"],
        tuple(row["instances"]),
        tuple(row["pixels"]),
        tuple(row["persons"] or ()),
    )


def study_order(
    acquisitions: Sequence[Mapping[str, Any]],
    images: Sequence[Mapping[str, Any]],
    replaced: Iterable[StudyIdentity] = (),
) -> StudyOrder:
    """Return what rows of two tables say of the order of studies: a row of `acquisitions` stays as
    it was first written, so its time is that of the first reading.
    """
    return StudyOrder(
        {identity_of(row): row[WRITTEN_AT] for row in acquisitions},
        {identity_of(row): row["month"] for row in acquisitions if row["month"] is not None},
        {identity_of(row): row["acquired_s"] for row in images if row["acquired_s"] is not None},
        frozenset(replaced),
    )


def feature_matrix(
    wanted: Mapping[str, Sequence[dict[str, Any]]],
    order: StudyOrder = _NO_ORDER,
    studies: Collection[StudyIdentity] | None = None,
) -> pd.DataFrame:
    """Return rows of features as one matrix.

    Parameters
    ----------
    wanted : mapping of str to sequence of mapping
        By the prefix of its columns (``gtv:``, ``deep:``), one row for each study content.
    order : StudyOrder, optional
        What the store knows of the order of studies.
    studies : collection of StudyIdentity, optional
        The contents to choose from; all by default.

    Returns
    -------
    DataFrame
        Index ``patient_key`` in order. Of each patient the CT that was acquired first counts, and
        of it the content that was read last; contents that lack one of the prefixes are left out.
    """
    by_study = {prefix: {identity_of(row): row for row in rows} for prefix, rows in wanted.items()}
    complete = set.intersection(*map(set, by_study.values()))
    first = next(iter(by_study.values()))
    chosen = of_first_studies([first[study] for study in complete], order, studies)
    contents = [identity_of(row) for row in chosen]
    index = pd.Index([row["patient_key"] for row in chosen], name="patient_key", dtype="object")
    blocks = []
    for prefix, rows in by_study.items():
        names = (
            [f"{number:03d}" for number in range(DEEP_FEATURES)]
            if prefix == "deep:"
            else FEATURE_NAMES
        )
        values = np.array([rows[study]["features"] for study in contents], dtype=np.float64)
        blocks.append(
            pd.DataFrame(
                values.reshape(len(contents), len(names)),
                index=index,
                columns=[prefix + name for name in names],
            )
        )
    return pd.concat(blocks, axis=1)


def clinical_record_of(row: Mapping[str, Any]) -> ClinicalRecord:
    """Return the clinical record that a row of the clinical table holds."""
    content = {name: value for name, value in row.items() if name not in {WRITTEN_AT, ROW_DIGEST}}
    sex, histology = content.pop("sex"), content.pop("histology")
    confirmed = tuple(content.pop("confirmed") or ())
    return ClinicalRecord(
        **content,
        sex=sex and Sex(sex),
        histology=histology and Histology(histology),
        confirmed=confirmed,
    )


def rows_of_imported(patient: ImportedFeatures) -> list[dict[str, Any]]:
    """Return features that were made elsewhere as rows of the store, one for each region."""
    return [
        {
            **asdict(patient.identity),
            "region": str(region),
            "origin": patient.settings.in_words,
            "settings": patient.settings.to_json(),
            "settings_digest": patient.settings.digest,
            "names": list(values),
            "features": list(values.values()),
        }
        for region, values in patient.by_region.items()
    ]


def imported_of(rows: Iterable[Mapping[str, Any]]) -> tuple[ImportedFeatures, ...]:
    """Return the features that rows of the table of imported features hold, by content."""
    by_content: dict[StudyIdentity, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        by_content[identity_of(row)].append(row)
    return tuple(
        ImportedFeatures(
            identity.center,
            identity.patient_key,
            OriginSettings.from_json(of_content[0]["settings"]),
            {
                Region(row["region"]): dict(zip(row["names"], row["features"], strict=True))
                for row in of_content
            },
        )
        for identity, of_content in sorted(by_content.items())
    )


def row_of_score(row: ScoreRow) -> dict[str, Any]:
    """Return a score as a row of the table of scores."""
    return {
        **asdict(row.identity),
        "model_digest": row.model_digest,
        "linear_predictor": row.linear_predictor,
        "high_risk": row.high_risk,
        "horizon_days": list(row.survival),
        "survival": list(row.survival.values()),
        "roi_number": row.roi_number,
        "warnings": list(row.warnings),
        "software_version": row.software_version,
        "scored_at": row.scored_at,
        "engine": row.engine or None,
    }


def score_of(row: Mapping[str, Any]) -> ScoreRow:
    """Return the score that a row of the table of scores holds."""
    return ScoreRow(
        identity=identity_of(row),
        model_digest=row["model_digest"],
        linear_predictor=row["linear_predictor"],
        high_risk=row["high_risk"],
        survival=dict(zip(row["horizon_days"], row["survival"], strict=True)),
        roi_number=row["roi_number"],
        warnings=tuple(row["warnings"]),
        software_version=row["software_version"],
        scored_at=row["scored_at"],
        engine=row["engine"] or "",
    )


def row_of_contour_scores(row: ContourScores) -> dict[str, Any]:
    """Return scores over contours as a row of the table of certainty."""
    values = {name: getattr(row, name) for name in ContourScores.__dataclass_fields__}
    return {
        **asdict(values.pop("identity")),
        **values,
        "linear_predictors": list(row.linear_predictors),
    }


def contour_scores_of(row: Mapping[str, Any]) -> ContourScores:
    """Return the scores over contours that a row of the table of certainty holds."""
    names = set(ContourScores.__dataclass_fields__) - {"identity", "linear_predictors"}
    return ContourScores(
        identity=identity_of(row),
        linear_predictors=tuple(row["linear_predictors"]),
        **{name: row[name] for name in names},
    )


def row_of_check(check: Check) -> dict[str, Any]:
    """Return a check as a row of the table of checks; the columns of a study are empty where it is
    about none.
    """
    study = dict.fromkeys(STUDY, "") if check.study is None else asdict(check.study)
    return {
        **study,
        "center": check.center,
        "suite": check.suite,
        "codes": list(check.codes),
        "unmet": [finding.code for finding in check.findings],
        "severities": [str(finding.severity) for finding in check.findings],
        "sentences": [finding.sentence for finding in check.findings],
        "n": check.n,
        "model_digest": check.model_digest,
        "checked_at": check.checked_at,
        "software_version": check.software_version,
    }


def check_of(row: Mapping[str, Any]) -> Check:
    """Return the check that a row of the table of checks holds."""
    told = zip(row["unmet"], row["severities"], row["sentences"], strict=True)
    return Check(
        suite=row["suite"],
        center=row["center"],
        study=identity_of(row) if row["study_key"] else None,
        codes=tuple(row["codes"]),
        findings=tuple(
            Finding(Severity(severity), code, sentence) for code, severity, sentence in told
        ),
        n=row["n"],
        checked_at=row["checked_at"],
        software_version=row["software_version"],
        model_digest=row["model_digest"],
    )


def checks_of_findings(rows: Iterable[Mapping[str, Any]]) -> list[Check]:
    """Return what earlier releases found, rows of the table of findings, as checks of which only
    what was not met is known.
    """
    found: dict[tuple[StudyIdentity, str], list[Mapping[str, Any]]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (row["code"], row[WRITTEN_AT])):
        suite = "regions" if row["code"] in _REGION_CODES else "study"
        found[identity_of(row), suite].append(row)
    return [
        Check(
            suite=suite,
            center=study.center,
            study=study,
            codes=tuple(row["code"] for row in of_suite),
            findings=tuple(
                Finding(Severity(row["severity"]), row["code"], row["sentence"]) for row in of_suite
            ),
            n=1,
            checked_at=max(row[WRITTEN_AT] for row in of_suite),
            software_version="",
        )
        for (study, suite), of_suite in found.items()
    ]


@dataclass(frozen=True)
class AcquisitionRecord:
    """What is kept of one acquisition; what the headers do not say is `None`.

    Parameters
    ----------
    month : str or None
        ``YYYY-MM``.
    manufacturer, model_name, convolution_kernel : str or None
        Of the scanner (0008,0070), (0008,1090) and the reconstruction (0018,1210).
    kvp, slice_thickness_mm : float or None
        In kV (0018,0060) and mm (0018,0050).
    """

    month: str | None
    manufacturer: str | None
    model_name: str | None
    convolution_kernel: str | None
    kvp: float | None
    slice_thickness_mm: float | None


def acquisition_record(acquisition: Acquisition) -> AcquisitionRecord:
    """Return what is kept of an acquisition."""
    return AcquisitionRecord(
        acquisition.month,
        acquisition.manufacturer,
        acquisition.model_name,
        acquisition.convolution_kernel,
        acquisition.kvp,
        acquisition.slice_thickness_mm,
    )


ACQUISITION_COLUMNS = tuple(AcquisitionRecord.__dataclass_fields__)


def acquisition_table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return rows of the store as a table with the index ``patient_key``.

    Parameters
    ----------
    rows : sequence of mapping
        One for each patient.
    """
    index = pd.Index([row["patient_key"] for row in rows], name="patient_key", dtype="object")
    values = [[row[name] for name in ACQUISITION_COLUMNS] for row in rows]
    return pd.DataFrame(values, index=index, columns=list(ACQUISITION_COLUMNS), dtype="object")


def tissue_columns(shares: TissueShares | None) -> dict[str, float | None]:
    """Return what a region holds as columns of the store; empty where it was not measured."""
    values = (None,) * len(TISSUE_COLUMNS) if shares is None else astuple(shares)
    return dict(zip(TISSUE_COLUMNS, values, strict=True))


def row_of_acquisition(record: AcquisitionRecord) -> dict[str, Any]:
    """Return a record as columns of the store."""
    return asdict(record)
