"""From received bytes to a durable, indexed instance: check, archive, index; what is refused is
quarantined.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import groupby

from dicom_node.archive.archive import Archive, ArchivedFile, InstanceLocks
from dicom_node.archive.incoming_file import IncomingFile
from dicom_node.archive.part10 import content_sha256, read_meta
from dicom_node.audit import AuditEvent, record
from dicom_node.datasets.identity import DamagedInstanceError, Identity
from dicom_node.datasets.instance import ReceivedInstance, read_instance
from dicom_node.datasets.quick_scan import DatasetWindow
from dicom_node.errors import (
    ArchiveError,
    ConflictingContentError,
    IdentityMismatchError,
    IncidentKind,
    NodeError,
    ReceivedDataError,
    RegistryUnavailableError,
)
from dicom_node.intake.announcement import StoreCommand, check_identity
from dicom_node.intake.counters import Metrics
from dicom_node.intake.indexer import Indexer
from dicom_node.intake.refusals import status_of
from dicom_node.network.commitment_messages import (
    CLASS_INSTANCE_CONFLICT,
    NO_SUCH_INSTANCE,
    PROCESSING_FAILURE,
    CommitmentReport,
    CommitmentRequest,
    Reference,
)
from dicom_node.pseudonym import instance_key, patient_key, pseudonym, study_key
from dicom_node.registry.registry import InstanceRecord, Registry

_log = logging.getLogger(__name__)

_REMEMBERED_STUDIES = 256


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


class Intake:
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
        self._key_of_study = lru_cache(_REMEMBERED_STUDIES)(partial(study_key, key))
        self._key_of_patient = lru_cache(_REMEMBERED_STUDIES)(partial(patient_key, key))
        self._locks = InstanceLocks()
        self._indexer = Indexer(self._index)
        self.metrics = Metrics()

    def begin(self, center: str, command: StoreCommand) -> IncomingFile:
        """Open the temporary file of an instance that is about to come; `finish` keeps it.

        Parameters
        ----------
        center : str
            The sending centre.
        command : StoreCommand
            What is going to be sent.

        Raises
        ------
        ArchiveError, RegistryUnavailableError
            If it cannot be taken now; an incident says why.
        """
        try:
            self._indexer.check()
            return self._archive.begin(command.file_meta())
        except (ArchiveError, RegistryUnavailableError) as error:
            self.refuse(center, error, None)
            raise

    def finish(self, center: str, command: StoreCommand, incoming: IncomingFile) -> None:
        """Keep an instance; when this returns it is on disk, and may be answered with success.

        It is indexed moments later; `flush` waits for that.

        Parameters
        ----------
        center : str
            The sending centre.
        command : StoreCommand
            How it was announced.
        incoming : IncomingFile
            What was received; its owner discards it.

        Raises
        ------
        NodeError
            If it is not kept; an incident says why, and unusable data lies in the quarantine.
        """
        received: ReceivedInstance | None = None
        try:
            received = read_instance(incoming.dataset(), command.transfer_syntax)
            check_identity(command, received.header.identity)
            self._keep(center, received, incoming)
        except NodeError as error:
            self.refuse(center, error, incoming, received)
            raise
        except OSError as error:
            failure = ArchiveError(
                f"the archive cannot be used ({error.strerror}): check its disk and permissions"
            )
            self.refuse(center, failure, incoming, received)
            raise failure from error

    def flush(self, timeout_s: float = 30.0) -> bool:
        """Wait until everything that was kept is indexed; say whether it is."""
        return self._indexer.flush(timeout_s)

    @property
    def backlog(self) -> int:
        """How many instances are kept and not indexed yet."""
        return self._indexer.backlog

    def check(self) -> None:
        """Say whether anything can be taken now.

        Raises
        ------
        ArchiveError, RegistryUnavailableError
            If not.
        """
        self._indexer.check()
        self._archive.check_space()

    def stop(self) -> None:
        """Index what waits for it."""
        self._indexer.stop()

    def verify(self, center: str, request: CommitmentRequest) -> CommitmentReport:
        """Say which of some instances are kept: on the disk, with the bytes that were received, and
        indexed.

        Parameters
        ----------
        center : str
            Who asks; it is answered for its own instances only.
        request : CommitmentRequest
            What it asks about.
        """
        self.flush()
        committed: list[Reference] = []
        failed: list[tuple[Reference, int]] = []
        for one in request.references:
            reason = self._reason_against(center, one)
            if reason is None:
                committed.append(one)
            else:
                failed.append((one, reason))
        return CommitmentReport(request.transaction_uid, tuple(committed), tuple(failed))

    def _reason_against(self, center: str, reference: Reference) -> int | None:
        """Return why an instance cannot be answered for, or `None` when it can."""
        try:
            key = instance_key(self._key, center, reference.sop_instance_uid)
            known = self._registry.instances.known(center, key)
            if known is None:
                return NO_SUCH_INSTANCE
            if known.sop_class_uid != reference.sop_class_uid:
                return CLASS_INSTANCE_CONFLICT
            return (
                None
                if self._archive.holds(known.relative_path, known.content_sha256)
                else NO_SUCH_INSTANCE
            )
        except (NodeError, OSError) as error:
            _log.warning(
                "%s: an instance could not be verified for a commitment: %s", center, error
            )
            return PROCESSING_FAILURE

    def reindex(self) -> Reindexed:
        """Bring the registry in line with the files, which are the truth.

        Files that the registry does not know are indexed, entries whose files have gone are
        forgotten, and files that cannot be instances are moved to the quarantine; the last two are
        incidents.

        Returns
        -------
        Reindexed
            How many of each.
        """
        known = self._registry.instances.paths()
        unknown: list[ArchivedFile] = []
        for file in self._archive.files():
            if file.relative_path in known:
                known.discard(file.relative_path)
            else:
                unknown.append(file)
        if known:
            self._registry.instances.forget(known)
            self._registry.incidents.record(
                IncidentKind.MISSING_FILE,
                f"{len(known)} instances are no longer in the archive: restore them or have them "
                "sent again",
                None,
                "archive",
            )
        added = 0
        for _, files in groupby(unknown, key=lambda file: (file.center, file.study_key)):
            records = list(self._records(files))
            self._registry.instances.add(records)
            added += len(records)
        self._read_drawings_again()
        return Reindexed(added, len(known), len(unknown) - added)

    def _read_drawings_again(self) -> None:
        """Read the RTSTRUCTs again of which an earlier version did not keep what each ROI is."""
        lacking = set(self._registry.instances.without_drawings())
        for file in self._archive.files() if lacking else ():
            if file.relative_path not in lacking:
                continue
            try:
                received = _read_archived(file)
            except ReceivedDataError as error:
                self._registry.incidents.record(
                    error.kind or IncidentKind.UNREADABLE_DATASET,
                    str(error),
                    file.center,
                    file.instance_key,
                )
                continue
            keys = self.keys(file.center, received.header.identity)
            digest = content_sha256(file.path)
            self._registry.instances.renew(
                _record(file.center, keys, received, digest, file.relative_path)
            )

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
        )

    def _keep(self, center: str, received: ReceivedInstance, incoming: IncomingFile) -> None:
        keys = self.keys(center, received.header.identity)
        with self._locks.of(keys.instance):
            known_study = self._indexer.study_of(keys.instance)
            if known_study is None:
                known = self._registry.instances.known(center, keys.instance)
                known_study = known.study_key if known else None
            if known_study not in {None, keys.study}:
                raise ConflictingContentError(
                    "an instance was sent again under the same SOP Instance UID in another study: "
                    "the first stays in use and the second is quarantined; give the changed object "
                    "a new UID at its source"
                )
            path = self._archive.publish(center, keys.study, keys.instance, incoming)
            self._indexer.submit(_record(center, keys, received, incoming.content_sha256, path))
            self.metrics.stored(center, incoming.length)

    def _index(self, records: Sequence[InstanceRecord]) -> None:
        """Index a group of instances, and record in the audit trail what came."""
        self._registry.instances.add(records)
        for (center, study), count in Counter(
            (one.center, one.study_key) for one in records
        ).items():
            record(AuditEvent.INSTANCES_STORED, center=center, study=study, instances=count)

    def refuse(
        self,
        center: str,
        error: NodeError,
        incoming: IncomingFile | None,
        received: ReceivedInstance | None = None,
    ) -> None:
        """Quarantine unusable data, and record the incident; a failure here must not hide the
        refusal itself.

        Parameters
        ----------
        center : str
            The sending centre.
        error : NodeError
            Why it is refused.
        incoming : IncomingFile or None
            What was received; `None` when nothing was.
        received : ReceivedInstance, optional
            What could be read of it.
        """
        _log.warning("%s: refused an instance: %s", center, error)
        self.metrics.refused(center, status_of(error))
        kind = error.kind or IncidentKind.ARCHIVE_FAILURE
        subject = "registry" if isinstance(error, RegistryUnavailableError) else "archive"
        try:
            if isinstance(error, ReceivedDataError) and incoming is not None:
                subject = self._quarantine(center, error, incoming, received)
            record(AuditEvent.INSTANCE_REFUSED, center=center, kind=kind, about=subject)
            self._registry.incidents.record(kind, str(error), center, subject)
        except (NodeError, OSError) as failure:
            _log.error("%s: the refusal could not be recorded: %s", center, failure)

    def _quarantine(
        self,
        center: str,
        error: ReceivedDataError,
        incoming: IncomingFile,
        received: ReceivedInstance | None,
    ) -> str:
        """Keep refused bytes, and return the pseudonym that the incident is about."""
        identity = error.identity if isinstance(error, DamagedInstanceError) else None
        if received is not None:
            identity = received.header.identity
        keys = self.keys(center, identity) if identity else None
        self._archive.quarantine(
            center, keys.study if keys else None, keys.instance if keys else None, incoming
        )
        if (
            isinstance(error, DamagedInstanceError)
            and error.identity is not None
            and keys is not None
        ):
            self._registry.instances.note_damaged(center, keys.study, keys.patient, error.identity)
        return keys.instance if keys else f"content {incoming.content_sha256[:16]}"

    def _records(self, files: Iterator[ArchivedFile]) -> Iterator[InstanceRecord]:
        """Yield the records of archived files, and set aside those that cannot be what their path
        says.
        """
        for file in files:
            try:
                received = _read_archived(file)
                keys = self.keys(file.center, received.header.identity)
                if (keys.study, keys.instance) != (file.study_key, file.instance_key):
                    raise IdentityMismatchError(
                        "a file of the archive does not lie where its identity belongs: have the "
                        "instance sent again"
                    )
                if self._registry.instances.known(file.center, keys.instance) is not None:
                    raise ConflictingContentError(
                        "a file of the archive has the SOP Instance UID of another: the one that "
                        "is indexed stays"
                    )
            except ReceivedDataError as error:
                self._archive.set_aside(file)
                kind = error.kind or IncidentKind.UNREADABLE_DATASET
                self._registry.incidents.record(kind, str(error), file.center, file.instance_key)
            else:
                yield _record(
                    file.center, keys, received, content_sha256(file.path), file.relative_path
                )


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


def _read_archived(file: ArchivedFile) -> ReceivedInstance:
    """Read an archived instance without its pixel data."""
    meta, start = read_meta(file.path)
    with file.path.open("rb") as opened:
        length = max(file.path.stat().st_size - start, 0)
        return read_instance(DatasetWindow(opened.fileno(), start, length), meta.transfer_syntax)
