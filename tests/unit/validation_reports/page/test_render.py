"""The page is one well-formed file that fetches nothing and says what it leaves out."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from tests.support.scored_cohorts import PROVENANCE, made_cohort
from tests.unit.validation_reports.conftest import made_acquisitions
from validation_reports.cohort.training_patients import TrainingPatients
from validation_reports.page.render import render_html
from validation_reports.report.summary import headline
from validation_reports.report.validation_report import (
    ValidationReport,
    build_report,
    from_json,
    to_json,
)
from validation_reports.statistics.margins import Verdict

pytestmark = pytest.mark.slow

VOID = {"meta", "br", "link", "img", "input", "hr"}


class _Outline(HTMLParser):
    """Checks that tags nest, and collects what a browser would fetch and the ids."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if tag in {"script", "link", "img", "iframe", "object"}:
            self.fetched.append(tag)
        if found.get("id"):
            self.ids.append(str(found["id"]))
        if (link := found.get("href") or found.get("xlink:href")) is not None:
            self.links.append(link)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


@pytest.mark.slow
def test_the_page_is_the_same_from_json(report: ValidationReport, page: str) -> None:
    assert render_html(from_json(to_json(report))) == page


def test_the_page_is_one_well_formed_file_that_fetches_nothing(page: str) -> None:
    outline = _Outline()
    outline.feed(page)
    outline.close()
    assert outline.open == []
    assert outline.fetched == []
    assert len(outline.ids) == len(set(outline.ids)), "an id comes twice"
    assert all(
        (link.startswith("#") and link[1:] in outline.ids)
        or link.startswith("data:text/csv;base64,")
        for link in outline.links
    )
    assert "@import" not in page
    assert "url(http" not in page


def test_the_first_screen_comes_first_and_the_notice_before_it(page: str) -> None:
    visible = page[page.index("<body>") :]
    assert visible.index("Demonstration model, not for clinical use") < visible.index(
        "Does the score order patients?"
    )
    assert visible.index("Where does the model not hold?") < visible.index("<svg")
    assert visible.count("<li><span class=") == 5


@pytest.mark.slow
def test_no_notice_for_a_model_that_is_no_demonstration(report: ValidationReport) -> None:
    plain = render_html(replace(report, provenance=replace(PROVENANCE, demonstration=False)))
    assert "emonstration" not in plain


def test_the_page_says_what_it_leaves_out_and_escapes_it(page: str) -> None:
    assert "No GTV contour &lt;was&gt; found." in page
    assert "Harrell&#39;s C is not estimated from" in page
    assert not re.search(r">\s*(nan|inf|None)\b", page)
    for word in (
        "Kaplan-Meier",
        "Efron",
        "infinitesimal-jackknife",
        PROVENANCE.model_digest,
        "20260101",
        "scores version 12",
    ):
        assert word in page


def test_every_plot_has_units_a_description_and_the_numbers_at_risk(
    page: str, report: ValidationReport
) -> None:
    plots = re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL)
    kinds = [re.search(r'aria-label="([A-Za-z-]+ \w+)', plot) for plot in plots]
    found = Counter(kind.group(1) for kind in kinds if kind)
    results = [*report.centers, *([report.pooled] if report.pooled else [])]
    levels = [
        level for result in results for analysis in result.subgroups for level in analysis.levels
    ]
    assert found["Kaplan-Meier curves"] == 4 + sum(level.n_events > 0 for level in levels)
    assert found["Flow of"] == 3, "the centres, where the reasons are listed"
    assert found["Calibration at"] == found["Decision curve"] == 3 * 3, "two centres and the pool"
    assert page.count('class="data" download=') == 4 + 9 + 9 + 3 + 4 + 7, (
        "each of them; forests and curves of subgroups"
    )
    assert all('role="img" aria-label="' in plot for plot in plots)
    survival = [plot for plot in plots if "Kaplan-Meier curves" in plot]
    assert all(
        "Months since the start of radiotherapy" in plot and "Number at risk" in plot
        for plot in survival
    )


def test_a_single_hopeless_centre_still_gives_a_page() -> None:
    one = made_cohort("Solo", 1, 21)
    report = build_report([one], PROVENANCE)
    assert report.pooled is None
    page = render_html(report)
    assert all(line.verdict in {Verdict.UNKNOWN, Verdict.NOTE} for line in headline(report))
    assert "not estimable" in page


@pytest.mark.slow
def test_scanners_and_drift_stand_in_the_report_and_come_back_from_its_json() -> None:
    plain, table = made_cohort("Alpha", 60, 1), made_acquisitions(60)
    features = pd.DataFrame({"gtv:a": np.random.default_rng(1).normal(size=60)})
    cohort = replace(plain, acquisitions=table, features=features)
    training = TrainingPatients("T", cohort.linear_predictor, cohort.covariates, features, table)
    report = build_report([cohort], PROVENANCE, training=training, n_resamples=20)
    assert from_json(to_json(report)) == report
    page = render_html(report)
    assert "GE MEDICAL ONE" in page
    assert page.count("Mean score with 95% interval by period of the scan") == 1
    assert "gtv:a" in page
    assert not any(month in to_json(report) for month in table["month"]), (
        "only quarters with ten patients are told"
    )
    unknown = render_html(build_report([plain], PROVENANCE, n_resamples=20))
    assert "There is no table of scanners and protocols" in unknown
    assert "the month of no patient&#39;s scan is known" in unknown
