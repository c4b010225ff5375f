"""The acquisition that the paper's protocol has, and what departs from it."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from feature_store.imaging.acquisition_rules import (
    PROTOCOL_RULES,
    AcquisitionFacts,
    acquisition_facts,
)
from feature_store.imaging.ct_headers import CtHeaders, SliceHeader
from feature_store.rules import Between, OneOf, fact
from tests.support.ct_volumes import ACQUISITION


def headers(**last: object) -> CtHeaders:
    """Return a CT of three slices, of which the last is changed."""
    slices = [
        SliceHeader(
            number=number,
            sop_instance_uid=f"1.{number}",
            series_instance_uid="1.2",
            study_instance_uid="1.3",
            frame_of_reference_uid="1.4",
            position_mm=(0.0, 0.0, 3.0 * number),
            orientation=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
            pixel_spacing_mm=(1.0, 1.0),
            rows=12,
            columns=14,
            rescale_slope=1.0,
            rescale_intercept=-1024.0,
            rescale_type="HU",
            acquisition=ACQUISITION,
            image_type="ORIGINAL\\PRIMARY\\AXIAL",
        )
        for number in range(3)
    ]
    return CtHeaders((*slices[:2], replace(slices[2], **last)))  # type: ignore[arg-type]


def unmet(facts: AcquisitionFacts) -> list[str]:
    return [
        rule.code
        for rule in PROTOCOL_RULES
        if (value := fact(facts, rule.column)) is not None
        and isinstance(rule.bounds, Between | OneOf)
        and not rule.bounds.holds(value)
    ]


def test_facts_are_those_of_the_acquisition() -> None:
    facts = acquisition_facts(headers())
    assert (facts.kvp, facts.matrix, facts.known_vendor) == (120.0, "12 x 14", None)
    assert unmet(facts) == ["matrix"]


@pytest.mark.parametrize(
    "vendor",
    [
        "SIEMENS",
        "Siemens Healthineers",
        "GE MEDICAL SYSTEMS",
        "Philips",
        "TOSHIBA",
        "CMS, Inc.",
    ],
)
def test_vendors_are_known_by_their_usual_spellings(vendor: str) -> None:
    facts = replace(acquisition_facts(headers()), rows=512, columns=512, manufacturer=vendor)
    assert unmet(facts) == []
    assert unmet(replace(facts, manufacturer="Acme")) == ["vendor"]


@pytest.mark.parametrize(
    ("last", "codes", "words"),
    [
        ({"acquisition": replace(ACQUISITION, kvp=100.0)}, ["varying-acquisition"], "KVP"),
        (
            {"acquisition": replace(ACQUISITION, convolution_kernel="B70f")},
            ["varying-acquisition"],
            "ConvolutionKernel",
        ),
        (
            {"image_type": "DERIVED\\PRIMARY\\AXIAL\\MIP"},
            ["varying-acquisition", "projection"],
            "says MIP",
        ),
        (
            {"image_type": "ORIGINAL\\PRIMARY\\LOCALIZER"},
            ["varying-acquisition", "projection"],
            "LOC",
        ),
        ({"bits_stored": 8}, ["few-bits"], "8 bits"),
        ({"bits_stored": None}, [], ""),
    ],
)
def test_what_changes_within_the_series_is_told(
    last: dict[str, object], codes: list[str], words: str
) -> None:
    facts = acquisition_facts(headers(**last))
    assert unmet(facts) == ["matrix", *codes]
    sentences = [rule.sentence(facts) for rule in PROTOCOL_RULES if rule.code in codes]
    assert words in " ".join(sentences)


def _tilted(degrees: float, *, oblique: bool) -> CtHeaders:
    """Return a CT whose slices name a tilt, and lie tilted where they are `oblique`."""
    angle = math.radians(degrees if oblique else 0.0)
    across = (1.0, 0.0, 0.0, 0.0, math.cos(angle), math.sin(angle))
    return CtHeaders(
        tuple(replace(one, gantry_tilt_deg=degrees, orientation=across) for one in headers().slices)
    )


@pytest.mark.parametrize("degrees", [15.0, -7.5])
def test_a_tilt_that_the_geometry_does_not_show_is_told(degrees: float) -> None:
    facts = acquisition_facts(_tilted(degrees, oblique=False))
    assert facts.untold_tilt_deg == abs(degrees)
    assert unmet(facts) == ["matrix", "untold-tilt"]
    assert unmet(acquisition_facts(_tilted(degrees, oblique=True))) == ["matrix"]
    assert unmet(acquisition_facts(_tilted(0.0, oblique=False))) == ["matrix"]


def test_a_contrast_agent_in_some_slices_is_told() -> None:
    assert acquisition_facts(headers(contrast="Iodine")).varying_tags == ("ContrastBolusAgent",)


def test_an_unspecified_unit_is_told() -> None:
    facts = acquisition_facts(headers(rescale_type="US"))
    assert facts.unspecified_slices == 1
    assert unmet(facts) == ["matrix", "unspecified-unit"]
