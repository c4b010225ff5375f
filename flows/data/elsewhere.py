"""Features that were made elsewhere and imported: whether a bundle may read them, and what must be
said of whoever is scored by them.
"""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

from feature_store.feature_tables.imported_features import ImportedFeatures
from feature_store.feature_tables.origin_settings import (
    OriginSettings,
    differences,
    made_here,
    open_questions,
)
from feature_store.study_identity import StudyIdentity
from feature_store.tables.store import FeatureStore
from flows.data.bundle_extraction import extraction_of
from models.bundle.facts import BundleFacts
from models.bundle.frozen_bundle import FrozenBundle
from models.errors import FeatureMismatchError


def settings_of(facts: BundleFacts) -> OriginSettings:
    """Return how the features that a bundle reads are made.

    Raises
    ------
    BundleError
        If they are not settings of this version.
    """
    if facts.made_elsewhere:
        return OriginSettings.from_json(facts.extraction_settings)
    return made_here(extraction_of(facts))


def refuse_measuring(bundle: FrozenBundle) -> None:
    """Refuse a bundle whose features this software does not measure.

    Raises
    ------
    FeatureMismatchError
        If it was trained on features that were made elsewhere.
    """
    if bundle.facts.made_elsewhere:
        made_by = settings_of(bundle.facts).in_words
        raise FeatureMismatchError(
            f"The model {bundle.facts.name} was trained on features that were made elsewhere "
            f"({made_by}), so no image can be scored by it: import features (`python -m flows "
            "import-features`), or pin a model that was trained on images."
        )


def refuse_unlike(bundle: FrozenBundle, settings: OriginSettings) -> None:
    """Refuse features that a bundle cannot read.

    Raises
    ------
    FeatureMismatchError
        If the model reads deep features, or features that were certainly made in another way.
    """
    name = bundle.facts.name
    if bundle.model.needs_network:
        raise FeatureMismatchError(
            f"The model {name} reads deep features, which no table holds: send the images, or pin "
            "a model of radiomics alone (`python -m flows train CENTER FOLDER --imported`)."
        )
    if found := differences(settings, settings_of(bundle.facts)):
        raise FeatureMismatchError(
            f"The features were made in another way than those of the model {name}: "
            f"{'; '.join(found)}. Make them again as the model's, or train on such features."
        )


def said_with_score(bundle: FrozenBundle, settings: OriginSettings) -> tuple[str, ...]:
    """Return what must be read with every score by features that were made elsewhere."""
    told = [
        (
            f"The features were made elsewhere ({settings.in_words}) and imported: neither image "
            "nor contour was checked here."
        )
    ]
    if unknown := open_questions(settings, settings_of(bundle.facts)):
        told.append(
            f"Nobody says of these features, or of the model's, {', '.join(unknown)}: whether they "
            "were made in the same way is not known."
        )
    return tuple(told)


def imported_of_center(
    source: FeatureStore, center: str, studies: Collection[StudyIdentity] | None = None
) -> tuple[ImportedFeatures, ...]:
    """Return the imported features of a centre that count, or those of some contents."""
    return tuple(
        one for one in source.imported(center) if studies is None or one.identity in studies
    )


def imported_matrix(patients: Collection[ImportedFeatures]) -> pd.DataFrame:
    """Return imported features as one matrix, index ``patient_key``, columns ``<region>:<name>``;
    not a number where a patient lacks one.
    """
    frame = pd.DataFrame(
        [one.columns for one in patients],
        index=pd.Index([one.patient_key for one in patients], name="patient_key", dtype="object"),
        dtype=float,
    )
    return frame.sort_index()


def one_way_made(center: str, patients: Collection[ImportedFeatures]) -> OriginSettings:
    """Return how all imported features of a centre were made.

    Raises
    ------
    FeatureMismatchError
        If there are none, or they were made in several ways.
    """
    ways = {one.settings.digest: one.settings for one in patients}
    if len(ways) != 1:
        raise FeatureMismatchError(
            f"Centre {center} has features that were made elsewhere in {len(ways) or 'no'} "
            f"way{'s' * (len(ways) != 1)}, expected one way for all: import its tables of features "
            "together (`python -m flows import-features`)."
        )
    return next(iter(ways.values()))
