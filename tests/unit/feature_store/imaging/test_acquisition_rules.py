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
        (
            {"image_type": "DERIVED\\PRIMARY\\AXIAL\\CT_SOM5 TMIP"},
            ["varying-acquisition", "projection"],
            "says TMIP",
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


def _acquired(*acquired_in: tuple[str, str], apart_mm: float = 3.0) -> CtHeaders:
    """Return a CT whose slices lie `apart_mm` apart and are of these acquisitions."""
    first = headers().slices[0]
    return CtHeaders(
        tuple(
            replace(
                first,
                sop_instance_uid=f"1.{place}",
                position_mm=(0.0, 0.0, apart_mm * place),
                acquired_in=one,
            )
            for place, one in enumerate(acquired_in)
        )
    )


@pytest.mark.parametrize(
    ("acquired_in", "again"),
    [
        ((("", ""),) * 4, 0),
        ((("1", ""), ("2", ""), ("3", ""), ("4", "")), 0),
        ((("1", ""), ("1", ""), ("2", ""), ("2", "")), 0),
        ((("1", ""), ("2", ""), ("1", ""), ("2", "")), 2),
        ((("1", "1"), ("1", "2"), ("1", "1"), ("1", "1")), 1),
    ],
)
def test_slices_of_acquisitions_that_alternate_are_told(
    acquired_in: tuple[tuple[str, str], ...], again: int
) -> None:
    facts = acquisition_facts(_acquired(*acquired_in))
    assert facts.interleaved == again
    assert unmet(facts) == ["matrix", *(["interleaved-acquisitions"] if again else [])]
    # where slices coincide nobody can say in which order they lie
    assert acquisition_facts(_acquired(*acquired_in, apart_mm=0.0)).interleaved == 0


@pytest.mark.parametrize(
    ("thickness_mm", "apart_mm", "has_gaps"),
    [(3.0, 3.0, False), (3.0, 6.0, True), (1.0, 10.0, True), (5.0, 2.5, False), (2.0, 2.5, False)],
)
def test_slices_with_gaps_between_them_are_told(
    thickness_mm: float, apart_mm: float, *, has_gaps: bool
) -> None:
    slices = _acquired(*[("", "")] * 3, apart_mm=apart_mm).slices
    acquisition = replace(ACQUISITION, slice_thickness_mm=thickness_mm)
    facts = acquisition_facts(CtHeaders(tuple(replace(s, acquisition=acquisition) for s in slices)))
    assert ("slices-apart" in unmet(facts)) == has_gaps
    unknown = replace(ACQUISITION, slice_thickness_mm=None)
    silent = acquisition_facts(CtHeaders(tuple(replace(s, acquisition=unknown) for s in slices)))
    assert silent.thickness_share is None
