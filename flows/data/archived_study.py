"""The files of a study in the archive, read as they were received."""

from __future__ import annotations

from dicom_node.registry.registry import StudyFiles
from feature_store.imaging.reading import StudyReading, read_study


def read_archived(files: StudyFiles) -> StudyReading:
    """Read the files of a study in the archive, each once and as it was received.

    Raises
    ------
    StudyDefect
        If a file changed on disk, or cannot be read.
    """
    return read_study(
        [instance.path for instance in files.ct],
        files.rtstruct.path,
        {one.path: one.content_sha256 for one in (files.rtstruct, *files.ct)},
    )
