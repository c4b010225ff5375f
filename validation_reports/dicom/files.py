"""DICOM objects as files: written whole, durably, or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from pydicom.dataset import Dataset

from validation_reports.errors import StructuredReportError


def write_dicom(dataset: Dataset, path: Path) -> None:
    """Write a report so that it is either there in full or not at all, whatever happens to the
    machine.

    Parameters
    ----------
    dataset : Dataset
        From `build_structured_report`.
    path : Path
        The file; its folder is made when it is missing, a file that is there is replaced.

    Raises
    ------
    StructuredReportError
        If the file system does not take the file.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".report-", delete=False) as file:
            temporary = Path(file.name)
            try:
                dataset.save_as(file, enforce_file_format=True)
                file.flush()
                os.fsync(file.fileno())
                temporary.replace(path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise StructuredReportError(
            f"the structured report cannot be written: {error.strerror}; check the folder's space "
            "and permissions"
        ) from error
