"""Pixels that may show who the patient is: what the dataset says of them, since nobody looks at
each slice.
"""

from __future__ import annotations

from pydicom.dataset import Dataset

from dicom_node.datasets.sop_classes import CT_IMAGE_STORAGE
from dicom_node.errors import IdentifiablePixelsError


def check_pixels(dataset: Dataset, *, trust_derived: bool) -> None:
    """Refuse a slice whose pixels may show identity (PS3.15 section E.1.1, PS3.3 section
    C.7.6.1.1.7).

    Parameters
    ----------
    dataset : Dataset
        The slice; its pixels are not looked at. What is no CT has none.
    trust_derived : bool
        Whether somebody has looked at the centre's derived and secondary images and found no text
        in them.

    Raises
    ------
    IdentifiablePixelsError
        If it says that text is burned in or a face can be recognised, or if it is a derived image
        that says nothing.
    """
    if dataset.get("SOPClassUID") != CT_IMAGE_STORAGE:
        return
    if _text(dataset, "BurnedInAnnotation") == "YES":
        raise IdentifiablePixelsError(
            "A slice has text burned into its pixels, as Burned In Annotation (0028,0301) says: it "
            "cannot be exported without identity; have the original slices sent."
        )
    if _text(dataset, "RecognizableVisualFeatures") == "YES":
        raise IdentifiablePixelsError(
            "The patient can be recognised in a slice, as Recognizable Visual Features (0028,0302) "
            "says: deface the series before it is sent."
        )
    kinds = [str(value).upper() for value in dataset.get("ImageType", None) or ()]
    is_original = kinds[:2] == ["ORIGINAL", "PRIMARY"]
    if not is_original and _text(dataset, "BurnedInAnnotation") != "NO" and not trust_derived:
        raise IdentifiablePixelsError(
            "A slice is not an original image, and does not say that no text is burned into it: "
            "look at the series, and export it with --trust-derived if there is none."
        )


def _text(dataset: Dataset, keyword: str) -> str:
    return str(dataset.get(keyword, "") or "").upper()
