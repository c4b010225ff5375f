"""Studies of the archive as files without identity, in a folder outside it."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset

from dicom_node.archive.part10 import FileMeta
from dicom_node.audit import AuditEvent, record
from dicom_node.datasets.sop_classes import CT_IMAGE_STORAGE, RT_STRUCTURE_SET_STORAGE
from dicom_node.errors import ArchiveError, NodeError, UnreadableDatasetError, where_raised
from dicom_node.export.burned_in import check_pixels
from dicom_node.export.deidentify import deidentified
from dicom_node.export.replacements import Replacements
from dicom_node.network.commitment_messages import encode_dataset
from dicom_node.registry.registry import InstanceFile, Registry, StudyState

_FOLDER_MODE, _FILE_MODE = 0o700, 0o600
_NEVER_COMPLETE = frozenset((StudyState.RECEIVING, StudyState.INCOMPLETE, StudyState.JOINED))


@dataclass(frozen=True)
class Exporter:
    """Writes studies without identity: ``FOLDER/CENTER/PATIENT/STUDY/UID.dcm``, the same bytes each
    time.

    Parameters
    ----------
    registry : Registry
        Where the studies are found; they stay as they are.
    key : bytes
        The pseudonym key.
    folder : Path
        Where the files go.
    keep_structures : collection of str
        Names of structures that stay although they are no plain ones.
    trust_derived : bool
        Whether derived images that do not say so are known to have no text burned in.
    """

    registry: Registry
    key: bytes
    folder: Path
    keep_structures: Collection[str] = field(default_factory=tuple)
    trust_derived: bool = False

    def export(self, study_key: str) -> Path:
        """Write the newest complete content of a study, and return its folder.

        Every instance is checked before the first is written.

        Parameters
        ----------
        study_key : str
            The study's pseudonym.

        Raises
        ------
        UnknownStudyError
            If there is no such study, or it has never been complete.
        IdentifiablePixelsError
            If its pixels may show who the patient is; nothing is written.
        UnreadableDatasetError
            If a file cannot be read.
        ArchiveError
            If a file cannot be written.
        """
        files = self.registry.outbox.files(study_key)
        instances = (files.rtstruct, *files.ct)
        for one in instances:
            check_pixels(_read(one, with_pixels=False), trust_derived=self.trust_derived)
        replacements = Replacements(self.key, files.center, files.patient_key)
        target = self.folder / files.center / files.patient_key / study_key
        try:
            # Pseudonymous is not anonymous: research data is for whoever exported it.
            for folder in (target.parent.parent, target.parent, target):
                folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
            for one in instances:
                self._write(target, _read(one), replacements)
        except OSError as error:
            raise ArchiveError(
                f"The export cannot be written ({error.strerror}): check its disk."
            ) from error
        record(
            AuditEvent.STUDY_EXPORTED,
            center=files.center,
            study=study_key,
            instances=len(instances),
        )
        return target

    def _write(self, target: Path, original: Dataset, replacements: Replacements) -> None:
        try:
            result = deidentified(original, replacements, self.keep_structures)
        except Exception as error:
            raise UnreadableDatasetError(
                f"A file of the archive holds a value that cannot be read ({where_raised(error)}): "
                "the study is not exported."
            ) from error
        if result.SOPClassUID not in {CT_IMAGE_STORAGE, RT_STRUCTURE_SET_STORAGE}:
            raise UnreadableDatasetError(
                "A study holds an instance that is neither CT nor RTSTRUCT: the study is not "
                "exported."
            )
        syntax = str(original.file_meta.TransferSyntaxUID)
        meta = FileMeta(str(result.SOPClassUID), str(result.SOPInstanceUID), syntax)
        path = target / f"{result.SOPInstanceUID}.dcm"
        part = path.with_suffix(".part")
        part.unlink(missing_ok=True)
        with open(  # noqa: PTH123 - takes the descriptor that was opened with the mode
            os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _FILE_MODE), "wb"
        ) as file:
            file.write(meta.header() + encode_dataset(result, syntax))
        # A file that is there is either the whole one or not there
        os.replace(part, path)  # noqa: PTH105


def export_studies(
    exporter: Exporter, study_keys: Collection[str] = (), center: str | None = None
) -> tuple[list[Path], list[str]]:
    """Export studies one by one; one that cannot be exported stops no other.

    Parameters
    ----------
    exporter : Exporter
        What writes them.
    study_keys : collection of str
        The studies, by their own pseudonyms or by those of patients of whom there is one; none for
        all that have been complete.
    center : str, optional
        Only those of this centre.

    Returns
    -------
    tuple of list of Path and list of str
        The folders of those that were written, and a sentence for each of the others.
    """
    chosen = list(study_keys) or [
        one.study_key
        for one in exporter.registry.studies.summaries(center)
        if one.state not in _NEVER_COMPLETE
    ]
    done, refused = [], []
    for name in chosen:
        try:
            study_key = exporter.registry.studies.named(name).study_key
            if center is None or exporter.registry.outbox.files(study_key).center == center:
                done.append(exporter.export(study_key))
        except NodeError as error:
            refused.append(f"{name}: {error}")
    return done, refused


def _read(file: InstanceFile, *, with_pixels: bool = True) -> Dataset:
    try:
        dataset = dcmread(file.path, stop_before_pixels=not with_pixels)
        dataset.decode()
    except (
        Exception
    ) as error:  # pydicom raises whatever the bytes provoke; the verdict is ours and is raised
        raise UnreadableDatasetError(
            "A file of the archive cannot be read to its end: `python -m dicom_node reindex` says "
            "which."
        ) from error
    return dataset
