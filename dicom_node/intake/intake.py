"""From received bytes to a durable, indexed instance: check, archive, index; what is refused is
quarantined.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from functools import partial

from dicom_node.archive.archive import Archive, InstanceLocks
from dicom_node.archive.erased_people import ErasedPeople
from dicom_node.archive.incoming_file import IncomingFile
from dicom_node.audit import AuditEvent, record
from dicom_node.datasets.identity import DamagedInstanceError
from dicom_node.datasets.instance import ReceivedInstance, read_instance
from dicom_node.datasets.instance_versions import version_of
from dicom_node.errors import (
    ArchiveError,
    ConflictingContentError,
    ErasedPersonError,
    IncidentKind,
    NodeError,
    ReceivedDataError,
    RegistryUnavailableError,
    UnstorableRecordError,
    where_raised,
)
from dicom_node.intake.announcement import StoreCommand, check_identity
from dicom_node.intake.counters import Metrics
from dicom_node.intake.indexer import Indexer
from dicom_node.intake.names import Names, instance_record
from dicom_node.intake.prompt_notes import PromptNotes
from dicom_node.intake.refusals import failure_of, status_of
from dicom_node.intake.reindexing import Reindexed, Reindexing
from dicom_node.network.commitment_messages import (
    CLASS_INSTANCE_CONFLICT,
    NO_SUCH_INSTANCE,
    PROCESSING_FAILURE,
    CommitmentReport,
    CommitmentRequest,
    Reference,
)
from dicom_node.pseudonym import instance_key
from dicom_node.registry.registry import InstanceRecord, Registry

_log = logging.getLogger(__name__)

_NO_STUDY = "objects of no known study"
_ERASED = "objects of erased people"


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
    replacing : collection of str
        The centres whose newer contents are used in place of older ones.

    Attributes
    ----------
    notes : PromptNotes
        Where whoever answers a peer records incidents.
    """

    def __init__(
        self, archive: Archive, registry: Registry, key: bytes, replacing: Collection[str] = ()
    ) -> None:
        self._replacing = frozenset(replacing)
        self._archive = archive
        self._registry = registry
        self.notes = PromptNotes(registry.incidents)
        self._key = key
        self._names = Names(key)
        self._erased = ErasedPeople(archive.folder, key)
        self._locks = InstanceLocks()
        self._indexer = Indexer(self._index, self._set_aside)
        self._reindexing = Reindexing(
            archive, registry, self._names, self._indexer.index, self._erased
        )
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
        except Exception as error:  # nothing of one object may end its association
            failure = failure_of(error)
            self.refuse(center, failure, None)
            raise failure from error

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
        except Exception as error:  # nothing of one object may end its association
            failure = failure_of(error)
            self.refuse(center, failure, incoming, received)
            raise failure from error

    def flush(self, timeout_s: float = 30.0, stuck_s: float | None = None) -> bool:
        """Wait until everything that was kept is indexed; say whether it is.

        Parameters
        ----------
        timeout_s : float
            Seconds that are waited at most.
        stuck_s : float, optional
            Seconds after which a registry that commits nothing is not waited for.
        """
        return self._indexer.flush(timeout_s, stuck_s)

    @property
    def backlog(self) -> int:
        """How many instances are kept and not indexed yet."""
        return self._indexer.backlog + self._reindexing.backlog

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
        """Index what waits for it, and write what is to be noted."""
        self._indexer.stop()
        self.notes.stop()

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
        is_indexed = self.flush()
        committed: list[Reference] = []
        failed: list[tuple[Reference, int]] = []
        for one in request.references:
            reason = self._reason_against(center, one)
            if reason is None:
                committed.append(one)
            elif reason == NO_SUCH_INSTANCE and not is_indexed:
                failed.append((one, PROCESSING_FAILURE))
            else:
                failed.append((one, reason))
        return CommitmentReport(request.transaction_uid, tuple(committed), tuple(failed))

    def _reason_against(self, center: str, reference: Reference) -> int | None:
        """Return why an instance cannot be answered for, or `None` when it can."""
        try:
            key = instance_key(self._key, center, reference.sop_instance_uid)
            self._reindexing.catch_up_with(center, key)
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
                "%s: an instance could not be verified for a commitment. %s", center, error
            )
            return PROCESSING_FAILURE

    def reindex(
        self, is_enough: Callable[[], bool] = lambda: False, *, anew: bool = True
    ) -> Reindexed:
        """Bring the registry in line with the files; see `Reindexing`.

        Parameters
        ----------
        is_enough : callable
            Says whether the rest is left to another call; asked before each study.
        anew : bool
            Whether files and registry are compared first, or what was left is gone on with.

        Returns
        -------
        Reindexed
            What has been done since they were compared.

        Raises
        ------
        RegistryUnavailableError
            If the registry does not commit.
        """
        if anew:
            self._reindexing.compare()
        self._reindexing.go_on(is_enough)
        return self._reindexing.done

    @property
    def is_reindexed(self) -> bool:
        """Whether everything is indexed that was here before this start."""
        return self._reindexing.is_done

    def _keep(self, center: str, received: ReceivedInstance, incoming: IncomingFile) -> None:
        keys = self._names.keys(center, received.header.identity)
        self._erased.refuse(keys.patient, keys.study)
        self._reindexing.catch_up_with(center, keys.instance, keys.study)
        with self._locks.of(keys.instance):
            known = self._indexer.waiting(keys.instance) or self._registry.instances.known(
                center, keys.instance
            )
            is_moved = known is not None and known.study_key != keys.study
            if is_moved and center not in self._replacing:
                raise ConflictingContentError(
                    "An instance was sent again under the same SOP Instance UID in another study: "
                    "the first stays in use and the second is quarantined; give the changed object "
                    "a new UID at its source, or accept the newer one with `python -m flows "
                    "accept`."
                )
            path = self._archive.publish(
                center,
                keys.study,
                keys.instance,
                incoming,
                replace=center in self._replacing,
                passed_over=version_of(known.relative_path) + is_moved if known else 0,
            )
            self._indexer.submit(
                instance_record(center, keys, received, incoming.content_sha256, path)
            )
            self.metrics.stored(center, incoming.length)

    def _index(self, records: Sequence[InstanceRecord]) -> None:
        """Index a group of instances, and record in the audit trail what came."""
        self._registry.instances.add(records)
        for (center, study), count in Counter(
            (one.center, one.study_key) for one in records
        ).items():
            record(AuditEvent.INSTANCES_STORED, center=center, study=study, instances=count)

    def _set_aside(self, indexed: InstanceRecord, error: Exception) -> None:
        """Record that an instance on the disk cannot be indexed; where it lies in one of its
        values, its file goes to the quarantine, otherwise the next start tries again.
        """
        sentence = (
            "An instance is on the disk but cannot be indexed, and has been set aside. "
            f"{error if isinstance(error, NodeError) else f'({where_raised(error)})'}"
        )
        _log.error("%s: %s", indexed.center, sentence)
        self._told(IncidentKind.PROCESSING_FAILURE, sentence, indexed.center, indexed.study_key)
        if not isinstance(error, UnstorableRecordError):
            return
        try:
            self._archive.set_aside(
                self._archive.file_of(indexed.center, indexed.study_key, indexed.instance_key)
            )
        except OSError as failure:
            _log.error("An instance could not be moved to the quarantine: %s.", failure.strerror)

    def _told(self, kind: IncidentKind, sentence: str, center: str, subject: str) -> None:
        """Record an incident; that it cannot be recorded must not hide what it is about."""
        try:
            self.notes.record(kind, sentence, center, subject)
        except NodeError as error:
            _log.error("%s: an incident could not be recorded. %s", center, error)

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
        _log.warning("%s: an instance was refused. %s", center, error)
        self.metrics.refused(center, status_of(error))
        kind = error.kind or IncidentKind.ARCHIVE_FAILURE
        subject = "registry" if isinstance(error, RegistryUnavailableError) else "archive"
        if isinstance(error, ErasedPersonError):
            subject = _ERASED
        if isinstance(error, ReceivedDataError):
            subject = _NO_STUDY
            if incoming is not None:
                try:
                    subject = self._quarantine(center, error, incoming, received)
                except Exception as failure:  # noqa: BLE001 - the refusal is answered all the same
                    _log.error(
                        "%s: the refused bytes could not be kept: %s.",
                        center,
                        where_raised(failure),
                    )
        record(AuditEvent.INSTANCE_REFUSED, center=center, kind=kind, about=subject)
        self._told(kind, str(error), center, subject)

    def _quarantine(
        self,
        center: str,
        error: ReceivedDataError,
        incoming: IncomingFile,
        received: ReceivedInstance | None,
    ) -> str:
        """Keep refused bytes, and return the study that the incident is about."""
        identity = error.identity if isinstance(error, DamagedInstanceError) else None
        if received is not None:
            identity = received.header.identity
        keys = self._names.keys(center, identity) if identity else None
        if keys and (self._erased.has_patient(keys.patient) or self._erased.has_study(keys.study)):
            return _ERASED
        self._archive.quarantine(
            center, keys.study if keys else None, keys.instance if keys else None, incoming
        )
        if (
            isinstance(error, DamagedInstanceError)
            and error.identity is not None
            and keys is not None
        ):
            damaged = (center, keys.study, keys.patient, error.identity)
            self.notes.write(partial(self._registry.instances.note_damaged, *damaged))
        if keys is None:
            return _NO_STUDY
        known = self._registry.instances.known(center, keys.instance)
        return known.study_key if known else keys.study
