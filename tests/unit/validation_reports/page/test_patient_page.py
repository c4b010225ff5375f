"""The page says everything on one sheet, names whom it is told to, and its parts add up."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from feature_store.imaging.boxed_mask import BoxedMask
from models.combined.combined_model import Risk
from models.combined.explanation import Explanation, FeatureContribution
from tests.support.ct_volumes import noise
from tests.support.scored_cohorts import PROVENANCE, made_cohort
from validation_reports.not_estimable import NotEstimable
from validation_reports.page.patient_page import (
    PatientPage,
    patient_pdf,
    performance_words,
    render_patient_page,
    score_parts,
)
from validation_reports.page.patient_plots import PredictedSurvival
from validation_reports.page.pdf import pdf_on_one_sheet
from validation_reports.page.region_pictures import CtPlanes, region_pictures
from validation_reports.report.latest_performance import center_performances
from validation_reports.report.validation_report import build_report

DAYS = tuple(range(20, 1200, 20))
FEATURES = ("original_shape_Sphericity", "wavelet-LLH_glcm_Idmn", "original_firstorder_Mean")


def _explanation(radiomic: int, deep: int) -> Explanation:
    values = np.random.default_rng(2).normal(size=radiomic + deep)
    parts = [
        FeatureContribution(
            f"gtv:{FEATURES[number % 3]}" if number < radiomic else f"deep:{number:03d}",
            "gtv" if number < radiomic else "deep",
            1.0,
            0.5,
            0.1,
            float(value),
        )
        for number, value in enumerate(values)
    ]
    parts.sort(key=lambda one: -abs(one.contribution))
    return Explanation(float(values.sum()), tuple(parts))


def _curve(predictor: float) -> tuple[float, ...]:
    return tuple(float(np.exp(-np.exp(predictor) * days / 900)) for days in DAYS)


@pytest.fixture(scope="module")
def page() -> PatientPage:
    volume = noise((20, 60, 60), (1.5, 1.5, 3.0))
    z, y, x = np.ogrid[:20, :60, :60]
    distance = ((z - 10) / 4) ** 2 + ((y - 30) / 9) ** 2 + ((x - 28) / 9) ** 2
    found = _explanation(20, 12)
    horizons = {365: 0.61, 730: 0.37, 1095: 0.22}
    return PatientPage(
        who=(("Patient", "Doe Jane"), ("ID", "12345"), ("Born", "1951-02-03"), ("Centre", "B")),
        mark="Demonstration model, not for clinical use.",
        intended_use="Research <only>.",
        scored_at=datetime(2026, 3, 4, 5, 6, tzinfo=UTC),
        risk=Risk(found.linear_predictor, True, horizons, {}),
        cutoff=0.05,
        survival=PredictedSurvival(
            DAYS, _curve(0.4), _curve(0.05), tuple(sorted(horizons.items())), high_risk=True
        ),
        pictures=region_pictures(
            CtPlanes.through(volume, BoxedMask.of(distance <= 1)),
            distance <= 1,
            [(distance > 1) & (distance <= 2)],
        ),
        region_facts=(("GTV-1", "11.46 cm3"), ("Ring of 6 mm", "20 cm3, Dice 0.97")),
        parts=score_parts(found),
        warnings=("The tube voltage is missing.", "The slices are 6 mm apart, expected 2-5 mm."),
        certainty="How far the score would move with another contour is not known.",
        performance=NotEstimable("This model has not been validated at centre B yet."),
        origin=(("Model", "demo 1.0, SHA-256 " + "ab" * 32), ("CT", "34 slices of series 1.2.3")),
        replaces="This replaces the result of 2026-03-01: contour or CT have changed since.",
    )


def _words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html))


def test_everything_stands_on_the_page(page: PatientPage) -> None:
    html = render_patient_page(page)
    words = _words(html)
    for expected in (
        "Demonstration model, not for clinical use.",
        "Doe Jane",
        "1951-02-03",
        "High risk",
        f"Score {page.risk.linear_predictor:+.3f}",
        "cut-off +0.050",
        "1 year 61%",
        "3 years 22%",
        "GTV-1: 11.46 cm3",
        "Ring of 6 mm: 20 cm3, Dice 0.97",
        "GTV: sphericity, shape (a larger value: rounder)",
        "12 other features together",
        "Network: 12 features of the image of the GTV together",
        *page.warnings,
        page.certainty,
        "This model has not been validated at centre B yet.",
        "ab" * 32,
        "This replaces the result of 2026-03-01",
        "Research &lt;only&gt;.",
    ):
        assert expected in words
    assert html.count("<image ") == 3
    assert render_patient_page(page) == html


def test_the_parts_add_up_to_the_score(page: PatientPage) -> None:
    assert sum(part.contribution for part in page.parts) == pytest.approx(
        page.risk.linear_predictor, abs=1e-12
    )
    assert [part.meaning for part in page.parts[-2:]] == ["", ""]
    few = score_parts(_explanation(2, 0))
    assert len(few) == 2


def test_a_page_without_warnings_says_so_and_one_of_the_pseudonym_names_nobody(
    page: PatientPage,
) -> None:
    words = _words(
        render_patient_page(replace(page, who=(("Pseudonym", "k7"),), warnings=(), mark=""))
    )
    assert "Warnings None." in words
    assert "Pseudonym k7" in words
    assert "Doe" not in words
    assert "Demonstration" not in words


@pytest.mark.slow
def test_it_is_one_sheet_also_with_many_warnings_and_the_same_every_time(
    page: PatientPage,
) -> None:
    weasyprint = pytest.importorskip("weasyprint")
    pdf = patient_pdf(page)
    assert pdf.startswith(b"%PDF-")
    assert patient_pdf(page) == pdf
    many = replace(page, warnings=page.warnings * 9)
    sizes: list[float] = []

    def tried() -> Any:
        for size in (8.0, 7.2, 6.4, 5.6):
            sizes.append(size)
            yield render_patient_page(many, size)

    pdf_on_one_sheet(tried())
    assert len(sizes) > 1
    last = weasyprint.HTML(string=render_patient_page(many, sizes[-1])).render()
    assert len(last.pages) == 1


def test_the_centre_s_validation_in_words() -> None:
    validated = build_report([made_cohort("centre-a", 80, 1)], PROVENANCE, n_resamples=20)
    (known,) = center_performances(validated, "20260304-center-a")
    words = performance_words(known)
    assert words.startswith("C-index 0.")
    assert f"in 80 patients with {known.n_events} deaths at this centre, 04 March 2026." in words
    assert known.calibration_words in words
