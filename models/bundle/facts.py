"""What must be known of a model besides its numbers: what it is for, and where it comes from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType

from models.errors import BundleError

_DIGEST = re.compile(r"[0-9a-f]{64}")
_MADE_ELSEWHERE = '{"made_elsewhere":'
"""So begin the settings of features that this software did not extract."""


@dataclass(frozen=True)
class BundleFacts:
    """What must be known of a model besides its numbers.

    Parameters
    ----------
    name, version : str
        Shown wherever a score is shown.
    intended_use : str
        One sentence for the clinician.
    demonstration : bool
        True for a model that must not be used on patients.
    extraction_settings : str
        The feature extraction's settings as JSON.
    extraction_settings_digest : str
        Their digest, which features offered for scoring must carry.
    training_center : str
        Name of the centre that the model was trained on.
    store_versions : mapping of str to int
        Version of each feature-store table that was read.
    package_versions : mapping of str to str
        Versions of the packages that trained it.
    software_version : str
        Version of this software.
    created_at : datetime
        When the newest data that it was trained on was written, in UTC: training again on them
        gives the same bundle.

    Raises
    ------
    BundleError
        If a text is empty, the digest is not one, or the time is not UTC.
    """

    name: str
    version: str
    intended_use: str
    demonstration: bool
    extraction_settings: str
    extraction_settings_digest: str
    training_center: str
    created_at: datetime
    software_version: str
    store_versions: Mapping[str, int] = field(default_factory=dict)
    package_versions: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in (
            "name",
            "version",
            "intended_use",
            "extraction_settings",
            "training_center",
            "software_version",
        ):
            value = getattr(self, name)
            if not isinstance(value, str) or not value.strip():
                raise BundleError(
                    f"The bundle's {name.replace('_', ' ')} is empty: give it a text."
                )
        if not isinstance(self.demonstration, bool):
            raise BundleError(
                "The bundle does not say whether it is a demonstration: use true or false."
            )
        if not _DIGEST.fullmatch(self.extraction_settings_digest):
            raise BundleError(
                "The digest of the extraction settings is not 64 hexadecimal digits: use their "
                "SHA-256."
            )
        if self.created_at.utcoffset() != timedelta(0):
            raise BundleError(
                f"The bundle's time {self.created_at.isoformat()} is not in UTC: give it in UTC."
            )
        object.__setattr__(self, "store_versions", MappingProxyType(dict(self.store_versions)))
        object.__setattr__(self, "package_versions", MappingProxyType(dict(self.package_versions)))

    @property
    def made_elsewhere(self) -> bool:
        """Whether other software made the features that the model was trained on."""
        return self.extraction_settings.startswith(_MADE_ELSEWHERE)
