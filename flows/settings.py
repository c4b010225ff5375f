"""The whole settings file: the node's tables and those of the features, the model, the validation and Prefect."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic_settings import SettingsConfigDict

from dicom_node.settings import NodeSettings
from feature_store.radiomic_features.settings import ExtractionSettings
from models.augmentation import Augmentation
from models.combat import MINIMUM_PATIENTS

_PROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"


class FeaturesTable(BaseModel):
    """``[features]``: how features are extracted and where they are kept."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    store: str | None = None
    ring_widths_mm: tuple[Literal[3, 6, 9], ...] = (6,)
    engine: Literal["crops", "pyradiomics"] = "crops"
    bin_width: float = Field(default=25.0, gt=0)
    normalize_scale: float = Field(default=100.0, gt=0)
    clip_rings_at_body: bool = False


class AugmentationTable(BaseModel):
    """``[augmentation]``: how far the network's training images are changed at random (paper, data augmentation)."""

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
    digest: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")


class CombatTable(BaseModel):
    """``[combat]``: whether training keeps what ComBat needs, and whether a validation may ask for it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = False
    minimum_patients: int = Field(default=MINIMUM_PATIENTS, ge=3)


class ValidationTable(BaseModel):
    """``[validation]``: where reports go and at which times after the start of radiotherapy they look."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reports: Path | None = None


class PrefectTable(BaseModel):
    """``[prefect]``: the dispatcher's warm processes; the server's address is Prefect's own ``PREFECT_API_URL``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    workers: int = Field(default=1, gt=0)
    lease_s: float = Field(default=120.0, gt=0)
    poll_interval_s: float = Field(default=0.5, gt=0)
    first_retry_s: float = Field(default=5.0, gt=0)
    longest_retry_s: float = Field(default=900.0, gt=0)


class Settings(NodeSettings):
    """Every table of the settings file."""

    model_config = SettingsConfigDict(extra="forbid")

    features: FeaturesTable = FeaturesTable()
    augmentation: AugmentationTable = AugmentationTable()
    model: ModelTable = ModelTable()
    combat: CombatTable = CombatTable()
    validation: ValidationTable = ValidationTable()
    prefect: PrefectTable = PrefectTable()

    def store_location(self) -> str:
        """Return the folder or URL of the feature store."""
        return self.features.store or str((self.node.folder / "feature_store").absolute())

    def reports_folder(self) -> Path:
        """Return the folder that validation reports are written to."""
        return self.validation.reports or self.node.folder / "reports"

    def extraction(self) -> ExtractionSettings:
        """Return the settings of the radiomic feature extraction."""
        return ExtractionSettings(
            bin_width=self.features.bin_width,
            normalize_scale=self.features.normalize_scale,
            clip_rings_at_body=self.features.clip_rings_at_body,
        )


@cache
def software_version() -> str:
    """Return the version of this software, as scores and reports name it."""
    return str(tomllib.loads(_PROJECT.read_text(encoding="utf-8"))["project"]["version"])
