"""The TRIPOD+AI table points to where an item is answered, or says that a person must."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from tests.support.scored_cohorts import PROVENANCE, made_cohort
from validation_reports.cohort.scored_cohort import ScoredCohort
from validation_reports.page.render import render_html
from validation_reports.report.tripod import TRIPOD_ITEMS
from validation_reports.report.validation_report import build_report


def _scanned(cohort: ScoredCohort) -> ScoredCohort:
    months = [None, "2020-03", "2021-07"] + ["2020-05"] * (cohort.n - 3)
    return replace(
        cohort,
        acquisitions=pd.DataFrame(
            {
                "month": months,
                "manufacturer": "SIEMENS",
                "model_name": "One",
                "convolution_kernel": None,
                "kvp": 120.0,
                "slice_thickness_mm": 3.0,
            }
        ),
    )


@pytest.mark.slow
def test_every_section_that_an_item_names_is_on_the_page() -> None:
    cohorts = [_scanned(made_cohort(name, 60, seed)) for name, seed in (("A", 1), ("B", 2))]
    page = render_html(build_report(cohorts, PROVENANCE, n_resamples=20))
    for item in TRIPOD_ITEMS:
        assert item.answer.endswith(".")
        if item.section is None:
            assert item.answer.startswith("A person must write")
        else:
            assert f'id="{item.section}"' in page, item
    assert '17 months <span class="ci">(59 known)' in page
    assert "Follow-up complete, 1 year" in page
    assert "CT: convolution kernel" in page


def test_no_item_of_an_evaluation_is_left_out() -> None:
    told = " ".join(item.item for item in TRIPOD_ITEMS)
    development = {9, 12, 22}
    for number in set(range(1, 28)) - development:
        assert str(number) in told
