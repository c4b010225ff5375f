"""What must be known of a bundle besides its numbers, wherever its features come from."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from feature_store.feature_tables.origin_settings import OriginSettings
from feature_store.radiomic_features.settings import ExtractionSettings
from feature_store.tables.store import FeatureStore
from flows.software_version import package_versions, software_version
from flows.training.request import TrainingRequest
from models.bundle.facts import BundleFacts


class IntendedUse(NamedTuple):
    """What a model is for, in a sentence, in earnest and as a demonstration."""

    research: str
    demonstration: str


def bundle_facts(
    request: TrainingRequest,
    source: FeatureStore,
    settings: ExtractionSettings | OriginSettings,
    use: IntendedUse,
    packages: Collection[str],
) -> BundleFacts:
    """Return the facts of a bundle.

    Parameters
    ----------
    request : TrainingRequest
        What was asked for.
    source : FeatureStore
        The store's versions that it follows from.
    settings : ExtractionSettings or OriginSettings
        How its features were made.
    use : IntendedUse
        What it is for.
    packages : collection of str
        Whose versions its numbers may depend on.
    """
    return BundleFacts(
        name=request.name,
        version=request.version,
        intended_use=use.demonstration if request.demonstration else use.research,
        demonstration=request.demonstration,
        extraction_settings=settings.to_json(),
        extraction_settings_digest=settings.digest,
        training_center=request.center,
        created_at=source.written_until(request.center),
        software_version=software_version(),
        store_versions=source.versions(),
        package_versions=package_versions(tuple(packages)),
    )
