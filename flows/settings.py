"""The whole settings file: the node's tables and those of the features, the model, the validation
and Prefect.
"""

from __future__ import annotations

import zoneinfo
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from dicom_node.center import Role
from dicom_node.settings import NodeSettings
from feature_store.clinical_tables.code_words import is_understood
from feature_store.clinical_tables.conventions import CODED, COLUMN_NAMES, Conventions
from feature_store.radiomic_features.settings import ExtractionSettings
from models.combined.combat import MINIMUM_PATIENTS
from models.network.augmentation import Augmentation
from validation_reports.statistics.margins import Margins

BY_HAND = "off"
"""Instead of a cron expression: no schedule."""
_DIGEST = r"^[0-9a-f]{64}$"


class FeaturesTable(BaseModel):
    """``[features]``: how features are extracted and where they are kept."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    store: str | None = None
    ring_widths_mm: tuple[Literal[3, 6, 9], ...] = (6,)
    engine: Literal["crops", "pyradiomics"] = "crops"
    bin_width: float = Field(default=25.0, gt=0)
    normalize_scale: float = Field(default=100.0, gt=0)
    ring_tissue: Literal["all", "body", "lung"] = "all"
    overlapping_contours: Literal["refuse", "union"] = "refuse"
    hu_floor: float = Field(default=-1000.0, ge=-1100, le=-900)
    normalize_over: Literal["image", "body"] = "image"


class ExpectationsTable(BaseModel):
    """``[expectations]``: which warnings on a study are reasons for quarantine here."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    quarantine: tuple[str, ...] = (
        "age",
        "histology",
        "no-air",
        "no-soft-tissue",
        "gtv-hu",
        "gtv-not-measured",
    )

    @field_validator("quarantine")
    @classmethod
    def _are_known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        # Only the flows that check need its libraries
        from feature_store.expectations.suites import RELEASABLE  # noqa: PLC0415

        if unknown := sorted(set(value) - RELEASABLE):
            raise ValueError(
                f"{', '.join(unknown)} cannot be chosen: expected codes out of "
                f"{', '.join(sorted(RELEASABLE))}"
            )
        return value


class AugmentationTable(BaseModel):
    """``[augmentation]``: how far the network's training images are changed at random (paper, data
    augmentation).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    probability: float = Field(default=0.5, ge=0, le=1)
    contrast: float = Field(default=0.2, ge=0, le=1)
    brightness: float = Field(default=0.2, ge=0)
    gamma: float = Field(default=0.2, ge=0)
    noise: float = Field(default=0.1, ge=0)
    blur_voxels: float = Field(default=1.0, ge=0)
    rotation_degrees: float = Field(default=15.0, ge=0)
    mirror: bool = True

    def ranges(self) -> Augmentation:
        """Return the ranges as the network's training takes them."""
        return Augmentation(**self.model_dump())


class ModelTable(BaseModel):
    """``[model]``: the frozen bundle that scores, pinned by its digest."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bundle: Path | None = None
    digest: str | None = Field(default=None, pattern=_DIGEST)
    earlier: dict[Annotated[str, Field(pattern=_DIGEST)], Path] = Field(default_factory=dict)


class CombatTable(BaseModel):
    """``[combat]``: whether training keeps what ComBat needs, and whether a validation may ask for
    it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = False
    minimum_patients: int = Field(default=MINIMUM_PATIENTS, ge=3)


class ValidationTable(BaseModel):
    """``[validation]``: where reports go, when they are made, and what was decided beforehand:
    within which margins predicted risks are right, and at which thresholds use is judged; whether
    each report is laid out as PDF too, and whether what leaves with it may single patients out.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    reports: Path | None = None
    clinical_drop: Path | None = None
    reports_url: str | None = Field(default=None, pattern=r"^https?://")
    schedule: str = "0 2 * * *"
    pool_schedule: str = "0 4 * * *"
    timezone: str = "UTC"
    schedules: dict[str, str] = Field(default_factory=dict)
    margins: tuple[float, float] = (0.8, 1.25)
    decision_thresholds: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = ()
    pdf: bool = True
    disclose: Literal["exact", "safe"] = "safe"

    @field_validator("margins")
    @classmethod
    def _are_margins(cls, value: tuple[float, float]) -> tuple[float, float]:
        Margins(*value)
        return value

    @field_validator("schedule", "pool_schedule")
    @classmethod
    def _is_cron(cls, value: str) -> str:
        return _cron(value)

    @field_validator("schedules")
    @classmethod
    def _are_cron(cls, value: dict[str, str]) -> dict[str, str]:
        return {center: _cron(one) for center, one in value.items()}

    @field_validator("timezone")
    @classmethod
    def _is_timezone(cls, value: str) -> str:
        if value not in zoneinfo.available_timezones():
            raise ValueError(
                f"{value} is not a time zone: expected one like Europe/Amsterdam or UTC"
            )
        return value

    def schedule_of(self, center: str) -> str | None:
        """Return when a centre is validated, as cron; `None` when only by hand."""
        found = self.schedules.get(center, self.schedule)
        return None if found == BY_HAND else found

    def pooled_schedule(self) -> str | None:
        """Return when all centres are validated together, as cron; `None` when only by hand."""
        return None if self.pool_schedule == BY_HAND else self.pool_schedule


class PrefectTable(BaseModel):
    """``[prefect]``: the dispatcher's warm processes and how cohorts fan out; the server is
    ``PREFECT_API_URL``'s.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    workers: int = Field(default=1, gt=0)
    lease_s: float = Field(default=120.0, gt=0)
    poll_interval_s: float = Field(default=0.5, gt=0)
    first_retry_s: float = Field(default=5.0, gt=0)
    longest_retry_s: float = Field(default=900.0, gt=0)
    cohort_runner: Literal["thread", "process", "dask"] = "process"
    cohort_workers: int = Field(default=1, gt=0)
    cohort_chunk: int = Field(default=8, gt=0)
    dask_scheduler: str | None = None
    overview_every_s: float = Field(default=60.0, gt=0)


class ClinicalConventionsTable(BaseModel):
    """``[clinical.NAME]``: what a centre's clinical tables do not say by themselves."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    columns: dict[str, str] = Field(default_factory=dict)
    codes: dict[str, dict[str, str]] = Field(default_factory=dict)
    dates: Literal["day-first", "month-first"] | None = None
    decimal: Literal["comma", "point"] | None = None
    sheet: str | None = None

    @field_validator("columns")
    @classmethod
    def _are_columns(cls, value: dict[str, str]) -> dict[str, str]:
        if unknown := sorted(set(value) - set(COLUMN_NAMES)):
            raise ValueError(
                f"{', '.join(unknown)} is no column: expected names out of "
                f"{', '.join(COLUMN_NAMES)}"
            )
        absent = {name for name, column in value.items() if not column}
        if needed := sorted(absent & {"patient_id"}):
            raise ValueError(f"{', '.join(needed)} is needed: name the column that holds it")
        return value

    @field_validator("codes")
    @classmethod
    def _are_understood(cls, value: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
        fields = {str(field): field for field in CODED}
        for name, meanings in value.items():
            if name not in fields:
                raise ValueError(
                    f"{name} has no codes: expected columns out of {', '.join(fields)}"
                )
            for word in meanings.values():
                if not is_understood(fields[name], word):
                    raise ValueError(
                        f"{word!r} is not understood as {name}: expected a word of "
                        "deploy/clinical-table.md, or unknown"
                    )
        return value


class SystemTable(BaseModel):
    """``[system]``: what `make up` starts beside node and dispatcher on this machine."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = "127.0.0.1"
    prefect_port: int = Field(default=4200, gt=0, lt=65536)
    reports_port: int = Field(default=4280, gt=0, lt=65536)


class Settings(NodeSettings):
    """Every table of the settings file."""

    model_config = SettingsConfigDict(extra="forbid")

    features: FeaturesTable = FeaturesTable()
    expectations: ExpectationsTable = ExpectationsTable()
    augmentation: AugmentationTable = AugmentationTable()
    model: ModelTable = ModelTable()
    combat: CombatTable = CombatTable()
    validation: ValidationTable = ValidationTable()
    prefect: PrefectTable = PrefectTable()
    system: SystemTable = SystemTable()
    clinical: dict[str, ClinicalConventionsTable] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _clinical_tables_are_of_centers(self) -> Self:
        if unknown := sorted(set(self.clinical) - set(self.center)):
            raise ValueError(
                f"[clinical.{unknown[0]}] names no centre of this file, which has "
                f"{', '.join(self.center) or 'none'}"
            )
        return self

    @model_validator(mode="after")
    def _schedules_name_centers(self) -> Self:
        unknown = sorted(set(self.validation.schedules) - set(self.center))
        if unknown:
            raise ValueError(
                f"validation.schedules names {', '.join(unknown)}: expected centres of this file, "
                f"which has {', '.join(self.center) or 'none'}"
            )
        return self

    def external_centers(self) -> tuple[str, ...]:
        """Return the names of the centres that the model is validated on."""
        return tuple(center.name for center in self.centers() if center.role is Role.EXTERNAL)

    def store_location(self) -> str:
        """Return the folder or URL of the feature store."""
        return self.features.store or str((self.node.folder / "feature_store").absolute())

    def reports_folder(self) -> Path:
        """Return the folder that validation reports are written to."""
        return self.validation.reports or self.node.folder / "reports"

    def clinical_conventions(self, center: str) -> Conventions:
        """Return what a centre says of its clinical tables."""
        found = self.clinical.get(center)
        return Conventions() if found is None else Conventions(**found.model_dump())

    def records_folder(self) -> Path:
        """Return the folder in which each report's exact record stays."""
        return self.node.folder / "report_records"

    def clinical_drop_folder(self, center: str) -> Path:
        """Return the folder in which a centre's clinical CSV is left to be imported."""
        return (self.validation.clinical_drop or self.node.folder / "clinical_drop") / center

    def extraction(self) -> ExtractionSettings:
        """Return the settings of the radiomic feature extraction."""
        return ExtractionSettings(
            bin_width=self.features.bin_width,
            normalize_scale=self.features.normalize_scale,
            ring_tissue=self.features.ring_tissue,
            hu_floor=self.features.hu_floor,
            overlapping_contours=self.features.overlapping_contours,
            normalize_over=self.features.normalize_over,
        )


def _cron(value: str) -> str:
    if value == BY_HAND:
        return value
    # Prefect takes seconds to import
    from prefect.client.schemas.schedules import CronSchedule  # noqa: PLC0415

    try:
        CronSchedule(cron=value)
    except ValueError as error:
        raise ValueError(
            f"{value!r} is not a schedule: expected cron like '0 2 * * *' (each night at two) or "
            f"'{BY_HAND}'"
        ) from error
    return value
