"""Where the network looked in one study, as a DICOM map."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pydicom.dataset import Dataset

from dicom_node.registry.registry import StudyFiles
from feature_store.imaging.deep_input import input_grid
from feature_store.imaging.harmonize import harmonize_boxed_mask, harmonized_grid
from feature_store.study_features import LoadedStudy, StudyFeatures, prepared
from flows.installation import Installation
from flows.software_version import software_version
from flows.studies.editions import FIRST, Edition
from flows.studies.scored import model_reference
from models.combined.explanation import occlusion_map
from models.errors import FeatureMismatchError


def occlusion_map_of(
    work: Installation,
    files: StudyFiles,
    ct_datasets: Sequence[Dataset],
    study: LoadedStudy,
    features: StudyFeatures,
    made_at: datetime,
    edition: Edition = FIRST,
) -> Dataset:
    """Return the occlusion map of a study as a Parametric Map.

    Parameters
    ----------
    work : Installation
        Settings and pinned model.
    files : StudyFiles
        The study.
    ct_datasets : sequence of Dataset
        Its CT.
    study : LoadedStudy
        Its volume and GTV.
    features : StudyFeatures
        What was measured on it.
    made_at : datetime
        Time-zone-aware moment that the map carries.
    edition : Edition, optional
        Whose UID it has.

    Raises
    ------
    FeatureMismatchError
        If the model reads no deep features.
    StructuredReportError
        If the map cannot be built.
    """
    # highdicom takes seconds to import
    from validation_reports.dicom.occlusion_map import build_occlusion_map  # noqa: PLC0415
    from validation_reports.dicom.uids import derived_uid  # noqa: PLC0415

    bundle, settings = work.bundle, work.settings.extraction()
    if bundle.network is None:
        raise FeatureMismatchError(
            f"The model {bundle.facts.name} has no network, so there is nothing to look where it "
            "looked."
        )
    volume, drawn = prepared(study, settings)
    grid = harmonized_grid(volume, settings.spacing_mm)
    return build_occlusion_map(
        ct_datasets,
        occlusion_map(bundle.model, bundle.deep_feature_extractor, features.deep_input),
        input_grid(grid, harmonize_boxed_mask(drawn, volume, grid)),
        model_reference(work),
        software_version=software_version(),
        created_at=made_at,
        sop_instance_uid=derived_uid(
            "occlusion", files.content_digest, bundle.digest, *edition.names
        ),
        series_instance_uid=derived_uid("occlusion-series", files.study_key, bundle.digest),
    )
