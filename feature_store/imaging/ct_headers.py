"""The facts of a CT series that can be known without its pixels: positions, orientation, spacing,
acquisition.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.uid import CTImageStorage

from feature_store.errors import CtGeometryError, UnreadableInstance
from feature_store.imaging.ct_extent import CtExtent
from feature_store.wording import counted

_T = TypeVar("_T")
_GREY = ("MONOCHROME1", "MONOCHROME2")
_ACQUISITION_TAGS = (
    "KVP",
    "SliceThickness",
    "Manufacturer",
    "ManufacturerModelName",
    "ConvolutionKernel",
    "StudyDate",
)
_HOUNSFIELD = frozenset(
    {"HU", "HOUNSFIELD", "HOUNSFIELDUNIT", "HOUNSFIELDUNITS", "HUHOUNSFIELDUNITS"}
)
_DATE = re.compile(r"((?:19|20)\d\d)(0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
UNSPECIFIED = "US"
"""Rescale Type of values whose unit is not told (PS3.3 C.11.1.1.2)."""
UNREADABLE = (
    BytesLengthException,
    InvalidDicomError,
    EOFError,
    OverflowError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    NotImplementedError,
)
"""What pydicom raises, at reading or at first access of a value, when the bytes are not what they
say.
"""


@dataclass(frozen=True)
class Acquisition:
    """How the first slice was acquired; a tag that is absent or empty is `None`.

    Parameters
    ----------
    kvp : float or None
        Peak kilovoltage in kV (0018,0060).
    slice_thickness_mm : float or None
        Nominal slice thickness in mm (0018,0050); not the distance between slices.
    manufacturer, model_name, convolution_kernel : str or None
        (0008,0070), (0008,1090), (0018,1210).
    rows, columns : int
        Size of the slice in pixels.
    month : str or None
        ``YYYY-MM`` of the acquisition (0008,0022), else of the study (0008,0020).
    missing_tags : tuple of str
        Keywords of those tags above that are absent or empty.
    """

    kvp: float | None
    slice_thickness_mm: float | None
    manufacturer: str | None
    model_name: str | None
    convolution_kernel: str | None
    rows: int
    columns: int
    missing_tags: tuple[str, ...]
    month: str | None = None


@dataclass(frozen=True)
class SliceHeader:
    """One CT slice without its pixels (PS3.3 C.7.6.2 Image Plane, C.8.2.1 CT Image).

    Parameters
    ----------
    number : int
        Which of the files that were read it is, counted from 0.
    sop_instance_uid, series_instance_uid, study_instance_uid : str
        Its identity.
    frame_of_reference_uid : str or None
        Frame of Reference (0020,0052).
    position_mm : tuple of 3 float
        Centre of the first voxel, (x, y, z) in mm.
    orientation : tuple of 6 float
        Direction cosines along a row, then along a column.
    pixel_spacing_mm : tuple of 2 float
        Distance of rows, then of columns, in mm.
    rows, columns : int
        Size in pixels.
    rescale_slope, rescale_intercept : float or None
        From stored values to HU.
    rescale_type : str or None
        Unit of the rescaled values (0028,1054), ``HU`` however it is spelt out; `None` stands for
        HU (PS3.3 C.8.2.1.1.2).
    acquisition : Acquisition
        How it was acquired.
    bits_allocated, bits_stored, high_bit : int or None
        Of a pixel (0028,0100), (0028,0101), (0028,0102).
    image_type : str
        Image Type (0008,0008), its values joined by backslashes; empty when it is absent.
    photometric : str
        Photometric Interpretation (0028,0004); empty when it is absent.
    samples : int or None
        Samples per Pixel (0028,0002).
    lossy : bool
        Whether the pixels were compressed with loss at some time (0028,2110), or name a ratio or
        method of such a compression (0028,2112), (0028,2114) and do not say that they were not.
    gantry_tilt_deg : float or None
        Nominal tilt of the gantry (0018,1120).
    contrast : str or None
        Contrast/Bolus Agent (0018,0010).
    acquired_in : tuple of 2 str
        Acquisition Number (0020,0012) and Temporal Position Identifier (0020,0100), each empty
        where it is absent.
    undescribed : tuple of str
        Keywords of what pixels cannot be read without, and that is absent or impossible (PS3.3
        C.7.6.3.1).
    """

    number: int
    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str
    frame_of_reference_uid: str | None
    position_mm: tuple[float, ...]
    orientation: tuple[float, ...]
    pixel_spacing_mm: tuple[float, ...]
    rows: int
    columns: int
    rescale_slope: float | None
    rescale_intercept: float | None
    rescale_type: str | None
    acquisition: Acquisition
    bits_allocated: int | None = 16
    bits_stored: int | None = 16
    image_type: str = ""
    high_bit: int | None = None
    photometric: str = ""
    samples: int | None = None
    lossy: bool = False
    gantry_tilt_deg: float | None = None
    contrast: str | None = None
    acquired_in: tuple[str, str] = ("", "")
    undescribed: tuple[str, ...] = ()

    @property
    def odd_pixels(self) -> str | None:
        """What is not as CT Image Storage has its pixels (PS3.3 C.8.2.1.1), in words."""
        if self.undescribed:
            return f"without a usable {' and '.join(self.undescribed)}"
        if self.samples not in (None, 1) or self.photometric not in ("", *_GREY):
            return f"{self.photometric or 'pixels'} of {counted(self.samples or 1, 'sample')}"
        allocated = self.bits_allocated or 16
        stored = allocated if self.bits_stored is None else self.bits_stored
        high = stored - 1 if self.high_bit is None else self.high_bit
        if 1 <= stored <= allocated and high == stored - 1:
            return None
        return f"{stored} of {allocated} bits, the highest of them bit {high}"


@dataclass(frozen=True)
class CtHeaders:
    """The slices of one CT, ordered along their normal; nothing is promised about their regularity.

    Parameters
    ----------
    slices : tuple of SliceHeader
        In ascending position along the normal of the first slice given.

    Raises
    ------
    CtGeometryError
        If there is no slice.
    """

    slices: tuple[SliceHeader, ...]

    def __post_init__(self) -> None:
        if not self.slices:
            raise CtGeometryError(
                "no-ct", "The study has no CT slice; expected at least 2. Send the CT series."
            )
        along = [float(np.dot(header.position_mm, self.normal)) for header in self.slices]
        order = sorted(
            range(len(along)), key=lambda index: (along[index], self.slices[index].sop_instance_uid)
        )
        object.__setattr__(self, "slices", tuple(self.slices[index] for index in order))

    @property
    def normal(self) -> npt.NDArray[np.float64]:
        """Unit normal of the first slice, shape (3,): row direction x column direction."""
        orientation = np.asarray(self.slices[0].orientation)
        normal = np.cross(orientation[:3], orientation[3:])
        return np.asarray(normal / np.linalg.norm(normal), dtype=np.float64)

    @property
    def positions_mm(self) -> npt.NDArray[np.float64]:
        """Centres of the slices' first voxels, shape (n, 3), (x, y, z) in mm."""
        return np.array([header.position_mm for header in self.slices], dtype=np.float64)

    @property
    def slice_positions_mm(self) -> npt.NDArray[np.float64]:
        """Positions along the normal, shape (n,), ascending, in mm."""
        return np.asarray(self.positions_mm @ self.normal, dtype=np.float64)

    @property
    def slice_gaps_mm(self) -> npt.NDArray[np.float64]:
        """Distances between neighbouring slices along the normal, shape (n - 1,), in mm."""
        return np.diff(self.slice_positions_mm)

    @property
    def acquisition(self) -> Acquisition:
        """How the first slice was acquired."""
        return self.slices[0].acquisition

    @property
    def extent(self) -> CtExtent:
        """Where the slices lie, taken as evenly spaced between the outermost two."""
        first, n = self.slices[0], len(self.slices)
        row, column = np.asarray(first.orientation).reshape(2, 3)
        between = np.ptp(self.slice_positions_mm) / max(1, n - 1)
        return CtExtent(
            frozenset(header.frame_of_reference_uid for header in self.slices),
            np.asarray(first.position_mm),
            np.column_stack([row, column, self.normal]),
            np.array([first.pixel_spacing_mm[1], first.pixel_spacing_mm[0], between]),
            np.array([first.columns, first.rows, n]),
        )


def slice_header(dataset: Dataset, number: int, which: str) -> SliceHeader:
    """Take from a CT instance what is known without its pixels.

    Parameters
    ----------
    dataset : Dataset
        The instance; its pixels are not looked at.
    number : int
        Which of the files it is, counted from 0.
    which : str
        The same in words, for the sentence of an error.

    Raises
    ------
    UnreadableInstance
        If it is not CT Image Storage, or has no usable position, orientation, spacing or size.
    """
    sop_class, modality = dataset.get("SOPClassUID"), dataset.get("Modality", "CT")
    if sop_class != CTImageStorage or modality != "CT":
        name = getattr(sop_class, "name", "no SOP class")
        raise UnreadableInstance(
            "not-ct",
            f"{which} is not a CT: expected CT Image Storage with modality CT, found {name} with "
            f"{modality!r}. Send the planning CT alone.",
        )
    try:
        header = _header(dataset, number)
    except UNREADABLE as error:
        lacking = [keyword for keyword in _NEEDED if not _is_usable(dataset, keyword)]
        raise UnreadableInstance(
            "ct-header",
            f"{which} lacks a usable {' and '.join(lacking) or 'header'}, expected UIDs, size and "
            "Image Plane as numbers of the standard (PS3.3 C.7.6.2, PS3.5 section 6.2: decimals "
            "with a point). Send it as the scanner made it.",
        ) from error
    numbers = np.array([*header.position_mm, *header.orientation, *header.pixel_spacing_mm])
    normal = np.cross(header.orientation[:3], header.orientation[3:])
    if (
        not np.isfinite(numbers).all()
        or min(*header.pixel_spacing_mm, header.rows, header.columns) <= 0
        or np.linalg.norm(normal) < 0.5
    ):
        raise UnreadableInstance(
            "impossible-geometry",
            f"{which} has an impossible geometry: position {header.position_mm} mm, orientation "
            f"{header.orientation}, pixel spacing {header.pixel_spacing_mm} mm. Send it as the "
            "scanner made it.",
        )
    return header


_NEEDED: Mapping[str, int | None] = {
    "SOPInstanceUID": None,
    "SeriesInstanceUID": None,
    "StudyInstanceUID": None,
    "Rows": 1,
    "Columns": 1,
    "ImagePositionPatient": 3,
    "ImageOrientationPatient": 6,
    "PixelSpacing": 2,
}
"""What every slice must have, and how many numbers that is; `None` for a UID."""


def _is_usable(dataset: Dataset, keyword: str) -> bool:
    count = _NEEDED[keyword]
    try:
        value = dataset[keyword].value
        if count is None:
            return bool(value)
        return len([float(one) for one in ([value] if count == 1 else value)]) == count
    except UNREADABLE:
        return False


def _header(dataset: Dataset, number: int) -> SliceHeader:
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    frame = _optional(dataset, "FrameOfReferenceUID", str)
    return SliceHeader(
        number=number,
        sop_instance_uid=str(dataset.SOPInstanceUID),
        series_instance_uid=str(dataset.SeriesInstanceUID),
        study_instance_uid=str(dataset.StudyInstanceUID),
        frame_of_reference_uid=frame,
        position_mm=_numbers(dataset, "ImagePositionPatient", 3),
        orientation=_numbers(dataset, "ImageOrientationPatient", 6),
        pixel_spacing_mm=_numbers(dataset, "PixelSpacing", 2),
        rows=rows,
        columns=columns,
        rescale_slope=_optional(dataset, "RescaleSlope", _finite),
        rescale_intercept=_optional(dataset, "RescaleIntercept", _finite),
        rescale_type=_optional(dataset, "RescaleType", _rescale_type),
        acquisition=Acquisition(
            kvp=_optional(dataset, "KVP", _finite),
            slice_thickness_mm=_optional(dataset, "SliceThickness", _finite),
            manufacturer=_optional(dataset, "Manufacturer", _joined),
            model_name=_optional(dataset, "ManufacturerModelName", _joined),
            convolution_kernel=_optional(dataset, "ConvolutionKernel", _joined),
            rows=rows,
            columns=columns,
            missing_tags=tuple(
                tag for tag in _ACQUISITION_TAGS if _optional(dataset, tag, _joined) is None
            ),
            month=_optional(dataset, "AcquisitionDate", _month)
            or _optional(dataset, "StudyDate", _month),
        ),
        bits_allocated=_optional(dataset, "BitsAllocated", int),
        bits_stored=_optional(dataset, "BitsStored", int),
        image_type=(_optional(dataset, "ImageType", _joined) or "").upper(),
        high_bit=_optional(dataset, "HighBit", int),
        photometric=_optional(dataset, "PhotometricInterpretation", _unit) or "",
        samples=_optional(dataset, "SamplesPerPixel", int),
        lossy=_is_lossy(dataset),
        gantry_tilt_deg=_optional(dataset, "GantryDetectorTilt", _finite),
        contrast=_optional(dataset, "ContrastBolusAgent", _joined),
        acquired_in=(
            _optional(dataset, "AcquisitionNumber", _joined) or "",
            _optional(dataset, "TemporalPositionIdentifier", _joined) or "",
        ),
        undescribed=tuple(
            keyword
            for keyword, kind in _PIXEL_DESCRIPTION.items()
            if _optional(dataset, keyword, kind) is None
        ),
    )


def _is_lossy(dataset: Dataset) -> bool:
    said = _optional(dataset, "LossyImageCompression", _unit)
    if said is not None:
        return said in {"01", "1"}
    ratio = _optional(dataset, "LossyImageCompressionRatio", _joined)
    return (
        any(float(one) > 1 for one in ratio.split("\\") if one.replace(".", "", 1).isdecimal())
        if ratio
        else _optional(dataset, "LossyImageCompressionMethod", _joined) is not None
    )


def _numbers(dataset: Dataset, keyword: str, count: int) -> tuple[float, ...]:
    values = tuple(float(value) for value in dataset[keyword].value)
    if len(values) != count:
        raise ValueError(f"{keyword} has {counted(len(values), 'value')}, expected {count}.")
    return values


def _joined(value: Any) -> str:
    return (
        value
        if isinstance(value, str)
        else "\\".join(map(str, value))
        if hasattr(value, "__iter__")
        else str(value)
    )


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{number} is not a measurement.")
    return number


def _unit(value: Any) -> str:
    return str(value).strip().upper()


def _rescale_type(value: Any) -> str:
    """Return a unit, Hounsfield's as ``HU`` where it is spelt out, in brackets or there twice."""
    written = _joined(value).upper()
    said = {"".join(filter(str.isalnum, one)) for one in written.split("\\")}
    return "HU" if said <= _HOUNSFIELD else written.strip()


def _is_signed(value: Any) -> bool:
    """Return what Pixel Representation (0028,0103) says."""
    if value not in (0, 1):
        raise ValueError(f"{value} is no Pixel Representation.")
    return bool(value)


def _month(value: Any) -> str:
    found = _DATE.fullmatch(str(value).strip())
    if found is None:
        raise ValueError("No date (PS3.5 section 6.2, DA).")
    return f"{found[1]}-{found[2]}"


_PIXEL_DESCRIPTION: Mapping[str, Callable[[Any], object]] = {
    "SamplesPerPixel": int,
    "PhotometricInterpretation": _unit,
    "BitsAllocated": int,
    "BitsStored": int,
    "PixelRepresentation": _is_signed,
}


def _optional(dataset: Dataset, keyword: str, kind: Callable[[Any], _T]) -> _T | None:
    try:
        value = dataset.get(keyword)
        return None if value is None or _joined(value).strip() == "" else kind(value)
    except UNREADABLE:  # an unusable value says as little as an absent one
        return None
