"""The tables of the settings file beside the node's: features, model, validation, Prefect."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, Field, IPvAnyAddress, field_validator

from dicom_node.settings.settings_file import nearest
from dicom_node.settings.values import (
    TABLE,
    Host,
    HttpUrl,
    Place,
    Port,
    Seconds,
    StorePlace,
    is_host,
)
from feature_store.clinical_tables.code_words import is_understood
from feature_store.clinical_tables.conventions import CODED, COLUMN_NAMES
from feature_store.wording import counted
from models.combined.certainty import LEAST_MEASURED
from models.combined.combat import MINIMUM_PATIENTS
from models.network.augmentation import Augmentation
from models.network.engines import Engine
from validation_reports.statistics.margins import Margins

if TYPE_CHECKING:
    from feature_store.imaging.perturbation import Perturbation

BY_HAND = "off"
"""Instead of a cron expression: no schedule."""
_DIGEST = r"^[0-9a-f]{64}$"
_LONGEST_DOUBLING = 12


def _dask(value: str) -> str:
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("tcp", "tls") and is_host(parts.hostname or "")
        usable = usable and bool(parts.port)
    except ValueError:
        usable = False
    if not usable:
        raise ValueError(
            f"{value!r} is not the address of a Dask scheduler: expected one like tcp://dask:8786."
        )
    return value


DaskAddress = Annotated[str, AfterValidator(_dask)]
"""Where a Dask scheduler listens."""


class FeaturesTable(BaseModel):
    """``[features]``: how features are extracted and where they are kept."""

    model_config = TABLE

    store: StorePlace | None = None
    ring_widths_mm: tuple[Literal[3, 6, 9], ...] = (6,)
    engine: Literal["crops", "pyradiomics"] = "crops"
    bin_width: float = Field(default=25.0, gt=0, le=10_000)
    normalize_scale: float = Field(default=100.0, gt=0, le=1e6)
    ring_tissue: Literal["all", "body", "lung"] = "all"
    overlapping_contours: Literal["refuse", "union"] = "refuse"
    hu_floor: float = Field(default=-1000.0, ge=-1100, le=-900)
    normalize_over: Literal["image", "body"] = "image"


class ExpectationsTable(BaseModel):
    """``[expectations]``: which warnings on a study are reasons for quarantine here."""

    model_config = TABLE

    quarantine: tuple[str, ...] = (
        "age",
        "histology",
        "no-air",
        "no-soft-tissue",
        "gtv-hu",
        "gtv-not-measured",
        "padding-within",
        "beyond-scale",
        "slice-level",
        "lost-rows",
        "interleaved-acquisitions",
        "untold-tilt",
        "unspecified-unit",
        "other-frame-of-reference",
        "rejected-rtstruct",
        "interpreted-type",
        "contour-names-other-slice",
    )

    @field_validator("quarantine")
    @classmethod
    def _are_known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        # Only the flows that check need its libraries
        from feature_store.expectations.suites import RELEASABLE  # noqa: PLC0415

        if unknown := sorted(set(value) - RELEASABLE):
            like = [nearest(one, sorted(RELEASABLE)) for one in unknown]
            known = ", ".join(sorted(RELEASABLE))
            mend = (
                f"did you mean {' and '.join(filter(None, like))}?"
                if all(like)
                else f"expected one of {known}."
            )
            raise ValueError(f"{' and '.join(unknown)} cannot be chosen: {mend}")
        return value


class AugmentationTable(BaseModel):
    """``[augmentation]``: how far the network's training images are changed at random (paper, data
    augmentation).
    """

    model_config = TABLE

    probability: float = Field(default=0.5, ge=0, le=1)
    contrast: float = Field(default=0.2, ge=0, le=1)
    brightness: float = Field(default=0.2, ge=0, le=10)
    gamma: float = Field(default=0.2, ge=0, le=10)
    noise: float = Field(default=0.1, ge=0, le=10)
    blur_voxels: float = Field(default=1.0, ge=0, le=32)
    rotation_degrees: float = Field(default=15.0, ge=0, le=180)
    mirror: bool = True

    def ranges(self) -> Augmentation:
        """Return the ranges as the network's training takes them."""
        return Augmentation(**self.model_dump())


class ModelTable(BaseModel):
    """``[model]``: the frozen bundle that scores, pinned by its digest, and what computes its
    network.
    """

    model_config = TABLE

    bundle: Place | None = None
    digest: str | None = Field(default=None, pattern=_DIGEST)
    earlier: dict[Annotated[str, Field(pattern=_DIGEST)], Place] = Field(default_factory=dict)
    engine: Engine = Engine.OPENVINO


class CertaintyTable(BaseModel):
    """``[certainty]``: over how many perturbed contours each score is told, and how far these lie
    from the drawn one; where the numbers come from: `feature_store.imaging.perturbation`.
    """

    model_config = TABLE

    contours: int = Field(default=0, ge=0, le=200)
    sd_mm: float = Field(default=1.2, gt=0, le=10)
    correlation_mm: float = Field(default=10.0, ge=1, le=100)
    cut_mm: float = Field(default=3.0, gt=0, le=20)

    @field_validator("contours")
    @classmethod
    def _are_enough(cls, value: int) -> int:
        if 0 < value < LEAST_MEASURED:
            raise ValueError(
                f"{counted(value, 'contour')} {'has' if value == 1 else 'have'} no 10th and 90th "
                f"percentile: expected at least {LEAST_MEASURED}, or 0 for none."
            )
        return value

    def perturbation(self) -> Perturbation:
        """Return how far contours are perturbed."""
        # Only who perturbs needs numba
        from feature_store.imaging.perturbation import Perturbation  # noqa: PLC0415

        return Perturbation(self.sd_mm, self.correlation_mm, self.cut_mm)


class CombatTable(BaseModel):
    """``[combat]``: whether training keeps what ComBat needs, and whether a validation may ask for
    it.
    """

    model_config = TABLE

    enabled: bool = False
    minimum_patients: int = Field(default=MINIMUM_PATIENTS, ge=3, le=1_000_000)


class ValidationTable(BaseModel):
    """``[validation]``: where reports go, when they are made, and what was decided beforehand:
    within which margins predicted risks are right, and at which thresholds use is judged; whether
    each report is laid out as PDF too, and whether what leaves with it may single patients out.
    """

    model_config = TABLE

    reports: Place | None = None
    clinical_drop: Place | None = None
    reports_url: HttpUrl | None = None
    schedule: str = "0 2 * * *"
    pool_schedule: str = "0 4 * * *"
    timezone: str = "UTC"
    schedules: dict[str, str] = Field(default_factory=dict)
    margins: tuple[float, float] = (0.8, 1.25)
    decision_thresholds: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = ()
    pdf: bool = True
    disclose: Literal["exact", "safe"] = "safe"
    tables_days: int = Field(default=30, ge=0, le=36_500)
    reports_days: int = Field(default=0, ge=0, le=36_500)

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
        known = {name.lower(): name for name in zoneinfo.available_timezones()}
        if value not in known.values():
            like = known.get(nearest(value, known) or "", "Europe/Amsterdam or UTC")
            raise ValueError(f"{value} is not a time zone: expected one like {like}.")
        return value

    def schedule_of(self, center: str) -> str | None:
        """Return when a centre is validated, as cron; `None` when only by hand."""
        found = self.schedules.get(center, self.schedule)
        return None if found == BY_HAND else found

    def pooled_schedule(self) -> str | None:
        """Return when all centres are validated together, as cron; `None` when only by hand."""
        return None if self.pool_schedule == BY_HAND else self.pool_schedule


class PrefectTable(BaseModel):
    """``[prefect]``: which server, the dispatcher's warm processes, and how cohorts fan out."""

    model_config = TABLE

    api_url: HttpUrl | None = None
    workers: int = Field(default=1, gt=0, le=1024)
    lease_s: Seconds = 120.0
    poll_interval_s: Seconds = 0.5
    first_retry_s: Seconds = 5.0
    longest_retry_s: Seconds = 900.0
    cohort_runner: Literal["thread", "process", "dask"] = "process"
    cohort_workers: int = Field(default=1, gt=0, le=1024)
    cohort_chunk: int = Field(default=8, gt=0, le=100_000)
    dask_scheduler: DaskAddress | None = None
    overview_every_s: Seconds = 60.0

    def retry_after_s(self, attempts: int) -> float:
        """Return the wait before the next attempt, in seconds: doubled each time, up to the
        longest.
        """
        doubled = self.first_retry_s * 2 ** min(max(attempts - 1, 0), _LONGEST_DOUBLING)
        return float(min(self.longest_retry_s, doubled))


class ClinicalConventionsTable(BaseModel):
    """``[clinical.NAME]``: what a centre's clinical tables do not say by themselves."""

    model_config = TABLE

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
                f"{', '.join(COLUMN_NAMES)}."
            )
        absent = {name for name, column in value.items() if not column}
        if needed := sorted(absent & {"patient_id"}):
            raise ValueError(f"{', '.join(needed)} is needed: name the column that holds it.")
        return value

    @field_validator("codes")
    @classmethod
    def _are_understood(cls, value: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
        fields = {str(field): field for field in CODED}
        for name, meanings in value.items():
            if name not in fields:
                raise ValueError(
                    f"{name} has no codes: expected columns out of {', '.join(fields)}."
                )
            for word in meanings.values():
                if not is_understood(fields[name], word):
                    raise ValueError(
                        f"{word!r} is not understood as {name}: expected a word of "
                        "deploy/guide/clinical-table.md, or unknown."
                    )
        return value


class SystemTable(BaseModel):
    """``[system]``: what `make up` starts beside node and dispatcher on this machine."""

    model_config = TABLE

    host: Host = "127.0.0.1"
    prefect_port: Port = 4200
    portal_port: Port = 4280
    prefect_keep_days: int = Field(default=90, gt=0, le=3650)
    logs_days: int = Field(default=90, ge=0, le=36_500)


class PortalTable(BaseModel):
    """``[portal]``: where browsers reach it and the Prefect UI, and whom it believes."""

    model_config = TABLE

    url: HttpUrl | None = None
    prefect_url: HttpUrl | None = None
    session_hours: float = Field(default=12.0, gt=0, le=24 * 31)
    user_header: str | None = Field(default=None, pattern=r"^[A-Za-z][A-Za-z0-9-]{0,63}$")
    proxies: tuple[IPvAnyAddress, ...] = (IPv4Address("127.0.0.1"),)


def _cron(value: str) -> str:
    if value == BY_HAND:
        return value
    # Prefect takes seconds to import
    from prefect._vendor.croniter.croniter import croniter  # noqa: PLC0415
    from prefect.client.schemas.schedules import CronSchedule  # noqa: PLC0415

    expected = f"expected cron like '0 2 * * *' (each night at two) or '{BY_HAND}'"
    try:
        CronSchedule(cron=value)
    except ValueError as error:
        raise ValueError(f"{value!r} is not a schedule: {expected}.") from error
    if len(value.split()) not in {1, 5}:
        raise ValueError(
            f"{value!r} has {counted(len(value.split()), 'field')} and not five: {expected}."
        )
    try:
        croniter(value, datetime(2026, 1, 1, tzinfo=UTC)).get_next()  # type: ignore[no-untyped-call]
    except ValueError as error:
        raise ValueError(f"{value!r} is of a day that never comes: {expected}.") from error
    return value
