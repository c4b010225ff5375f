"""Features of one patient that were made elsewhere, and never pass for features made here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

from feature_store.errors import FeatureStoreError
from feature_store.feature_tables.origin_settings import OriginSettings
from feature_store.imaging.image_marks import ImageMarks
from feature_store.imaging.regions import Region
from feature_store.study_identity import TABLE_PREFIX, StudyIdentity

_DIGEST_HEX = 20


class FeatureTableError(FeatureStoreError, ValueError):
    """A table of features cannot be read or used; the sentence says how to mend it."""


@dataclass(frozen=True, eq=False)
class ImportedFeatures:
    """Features of one patient out of a table.

    Parameters
    ----------
    center, patient_key : str
        Whose they are, under a pseudonym.
    settings : OriginSettings
        How they were made, as far as anybody says.
    by_region : mapping of Region to mapping of str to float
        By region and by PyRadiomics' name; finite.
    """

    center: str
    patient_key: str
    settings: OriginSettings
    by_region: Mapping[Region, Mapping[str, float]]

    def __post_init__(self) -> None:
        object.__setattr__(
            self,
            "by_region",
            MappingProxyType({region: dict(of) for region, of in sorted(self.by_region.items())}),
        )

    @cached_property
    def identity(self) -> StudyIdentity:
        """The patient's row of a table in place of a study; other values are another content."""
        content = json.dumps([self.settings.digest, dict(self.by_region)], sort_keys=True)
        return StudyIdentity(
            self.center,
            self.patient_key,
            f"{TABLE_PREFIX}{self.patient_key}",
            hashlib.sha256(content.encode()).hexdigest(),
        )

    @property
    def columns(self) -> dict[str, float]:
        """The values by feature column, ``<region>:<name>``."""
        return {
            f"{region}:{name}": value
            for region, of in self.by_region.items()
            for name, value in of.items()
        }

    @property
    def marks(self) -> ImageMarks:
        """By what the same image is recognised in another table: digests of each region's values to
        six digits, in place of those of pixels.
        """
        digests = (
            hashlib.sha256(
                json.dumps({name: f"{value:.5e}" for name, value in sorted(of.items())}).encode()
            ).hexdigest()[:_DIGEST_HEX]
            for of in self.by_region.values()
        )
        return ImageMarks(None, (), tuple(sorted(digests)))
