"""CT slices and RTSTRUCTs as the registry holds them, for what is decided on them."""

from __future__ import annotations

from collections.abc import Sequence

from dicom_node.datasets.instance import Plane
from dicom_node.datasets.manifest import DrawnContours, ListedSeries, Manifest, Point, Roi
from dicom_node.registry.ct_choice import CtInstance
from dicom_node.registry.decisions import RtstructInstance

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
FRAME = "1.9"
NEWEST = ("20240101", "", "", "")


def slices(
    series: str,
    count: int = 12,
    *,
    frame: str | None = FRAME,
    z0: float = 0.0,
    is_localizer: bool = False,
) -> tuple[CtInstance, ...]:
    """Return axial slices of 8 x 10 pixels of 2 mm, 3 mm apart from `z0` on."""
    return tuple(
        CtInstance(
            sop_instance_uid=f"{series}.{index:02d}",
            series_instance_uid=series,
            frame_of_reference_uid=frame,
            patient_key="p",
            content_sha256=f"{series}-{index}",
            plane=Plane((0.0, 0.0, z0 + 3.0 * index), AXIAL, (2.0, 2.0), 8, 10),
            is_localizer=is_localizer,
        )
        for index in range(count)
    )


def uids(ct: Sequence[CtInstance]) -> tuple[str, ...]:
    """Return the SOP Instance UIDs of slices."""
    return tuple(one.sop_instance_uid for one in ct)


def roi(
    name: str = "GTV-1",
    z: Sequence[float] = (15.0, 18.0),
    *,
    number: int = 1,
    frame: str | None = FRAME,
    images: Sequence[str] = (),
) -> Roi:
    """Return a ROI with a contour of 2 mm in x and y at each `z`."""
    bounds = (4.0, 6.0, 4.0, 6.0, min(z), max(z)) if z else None
    planes: tuple[Point, ...] = tuple((0.0, 0.0, depth) for depth in z)
    drawn = DrawnContours(len(z), 0, bounds, planes, tuple(sorted(images)))
    return Roi(number, name, frame, drawn)


def listed(
    images: Sequence[str], series: str | None = None, frame: str | None = FRAME
) -> ListedSeries:
    """Return a series that an RTSTRUCT lists."""
    return ListedSeries(series, frame, tuple(sorted(images)))


def manifest(
    *series: ListedSeries,
    rois: Sequence[Roi] = (roi(),),
    frames: Sequence[str] = (FRAME,),
    made_at: tuple[str, str, str, str] = NEWEST,
    approval: str = "",
    other_classes: Sequence[str] = (),
) -> Manifest:
    """Return what an RTSTRUCT says."""
    return Manifest(tuple(rois), series, tuple(frames), made_at, tuple(other_classes), approval)


def rtstruct(said: Manifest, uid: str = "1.7") -> RtstructInstance:
    """Return an RTSTRUCT of the same patient."""
    return RtstructInstance(uid, "p", f"content {uid}", said, "s")
