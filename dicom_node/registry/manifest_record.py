"""A manifest as the registry keeps it: text in which instances are numbers of a sorted list that
lies beside it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from dicom_node.datasets.manifest import DrawnContours, ListedSeries, Manifest, Roi


def manifest_text(manifest: Manifest) -> str:
    """Return a manifest as text, without `made_at`, which has a column of its own.

    Parameters
    ----------
    manifest : Manifest
        Its `referenced_sop_instance_uids`, sorted, are kept beside the text.
    """
    number = {uid: at for at, uid in enumerate(manifest.referenced_sop_instance_uids)}

    def fields(record: DrawnContours | ListedSeries | Roi) -> dict[str, Any]:
        # not `asdict`, which would copy every plane and every instance before they become text
        return {field: getattr(record, field) for field in record.__dataclass_fields__}

    def numbered(record: DrawnContours | ListedSeries) -> dict[str, Any]:
        return {
            **fields(record),
            "sop_instance_uids": [number[u] for u in record.sop_instance_uids],
        }

    return json.dumps(
        {
            "rois": [{**fields(roi), "drawn": numbered(roi.drawn)} for roi in manifest.rois],
            "series": [numbered(one) for one in manifest.series],
            "frames": manifest.frame_of_reference_uids,
            "other_classes": manifest.other_classes,
            "approval": manifest.approval,
        },
        separators=(",", ":"),
    )


def manifest_of(
    text: str, referenced: Sequence[str], made_at: tuple[str, str, str, str]
) -> Manifest:
    """Return the manifest of a text.

    Parameters
    ----------
    text : str
        What `manifest_text` made.
    referenced : sequence of str
        The instances, sorted.
    made_at : tuple of str
        When the RTSTRUCT was made.
    """
    kept = json.loads(text)

    def named(numbers: Sequence[int]) -> tuple[str, ...]:
        return tuple(referenced[number] for number in numbers)

    def drawn(one: dict[str, Any]) -> DrawnContours:
        return DrawnContours(
            contours=one["contours"],
            malformed=one["malformed"],
            bounds_mm=tuple(one["bounds_mm"]) if one["bounds_mm"] else None,
            planes_mm=tuple((x, y, z) for x, y, z in one["planes_mm"]),
            sop_instance_uids=named(one["sop_instance_uids"]),
        )

    return Manifest(
        rois=tuple(
            Roi(one["number"], one["name"], one["frame_of_reference_uid"], drawn(one["drawn"]))
            for one in kept["rois"]
        ),
        series=tuple(
            ListedSeries(
                one["series_instance_uid"],
                one["frame_of_reference_uid"],
                named(one["sop_instance_uids"]),
            )
            for one in kept["series"]
        ),
        frame_of_reference_uids=tuple(kept["frames"]),
        made_at=made_at,
        other_classes=tuple(kept.get("other_classes", ())),
        approval=kept.get("approval", ""),  # what was kept before does not say
    )
