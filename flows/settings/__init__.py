"""The whole settings file: every table, and what of them cannot hold together."""

from flows.settings.settings import Settings
from flows.settings.tables import (
    BY_HAND,
    AugmentationTable,
    ClinicalConventionsTable,
    CombatTable,
    ExpectationsTable,
    FeaturesTable,
    ModelTable,
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
    "PrefectTable",
    "Settings",
    "SystemTable",
    "ValidationTable",
]
