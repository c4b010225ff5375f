"""How the features that a bundle's model reads are extracted."""

from __future__ import annotations

from feature_store.radiomic_features.settings import ExtractionSettings
from models.bundle.facts import BundleFacts
from models.errors import BundleError


def extraction_of(facts: BundleFacts) -> ExtractionSettings:
    """Return the extraction settings that a bundle records.

    Parameters
    ----------
    facts : BundleFacts
        What the bundle says of itself.

    Raises
    ------
    BundleError
        If they are not settings of this version, or not those of the digest that scoring asks for.
    """
    try:
        settings = ExtractionSettings.from_json(facts.extraction_settings)
    except ValueError as error:
        raise BundleError(
            f"The features of the model {facts.name} cannot be extracted by this version: {error}. "
            f"Use version {facts.software_version} of this software, which trained it."
        ) from error
    asked = facts.extraction_settings_digest
    if settings.digest != asked:
        raise BundleError(
            f"The model {facts.name} records extraction settings with the digest "
            f"{settings.digest[:12]}, but scores features with {asked[:12]}: expected equal "
            "digests. Train it again."
        )
    return settings
