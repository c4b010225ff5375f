"""Under which pseudonyms an instance is kept, and its record for the registry."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial

from dicom_node.datasets.identity import Identity
from dicom_node.datasets.instance import ReceivedInstance
from dicom_node.pseudonym import instance_key, patient_key, pseudonym, study_key
from dicom_node.registry.registry import InstanceRecord

_REMEMBERED_STUDIES = 256


@dataclass(frozen=True)
class Keys:
    """The pseudonyms of an instance; `alike` are those that its patient would have if the Patient
    ID were written in other usual ways with capitals.
    """

    study: str
    patient: str
    instance: str
    alike: frozenset[str]


class Names:
    """Gives pseudonyms; those of the latest studies and patients are remembered.

    Parameters
    ----------
    key : bytes
        The pseudonym key.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._key_of_study = lru_cache(_REMEMBERED_STUDIES)(partial(study_key, key))
        self._key_of_patient = lru_cache(_REMEMBERED_STUDIES)(partial(patient_key, key))
        self._keys_alike = lru_cache(_REMEMBERED_STUDIES)(partial(_keys_alike, key))

    def keys(self, center: str, identity: Identity) -> Keys:
        """Return the pseudonyms of an instance; without a Patient ID the study stands for the
        patient.
        """
        return Keys(
            study=self._key_of_study(center, identity.study_instance_uid),
            patient=self._key_of_patient(center, identity.patient_id)
            if identity.patient_id
            else pseudonym(self._key, "patient-of-study", center, identity.study_instance_uid),
            instance=instance_key(self._key, center, identity.sop_instance_uid),
            alike=self._keys_alike(center, identity.patient_id),
        )


def _keys_alike(key: bytes, center: str, patient_id: str) -> frozenset[str]:
    ways = (str.upper, str.lower, str.title, str.capitalize, str.swapcase)
    others = {way(patient_id) for way in ways} - {patient_id}
    return frozenset(patient_key(key, center, one) for one in others)


def instance_record(
    center: str, keys: Keys, received: ReceivedInstance, content_sha256: str, relative_path: str
) -> InstanceRecord:
    """Return what the registry keeps of an instance."""
    return InstanceRecord(
        center=center,
        study_key=keys.study,
        patient_key=keys.patient,
        instance_key=keys.instance,
        header=received.header,
        manifest=received.manifest,
        content_sha256=content_sha256,
        relative_path=relative_path,
        patients_alike=keys.alike,
    )
