"""The registry follows the files: what a start or `reindex` finds in the archive and the registry
does not know. A start does some of it before anything is received, and the rest meanwhile.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from dicom_node.archive.archive import Archive, ArchivedFile
from dicom_node.archive.erased_people import ErasedPeople
from dicom_node.archive.part10 import content_sha256, read_meta
from dicom_node.datasets.dataset_window import DatasetWindow
from dicom_node.datasets.instance import ReceivedInstance, read_instance
from dicom_node.datasets.instance_versions import version_of
from dicom_node.errors import (
    ConflictingContentError,
    ErasedPersonError,
    IdentityMismatchError,
    IncidentKind,
    NodeError,
    ReceivedDataError,
)
from dicom_node.intake.erasure import forget_who_came_back
from dicom_node.intake.names import Names, instance_record
from dicom_node.intake.refusals import failure_of
from dicom_node.registry.registry import InstanceRecord, Registry
from dicom_node.wording import are, counted

_log = logging.getLogger(__name__)


class _Study(NamedTuple):
    center: str
    study_key: str


@dataclass(frozen=True)
class Reindexed:
    """What bringing the registry in line with the files did."""

    added: int
    missing: int
    set_aside: int


class Reindexing:
    """The registry on its way to what the files are, which are the truth.

    `compare` finds what does not agree; `go_on` indexes study by study what the registry lacks,
    while others receive. Whoever is about to look an instance up asks `catch_up_with` first, so
    that he finds what lies in the archive. One file that cannot be read or indexed keeps no other
    from being so: it is moved to the quarantine, which is an incident.

    Parameters
    ----------
    archive : Archive
        The files.
    registry : Registry
        Their index.
    names : Names
        Gives their pseudonyms.
    index : callable
        Indexes instances, and returns how many of them are.
    erased : ErasedPeople
        Of whom nothing is indexed.
    """

    def __init__(
        self,
        archive: Archive,
        registry: Registry,
        names: Names,
        index: Callable[[Sequence[InstanceRecord]], int],
        erased: ErasedPeople,
    ) -> None:
        self._archive = archive
        self._registry = registry
        self._names = names
        self._index = index
        self._erased = erased
        self._one_at_a_time = threading.Lock()
        self._studies: dict[_Study, list[str]] = {}
        self._lies_in: dict[tuple[str, str], str] = {}
        self._has_old_drawings = False
        self._added = self._missing = self._set_aside = 0

    @property
    def backlog(self) -> int:
        """How many instances lie in the archive since before this start and are not indexed."""
        return len(self._lies_in)

    @property
    def is_done(self) -> bool:
        """Whether the registry is in line with what the last `compare` found."""
        return not self._studies and not self._has_old_drawings

    @property
    def done(self) -> Reindexed:
        """What has been done so far."""
        return Reindexed(self._added, self._missing, self._set_aside)

    def compare(self) -> None:
        """Find the files that the registry does not know, and forget its entries whose files have
        gone, which is an incident. What belongs to people who were erased, and came back with a
        back-up, is removed from files and registry first.

        Raises
        ------
        RegistryUnavailableError
            If the registry does not commit.
        """
        forget_who_came_back(self._archive, self._registry, self._erased)
        known = self._registry.instances.paths()
        unknown: list[ArchivedFile] = []
        newest: dict[tuple[str, str], int] = {}
        for file in self._archive.files():
            if file.relative_path in known:
                known.discard(file.relative_path)
                continue
            unknown.append(file)
            which = (file.center, file.instance_key)
            newest[which] = max(newest.get(which, 0), file.version)
        self._forget(known)
        self._missing, self._added, self._set_aside = len(known), 0, 0
        self._studies.clear()
        self._lies_in.clear()
        for file in unknown:
            which = (file.center, file.instance_key)
            if file.version == newest[which]:  # older contents stay kept
                study = _Study(file.center, file.study_key)
                self._studies.setdefault(study, []).append(file.relative_path)
                self._lies_in[which] = file.study_key
        self._has_old_drawings = bool(self._registry.instances.without_drawings())
        if unknown and self._registry.is_new and not self._registry.studies.summaries():
            _tell_of_a_new_registry(self._registry, len(self._lies_in))

    def go_on(self, is_enough: Callable[[], bool]) -> bool:
        """Index study by study until all are or it is enough; say whether all are.

        Raises
        ------
        RegistryUnavailableError
            If the registry does not commit; what was not indexed is by the next call.
        """
        while self._studies:
            if is_enough():
                return False
            with self._one_at_a_time:
                self._study(next(iter(self._studies), None))
        if self._has_old_drawings:
            _read_drawings_again(self._archive, self._registry, self._names)
            self._has_old_drawings = False
        return True

    def catch_up_with(self, center: str, instance_key: str, study_key: str | None = None) -> None:
        """Index the study in which an instance lies since before this start, and the one that it
        comes in, unless they are.

        Raises
        ------
        RegistryUnavailableError
            If the registry does not commit.
        """
        for key in (self._lies_in.get((center, instance_key)), study_key):
            if key is not None and _Study(center, key) in self._studies:
                with self._one_at_a_time:
                    self._study(_Study(center, key))

    def _study(self, study: _Study | None) -> None:
        """Index what is left of a study; another thread may have done so."""
        paths = self._studies.get(study) if study else None
        if study is None or paths is None:
            return
        records: list[InstanceRecord] = []
        for file in map(self._archive.file_at, tuple(paths)):
            verdict = self._record_or_verdict(file)
            if isinstance(verdict, InstanceRecord):
                records.append(verdict)
                continue
            self._set_aside += verdict
            paths.remove(file.relative_path)  # should the registry not commit the others now
            self._lies_in.pop((file.center, file.instance_key), None)
        indexed = self._index(records)
        self._added += indexed
        self._set_aside += len(records) - indexed
        for record in records:
            self._lies_in.pop((record.center, record.instance_key), None)
        del self._studies[study]

    def _forget(self, paths: Collection[str]) -> None:
        if not paths:
            return
        self._registry.instances.forget(paths)
        self._registry.incidents.record(
            IncidentKind.MISSING_FILE,
            f"{counted(len(paths), 'instance')} {are(len(paths))} no longer in the archive: "
            "restore what is missing, or have it sent again.",
            None,
            "archive",
        )

    def _record_or_verdict(self, file: ArchivedFile) -> InstanceRecord | bool:
        """Return the record of an archived file, or whether something was wrong with it, which is
        recorded then; what cannot be what its path says is set aside.
        """
        failure: NodeError
        try:
            known = self._registry.instances.known(file.center, file.instance_key)
            if known is not None and (
                known.relative_path == file.relative_path
                or file.version < version_of(known.relative_path)
            ):
                return False  # it is indexed, or an older content, which stays kept
            return self._record_of(file)
        except ErasedPersonError:
            self._archive.forget(file.path)
            return False
        except ReceivedDataError as error:
            failure = error
            try:
                self._archive.set_aside(file)
            except OSError as trouble:
                _log.error("A file could not be moved to the quarantine: %s.", trouble.strerror)
        except NodeError:
            raise
        except Exception as error:  # noqa: BLE001 - one file must not keep the node from starting
            failure = failure_of(error)
        kind = failure.kind or IncidentKind.PROCESSING_FAILURE
        self._registry.incidents.record(kind, str(failure), file.center, file.study_key)
        return True

    def _record_of(self, file: ArchivedFile) -> InstanceRecord:
        received = read_archived(file)
        keys = self._names.keys(file.center, received.header.identity)
        self._erased.refuse(keys.patient, keys.study)
        if (keys.study, keys.instance) != (file.study_key, file.instance_key):
            raise IdentityMismatchError(
                "A file of the archive does not lie where its identity belongs: have the instance "
                "sent again."
            )
        known = self._registry.instances.known(file.center, keys.instance)
        if known is not None and file.version <= version_of(known.relative_path):
            raise ConflictingContentError(
                "A file of the archive has the SOP Instance UID of another: the one that is "
                "indexed stays."
            )
        return instance_record(
            file.center, keys, received, content_sha256(file.path), file.relative_path
        )


def _tell_of_a_new_registry(registry: Registry, files: int) -> None:
    """Record that the archive was here before its registry, so that a loss is not overlooked."""
    instances = counted(files, "instance")
    sentence = (
        f"The registry was empty and is made anew from {instances} of the archive: studies "
        "are decided and scored again, and their reports sent again. If it should not have been "
        "empty, stop, put it back from a back-up, and run `python -m dicom_node reindex`."
    )
    _log.warning("%s", sentence)
    registry.incidents.record(IncidentKind.REGISTRY_FAILURE, sentence, None, "registry")


def _read_drawings_again(archive: Archive, registry: Registry, names: Names) -> None:
    """Read the RTSTRUCTs again of which an earlier version did not keep what each ROI is."""
    lacking = set(registry.instances.without_drawings())
    for file in archive.files() if lacking else ():
        if file.relative_path not in lacking:
            continue
        failure: NodeError
        try:
            received = read_archived(file)
            keys = names.keys(file.center, received.header.identity)
            digest = content_sha256(file.path)
            registry.instances.renew(
                instance_record(file.center, keys, received, digest, file.relative_path)
            )
            continue
        except ReceivedDataError as error:
            failure = error
        except NodeError:
            raise
        except Exception as error:  # noqa: BLE001 - one file must not keep the node from starting
            failure = failure_of(error)
        kind = failure.kind or IncidentKind.PROCESSING_FAILURE
        registry.incidents.record(kind, str(failure), file.center, file.instance_key)


def read_archived(file: ArchivedFile) -> ReceivedInstance:
    """Read a file of the archive or of the quarantine without its pixel data.

    Raises
    ------
    ReceivedDataError
        If it is no instance.
    """
    meta, start = read_meta(file.path)
    with file.path.open("rb") as opened:
        length = max(file.path.stat().st_size - start, 0)
        return read_instance(DatasetWindow(opened.fileno(), start, length), meta.transfer_syntax)
