"""Pictures of what was measured of a study: made when somebody looks, and kept for a while."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from dicom_node.registry.registry import StudyFiles
from feature_store.imaging.contour_combination import OverlappingContours
from feature_store.imaging.measured_view import MeasuredView
from feature_store.imaging.regions import Region
from feature_store.study_features import load_study, view_of
from flows.data.archived_study import read_archived
from flows.data.identity import chosen_gtv
from flows.installation import Installation
from validation_reports.portal_pages.slice_picture import png, slice_picture

_KEPT_STUDIES: Final = 6


@dataclass(frozen=True)
class Slice:
    """One slice that is shown.

    Parameters
    ----------
    number : int
        From the feet up, beginning with 1.
    height_mm : float
        Where it lies along the patient's axis, in mm.
    regions : tuple of str
        The regions that it cuts.
    width, height : int
        Of its picture, in pixels.
    """

    number: int
    height_mm: float
    regions: tuple[str, ...]
    width: int
    height: int


@dataclass(frozen=True)
class Pictures:
    """The slices of one study content from the feet up, and the picture of each as PNG."""

    slices: tuple[Slice, ...]
    pictures: tuple[bytes, ...]


class StudyPictures:
    """The pictures of studies; one study is read at a time, and the last few are kept in memory.

    Parameters
    ----------
    work : Installation
        Settings and archive.
    """

    def __init__(self, work: Installation) -> None:
        self._work = work
        self._kept: OrderedDict[str, Pictures] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, content_digest: str, files: Callable[[], StudyFiles]) -> Pictures:
        """Return the pictures of a study content.

        Parameters
        ----------
        content_digest : str
            The content.
        files : callable
            Returns its files, if they have to be read.

        Raises
        ------
        StudyDefect
            If its files cannot be read, or nothing can be measured of it.
        """
        with self._lock:
            if content_digest not in self._kept:
                self._kept[content_digest] = _drawn(self._view(files()))
            self._kept.move_to_end(content_digest)
            while len(self._kept) > _KEPT_STUDIES:
                self._kept.popitem(last=False)
            return self._kept[content_digest]

    def _view(self, files: StudyFiles) -> MeasuredView:
        settings = self._work.settings
        study = load_study(
            read_archived(files),
            self._work.center(files.center).gtv_pattern,
            OverlappingContours(settings.features.overlapping_contours),
            chosen_gtv(files),
        )
        return view_of(study, settings.extraction(), settings.features.ring_widths_mm)


def _drawn(view: MeasuredView) -> Pictures:
    rings = [mask for region, mask in view.masks.items() if region is not Region.GTV]
    gtv = view.masks[Region.GTV]
    slices, pictures = [], []
    for z, height_mm in enumerate(view.heights_mm.tolist()):
        drawn = slice_picture(view.hu[z], gtv[z], [ring[z] for ring in rings])
        pictures.append(png(drawn))
        cut = tuple(str(region) for region, mask in view.masks.items() if mask[z].any())
        slices.append(Slice(z + 1, height_mm, cut, drawn.shape[1], drawn.shape[0]))
    return Pictures(tuple(slices), tuple(pictures))
