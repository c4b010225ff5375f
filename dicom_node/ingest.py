"""From received bytes to a durable, indexed instance: check, archive, index; what is refused is quarantined."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from dicom_node.archive import Archive, ArchivedFile, InstanceLocks, Part10, read_part10
from dicom_node.errors import (
    ArchiveError,
    ConflictingContentError,
    DamagedInstanceError,
    IdentityMismatchError,
    IncidentKind,
    NodeError,
    ReceivedDataError,
    RegistryUnavailableError,
    UnreadableDatasetError,
)
from dicom_node.pseudonym import instance_key, patient_key, pseudonym, study_key
from dicom_node.registry import InstanceRecord, Registry
from dicom_node.study import Identity, ReceivedInstance, is_uid, read_instance

_log = logging.getLogger(__name__)

_NO_UID = "2.25.0"
"""Stands in the file meta information of quarantined bytes whose own UID is none."""


@dataclass(frozen=True)
class StoreRequest:
    """One C-STORE request (PS3.7 section 9.3.1).

    Parameters
    ----------
    sop_class_uid, sop_instance_uid : str
        Affected SOP Class and Instance UID of the command.
    context_class_uid : str
        Abstract syntax of the presentation context.
    transfer_syntax : str
        Transfer syntax of the presentation context.
    dataset : bytes
        The encoded dataset.
    """

    sop_class_uid: str
    sop_instance_uid: str
    context_class_uid: str
    transfer_syntax: str
    dataset: bytes

    def part10(self) -> Part10:
        """Return the instance as a file, as the command names it."""
        uid = self.sop_instance_uid if is_uid(self.sop_instance_uid) else _NO_UID
        return Part10(self.context_class_uid, uid, self.transfer_syntax, self.dataset)


@dataclass(frozen=True)
class Keys:
    """The pseudonyms of an instance."""

    study: str
    patient: str
    instance: str


@dataclass(frozen=True)
class Reindexed:
    """What bringing the registry in line with the files did."""

    added: int
    missing: int
    set_aside: int


class Ingest:
    """The node's one way in.

    Parameters
    ----------
    archive : Archive
        Where the bytes are kept.
    registry : Registry
        Where they are indexed.
    key : bytes
        The pseudonym key.
    """

    def __init__(self, archive: Archive, registry: Registry, key: bytes) -> None:
        self._archive = archive
        self._registry = registry
        self._key = key
        self._locks = InstanceLocks()

    def receive(self, center: str, request: StoreRequest) -> None:
        """Keep an instance; when this returns it is on disk and indexed, and may be answered with success.

        Parameters
        ----------
        center : str
            The sending centre.
        request : StoreRequest
            What was sent.

        Raises
        ------
        NodeError
            If it is not kept; an incident says why, and unusable data lies in the quarantine.
        """
        try:
            received = read_instance(request.dataset, request.transfer_syntax)
            _check_identity(request, received.header.identity)
            self._keep(center, request, received)
        except NodeError as error:
            self._refuse(center, request, error)
            raise
        except OSError as error:
            failure = ArchiveError(f"the archive cannot be used ({error.strerror}): check its disk and permissions")
            self._refuse(center, request, failure)
            raise failure from error

    def reindex(self) -> Reindexed:
        """Bring the registry in line with the files, which are the truth.

        Files that the registry does not know are indexed, entries whose files have gone are forgotten, and files that
        cannot be instances are moved to the quarantine; the last two are incidents.

        Returns
        -------
        Reindexed
            How many of each.
        """
        known = self._registry.known_paths()
        unknown: list[ArchivedFile] = []
        for file in self._archive.files():
            if file.relative_path in known:
                known.discard(file.relative_path)
            else:
                unknown.append(file)
        if known:
            self._registry.forget_instances(known)
            self._registry.record_incident(
                IncidentKind.MISSING_FILE,
                f"{len(known)} instances are no longer in the archive: restore them or have them sent again",
                None,
                "archive",
            )
        added = 0
        for _, files in groupby(unknown, key=lambda file: (file.center, file.study_key)):
            records = list(self._records(files))
            self._registry.add_instances(records)
            added += len(records)
        return Reindexed(added, len(known), len(unknown) - added)

    def keys(self, center: str, identity: Identity) -> Keys:
        """Return the pseudonyms of an instance; without a Patient ID the study stands for the patient."""
        return Keys(
            study=study_key(self._key, center, identity.study_instance_uid),
            patient=patient_key(self._key, center, identity.patient_id)
            if identity.patient_id
            else pseudonym(self._key, "patient-of-study", center, identity.study_instance_uid),
            instance=instance_key(self._key, center, identity.sop_instance_uid),
        )

    def _keep(self, center: str, request: StoreRequest, received: ReceivedInstance) -> None:
        keys = self.keys(center, received.header.identity)
        with self._locks.of(keys.instance):
            known = self._registry.known_instance(center, keys.instance)
            if known is not None and known.study_key != keys.study:
                raise ConflictingContentError(
                    "an instance was sent again under the same SOP Instance UID in another study: the first stays in "
                    "use and the second is quarantined; give the changed object a new UID at its source"
                )
            stored = self._archive.store(center, keys.study, keys.instance, request.part10())
            self._registry.add_instance(_record(center, keys, received, stored.content_sha256, stored.relative_path))

    def _refuse(self, center: str, request: StoreRequest, error: NodeError) -> None:
        """Quarantine unusable data, and record the incident; a failure here must not hide the refusal itself."""
        _log.warning("%s: refused an instance: %s", center, error)
        kind = error.kind or IncidentKind.ARCHIVE_FAILURE
        subject = "registry" if isinstance(error, RegistryUnavailableError) else "archive"
        try:
            if isinstance(error, ReceivedDataError):
                subject = self._quarantine(center, request, error)
            self._registry.record_incident(kind, str(error), center, subject)
        except (NodeError, OSError) as failure:
            _log.error("%s: the refusal could not be recorded: %s", center, failure)

    def _quarantine(self, center: str, request: StoreRequest, error: ReceivedDataError) -> str:
        """Keep refused bytes, and return the pseudonym that the incident is about."""
        instance = request.part10()
        keys = self._keys_of_refused(center, request, error)
        self._archive.quarantine(center, keys.study if keys else None, keys.instance if keys else None, instance)
        if isinstance(error, DamagedInstanceError) and error.identity is not None and keys is not None:
            self._registry.note_damaged(center, keys.study, keys.patient, error.identity)
        return keys.instance if keys else f"content {instance.content_sha256[:16]}"

    def _keys_of_refused(self, center: str, request: StoreRequest, error: ReceivedDataError) -> Keys | None:
        if isinstance(error, DamagedInstanceError):
            return self.keys(center, error.identity) if error.identity else None
        try:
            return self.keys(center, read_instance(request.dataset, request.transfer_syntax).header.identity)
        except ReceivedDataError:
            return None

    def _records(self, files: Iterator[ArchivedFile]) -> Iterator[InstanceRecord]:
        """Yield the records of archived files, and set aside those that cannot be what their path says."""
        for file in files:
            try:
                instance = read_part10(file.path)
                received = read_instance(instance.dataset, instance.transfer_syntax)
                keys = self.keys(file.center, received.header.identity)
                if (keys.study, keys.instance) != (file.study_key, file.instance_key):
                    raise IdentityMismatchError(
                        "a file of the archive does not lie where its identity belongs: have the instance sent again"
                    )
                if self._registry.known_instance(file.center, keys.instance) is not None:
                    raise ConflictingContentError(
                        "a file of the archive has the SOP Instance UID of another: the one that is indexed stays"
                    )
            except ReceivedDataError as error:
                self._archive.set_aside(file)
                kind = error.kind or IncidentKind.UNREADABLE_DATASET
                self._registry.record_incident(kind, str(error), file.center, file.instance_key)
            else:
                yield _record(file.center, keys, received, instance.content_sha256, file.relative_path)


def _record(
    center: str, keys: Keys, received: ReceivedInstance, content_sha256: str, relative_path: str
) -> InstanceRecord:
    return InstanceRecord(
        center=center,
        study_key=keys.study,
        patient_key=keys.patient,
        instance_key=keys.instance,
        header=received.header,
        manifest=received.manifest,
        content_sha256=content_sha256,
        relative_path=relative_path,
    )


def _check_identity(request: StoreRequest, identity: Identity) -> None:
    """Compare command, presentation context and dataset (PS3.7 section 9.1.1.1, PS3.4 section B.2.3)."""
    if not is_uid(request.sop_instance_uid):
        raise UnreadableDatasetError(
            "the Affected SOP Instance UID (0000,1000) of a C-STORE is no UID: expected digits and dots, at most 64 "
            "characters (PS3.5 section 9.1)"
        )
    if request.sop_instance_uid != identity.sop_instance_uid:
        raise IdentityMismatchError(
            "the C-STORE command names another SOP Instance UID than its dataset: expected the same in (0000,1000) "
            "and (0008,0018); check the sending system"
        )
    if not request.sop_class_uid == request.context_class_uid == identity.sop_class_uid:
        raise IdentityMismatchError(
            "the C-STORE command, its presentation context and its dataset name different SOP Classes: expected one; "
            "check the sending system"
        )
