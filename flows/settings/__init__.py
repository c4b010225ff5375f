"""The whole settings file: every table, and what of them cannot hold together."""

from flows.settings.settings import Settings, reachable_host
from flows.settings.tables import (
    BY_HAND,
    AugmentationTable,
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

__all__ = [
    "BY_HAND",
    "AugmentationTable",
    "ClinicalConventionsTable",
    "CombatTable",
    "ExpectationsTable",
    "FeaturesTable",
    "ModelTable",
    "PortalTable",
    "PrefectTable",
    "Settings",
    "SystemTable",
    "ValidationTable",
    "reachable_host",
]
