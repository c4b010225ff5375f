"""The whole settings file: the node's tables and those of the features, the model, the validation
and Prefect.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from dicom_node.center import Role
from dicom_node.settings import Fault, NodeSettings, SettingsError, settings_file
from dicom_node.settings.settings_file import as_sentence, read_text
from feature_store.clinical_tables.conventions import Conventions
from feature_store.radiomic_features.settings import ExtractionSettings
from flows.settings.contradictions import table_faults
from flows.settings.notify import NotifyTable
from flows.settings.tables import (
    AugmentationTable,
    CertaintyTable,
    ClinicalConventionsTable,
    CombatTable,
    ExpectationsTable,
    FeaturesTable,
    ModelTable,
    PortalTable,
    PrefectTable,
    SystemTable,
    ValidationTable,
)

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - compared, not bound


def reachable_host(host: str) -> str:
    """Return how an address of this machine reads what listens at `host`, which may mean
    everywhere.
    """
    return _EVERYWHERE.get(host, f"[{host}]" if ":" in host else host)


class Settings(NodeSettings):
    """Every table of the settings file."""

    model_config = SettingsConfigDict(extra="forbid")

    features: FeaturesTable = FeaturesTable()
    expectations: ExpectationsTable = ExpectationsTable()
    augmentation: AugmentationTable = AugmentationTable()
    model: ModelTable = ModelTable()
    certainty: CertaintyTable = CertaintyTable()
    combat: CombatTable = CombatTable()
    validation: ValidationTable = ValidationTable()
    prefect: PrefectTable = PrefectTable()
    system: SystemTable = SystemTable()
    portal: PortalTable = PortalTable()
    notify: NotifyTable = NotifyTable()
    clinical: dict[str, ClinicalConventionsTable] = Field(default_factory=dict)

    @classmethod
    def load(cls, path: Path | None = None) -> Self:
        """Read the settings, as `NodeSettings.load` does.

        Raises
        ------
        SettingsError
            Also if the folder of the reports, which browsers read, holds the file itself, with the
            secrets beside it.
        """
        found = super().load(path)
        file = settings_file(path)
        reports = found.reports_folder()
        if file is not None and file.absolute().is_relative_to(reports):
            fault = Fault(
                ("validation", "reports"),
                f"{reports} holds this file, and the secrets beside it, which no browser may "
                "read: give a folder beside it.",
            )
            raise SettingsError(as_sentence([fault], file, read_text(file)))
        return found

    def faults(self) -> list[Fault]:
        """Return what cannot hold together, though each value is sound by itself."""
        return [*super().faults(), *table_faults(self)]

    def portal_folder(self) -> Path:
        """Return the folder in which the portal's users are."""
        return self.node.folder / "portal"

    def external_centers(self) -> tuple[str, ...]:
        """Return the names of the centres that the model is validated on."""
        return tuple(center.name for center in self.centers() if center.role is Role.EXTERNAL)

    def store_location(self) -> str:
        """Return the folder or URL of the feature store."""
        return self.features.store or str(self.node.folder / "feature_store")

    def reports_folder(self) -> Path:
        """Return the folder that validation reports are written to."""
        return self.validation.reports or self.node.folder / "reports"

    def records_folder(self) -> Path:
        """Return the folder in which each report's exact record stays."""
        return self.node.folder / "report_records"

    def portal_url(self) -> str:
        """Return where a browser reaches the portal, with a slash at its end."""
        if self.portal.url is not None:
            return f"{self.portal.url.rstrip('/')}/"
        return f"http://{reachable_host(self.system.host)}:{self.system.portal_port}/"

    def reports_url(self) -> str:
        """Return where the folder of reports can be read in a browser."""
        return self.validation.reports_url or f"{self.portal_url()}reports/"

    def clinical_conventions(self, center: str) -> Conventions:
        """Return what a centre says of its clinical tables."""
        found = self.clinical.get(center)
        return Conventions() if found is None else Conventions(**found.model_dump())

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
