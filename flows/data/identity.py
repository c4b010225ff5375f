"""The identity under which the feature store keeps a study of the node."""

from __future__ import annotations

from dicom_node.registry.registry import StudyFiles
from feature_store.tables.store import StudyIdentity


def identity_of(files: StudyFiles) -> StudyIdentity:
    """Return the pseudonymous identity under which the results of a study are kept."""
    return StudyIdentity(
        center=files.center,
        patient_key=files.patient_key,
        study_key=files.study_key,
        content_digest=files.content_digest,
    )
