"""Pixels: what may show who the patient is does not go out."""

from __future__ import annotations

import pytest

from dicom_node.errors import IdentifiablePixelsError
from dicom_node.export.burned_in import check_pixels
from tests.support.intake_bench import ct_slice


@pytest.mark.parametrize(
    ("attributes", "sentence"),
    [
        ({"BurnedInAnnotation": "YES"}, "burned into its pixels"),
        ({"RecognizableVisualFeatures": "YES"}, "can be recognised"),
        ({"ImageType": ["DERIVED", "SECONDARY"]}, "--trust-derived"),
        ({}, "--trust-derived"),
    ],
)
def test_pixels_that_may_show_who_it_is_are_refused(
    attributes: dict[str, object], sentence: str
) -> None:
    image = ct_slice(0)
    for keyword, value in attributes.items():
        setattr(image, keyword, value)
    with pytest.raises(IdentifiablePixelsError, match=sentence):
        check_pixels(image, trust_derived=False)


def test_derived_pixels_that_are_vouched_for_go_out() -> None:
    image = ct_slice(0)
    image.ImageType = ["DERIVED", "SECONDARY"]
    check_pixels(image, trust_derived=True)
    image.BurnedInAnnotation = "NO"
    check_pixels(image, trust_derived=False)
