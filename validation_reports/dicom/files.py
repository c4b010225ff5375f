"""DICOM objects as files: written whole, durably, or not at all."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from pydicom.dataset import Dataset

from dicom_node.durable_files import write_durably
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
    content = BytesIO()
    dataset.save_as(content, enforce_file_format=True)
    try:
        # It names the patient: nobody but this user reads it.
        write_durably(path, content.getvalue(), mode=0o600)
    except OSError as error:
        raise StructuredReportError(
            f"The structured report cannot be written: {error.strerror}; check the folder's space "
            "and permissions."
        ) from error
