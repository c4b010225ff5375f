"""The registry follows the files: what a start or `reindex` does before anything is received."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

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


@dataclass(frozen=True)
class Reindexed:
    """What bringing the registry in line with the files did."""

    added: int
    missing: int
    set_aside: int


def reindex(
    archive: Archive,
    registry: Registry,
    names: Names,
    index: Callable[[Sequence[InstanceRecord]], int],
    erased: ErasedPeople,
) -> Reindexed:
    """Bring the registry in line with the files, which are the truth.

    Files that the registry does not know are indexed, entries whose files have gone are forgotten,
    and files that cannot be instances are moved to the quarantine; the last two are incidents. One
    file that cannot be read or indexed keeps no other from being so. What belongs to people who
    were erased, and came back with a back-up, is removed from files and registry first.

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

    Returns
    -------
    Reindexed
        How many of each.

    Raises
    ------
    RegistryUnavailableError
        If the registry does not commit.
    """
    forget_who_came_back(archive, registry, erased)
    known = registry.instances.paths()
    was_empty = registry.is_new and not registry.studies.summaries()
    unknown: list[ArchivedFile] = []
    for file in archive.files():
        if file.relative_path in known:
            known.discard(file.relative_path)
        else:
            unknown.append(file)
    if known:
        registry.instances.forget(known)
        registry.incidents.record(
            IncidentKind.MISSING_FILE,
            f"{counted(len(known), 'instance')} {are(len(known))} no longer in the archive: "
            "restore what is missing, or have it sent again.",
            None,
            "archive",
        )
    added = 0
    set_aside = 0
    # Older contents stay kept; they may lie in another study.
    by_version = sorted(unknown, key=lambda file: file.version)
    newest = {(file.center, file.instance_key): file.version for file in by_version}
    wanted = [one for one in unknown if one.version == newest[one.center, one.instance_key]]
    for _, files in groupby(wanted, key=lambda file: (file.center, file.study_key)):
        records: list[InstanceRecord] = []
        for file in files:
            verdict = _record_or_verdict(archive, registry, names, file, erased)
            if isinstance(verdict, InstanceRecord):
                records.append(verdict)
            else:
                set_aside += verdict
        indexed = index(records)
        added += indexed
        set_aside += len(records) - indexed
    if was_empty and added:
        _tell_of_a_new_registry(registry, added)
    _read_drawings_again(archive, registry, names)
    return Reindexed(added, len(known), set_aside)


def _tell_of_a_new_registry(registry: Registry, added: int) -> None:
    """Record that the archive was here before its registry, so that a loss is not overlooked."""
    instances = counted(added, "instance")
    sentence = (
        f"The registry was empty and has been made anew from {instances} of the archive: studies "
        "are decided and scored again, and their reports sent again. If it should not have been "
        "empty, stop, put it back from a back-up, and run `python -m dicom_node reindex`."
    )
    _log.warning("%s", sentence)
    registry.incidents.record(IncidentKind.REGISTRY_FAILURE, sentence, None, "registry")


def _record_or_verdict(
    archive: Archive,
    registry: Registry,
    names: Names,
    file: ArchivedFile,
    erased: ErasedPeople,
) -> InstanceRecord | bool:
    """Return the record of an archived file, or whether something was wrong with it, which is
    recorded then; what cannot be what its path says is set aside.
    """
    failure: NodeError
    try:
        known = registry.instances.known(file.center, file.instance_key)
        if known is not None and file.version < version_of(known.relative_path):
            return False  # an older content, which stays kept
        return _record_of(registry, names, file, erased)
    except ErasedPersonError:
        archive.forget(file.path)
        return False
    except ReceivedDataError as error:
        failure = error
        try:
            archive.set_aside(file)
        except OSError as trouble:
            _log.error("A file could not be moved to the quarantine: %s.", trouble.strerror)
    except NodeError:
        raise
    except Exception as error:  # noqa: BLE001 - one file must not keep the node from starting
        failure = failure_of(error)
    kind = failure.kind or IncidentKind.PROCESSING_FAILURE
    registry.incidents.record(kind, str(failure), file.center, file.study_key)
    return True


def _record_of(
    registry: Registry, names: Names, file: ArchivedFile, erased: ErasedPeople
) -> InstanceRecord:
    received = read_archived(file)
    keys = names.keys(file.center, received.header.identity)
    erased.refuse(keys.patient, keys.study)
    if (keys.study, keys.instance) != (file.study_key, file.instance_key):
        raise IdentityMismatchError(
            "A file of the archive does not lie where its identity belongs: have the instance "
            "sent again."
        )
    known = registry.instances.known(file.center, keys.instance)
    if known is not None and file.version <= version_of(known.relative_path):
        raise ConflictingContentError(
            "A file of the archive has the SOP Instance UID of another: the one that is indexed "
            "stays."
        )
    return instance_record(
        file.center, keys, received, content_sha256(file.path), file.relative_path
    )


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
