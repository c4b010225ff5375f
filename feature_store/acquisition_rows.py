"""How a study's CT was acquired, as the feature store keeps it: scanner, protocol, and the month.

The month is all that is kept of the date. With the day, the date of a scan and the centre name single out a patient to
whoever knows of the visit; without it, months of the same centre are shared, and a drift over years still shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from feature_store.imaging.ct_headers import Acquisition


@dataclass(frozen=True)
class AcquisitionRecord:
    """What is kept of one acquisition; what the headers do not say is `None`.

    Parameters
    ----------
    month : str or None
        ``YYYY-MM``.
    manufacturer, model_name, convolution_kernel : str or None
        Of the scanner (0008,0070), (0008,1090) and the reconstruction (0018,1210).
    kvp, slice_thickness_mm : float or None
        In kV (0018,0060) and mm (0018,0050).
    """

    month: str | None
    manufacturer: str | None
    model_name: str | None
    convolution_kernel: str | None
    kvp: float | None
    slice_thickness_mm: float | None


def acquisition_record(acquisition: Acquisition) -> AcquisitionRecord:
    """Return what is kept of an acquisition."""
    return AcquisitionRecord(
        acquisition.month,
        acquisition.manufacturer,
        acquisition.model_name,
        acquisition.convolution_kernel,
        acquisition.kvp,
        acquisition.slice_thickness_mm,
    )


ACQUISITION_COLUMNS = tuple(AcquisitionRecord.__dataclass_fields__)


def acquisition_table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return rows of the store as a table with the index ``patient_key``.

    Parameters
    ----------
    rows : sequence of mapping
        One for each patient.
    """
    index = pd.Index([row["patient_key"] for row in rows], name="patient_key", dtype="object")
    values = [[row[name] for name in ACQUISITION_COLUMNS] for row in rows]
    return pd.DataFrame(values, index=index, columns=list(ACQUISITION_COLUMNS), dtype="object")


def row_of_acquisition(record: AcquisitionRecord) -> dict[str, Any]:
    """Return a record as columns of the store."""
    return asdict(record)
