"""An operator's way out for corrected data: newer contents that were refused take the place of the
first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dicom_node.archive.archive import Archive, ArchivedFile
from dicom_node.archive.part10 import content_sha256
from dicom_node.datasets.instance_versions import version_of
from dicom_node.errors import ReceivedDataError, StudyStateError
from dicom_node.intake.names import Names, instance_record
from dicom_node.intake.reindexing import read_archived
from dicom_node.registry.registry import InstanceRecord, Registry
from dicom_node.wording import counted

LONGEST_REASON = 300
LONGEST_NAME = 64


@dataclass(frozen=True)
class Accepted:
    """What an operator has accepted.

    Parameters
    ----------
    study_key, center : str
        The study.
    instances : int
        How many of its instances have a newer content.
    """

    study_key: str
    center: str
    instances: int


def accept_newer(
    archive: Archive,
    registry: Registry,
    names: Names,
    study_key: str,
    by: str,
    reason: str,
    instance_key: str | None = None,
) -> Accepted:
    """Let the newest refused content of each instance of a study, or of one of them, take the place
    of the first.

    The older bytes stay kept, so that commitments hold. The study is decided after its quiet
    period, with a new content if it is complete; so is another study that instances were in before,
    or are in now.

    Parameters
    ----------
    archive : Archive
        Its quarantine holds what was refused.
    registry : Registry
        Where it is indexed, and recorded who accepted it.
    names : Names
        Gives pseudonyms.
    study_key : str
        The study's pseudonym.
    by, reason : str
        Who decides, and why; no patient's data.
    instance_key : str, optional
        The only instance that is accepted, by its pseudonym, with which its file in the quarantine
        begins.

    Raises
    ------
    StudyStateError
        If there is no such study, nothing of it was refused that is newer, or name or reason is
        empty or too long.
    ArchiveError
        If a file cannot be written.
    """
    who, why = (" ".join(text.split()) for text in (by, reason))
    for what, text, longest in (("name", who, LONGEST_NAME), ("reason", why, LONGEST_REASON)):
        if not 0 < len(text) <= longest:
            raise StudyStateError(
                f"The {what} of an acceptance has {counted(len(text), 'character')}: expected 1 to "
                f"{longest}, no patient's data."
            )
    study = next((one for one in registry.studies.summaries() if one.study_key == study_key), None)
    refused = _refused(archive, registry, study.center, study_key) if study else []
    wanted = [one for one in refused if instance_key in {None, one.instance_key}]
    newer = _newer(archive, registry, names, wanted)
    if study is None or not newer:
        what = f"study {study_key}" + (f", instance {instance_key}," if instance_key else "")
        raise StudyStateError(
            f"Nothing newer of {what} is in the quarantine: expected instances that "
            "were refused because they were here with other content (C002)."
        )
    registry.instances.add(newer, who, why)
    return Accepted(study_key, study.center, len(newer))


def _refused(
    archive: Archive, registry: Registry, center: str, study_key: str
) -> list[ArchivedFile]:
    """Return the newest refused file of each instance that is in a study, or came in it."""
    # The oldest first, so that of several contents of one instance the newest stays.
    newest = {one.instance_key: one for one in archive.refused(center)}
    found: list[ArchivedFile] = []
    for file in newest.values():
        known = registry.instances.known(center, file.instance_key)
        if known is not None and study_key in {known.study_key, file.study_key}:
            found.append(file)
    return found


def _newer(
    archive: Archive, registry: Registry, names: Names, refused: Sequence[ArchivedFile]
) -> list[InstanceRecord]:
    """Return the records of what is newer than what is indexed, kept in the archive already."""
    found: list[InstanceRecord] = []
    for file in refused:
        known = registry.instances.known(file.center, file.instance_key)
        try:
            received = read_archived(file)
            keys = names.keys(file.center, received.header.identity)
            digest = content_sha256(file.path)
        except ReceivedDataError:
            continue  # it was refused because it is damaged
        if (keys.study, keys.instance) != (file.study_key, file.instance_key):
            continue
        if known is None or digest == known.content_sha256:
            continue
        version = version_of(known.relative_path)
        path = archive.accept(file, version + 1)
        if version_of(path) > version:
            found.append(instance_record(file.center, keys, received, digest, path))
    return found
