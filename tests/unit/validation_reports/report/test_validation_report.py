"""The report as a whole: same numbers in JSON and page, the first screen, sentences instead of
tracebacks.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from models.survival.survival_data import Survival
from tests.support.scored_cohorts import PROVENANCE, made_cohort
from validation_reports.cohort.scored_cohort import ScoredCohort, pool
from validation_reports.errors import CohortError, ReportFormatError
from validation_reports.not_estimable import NotEstimable
from validation_reports.page.render import render_html
from validation_reports.report.summary import Verdict, headline
from validation_reports.report.validation_report import (
    POOL_LABEL,
    ValidationReport,
    build_report,
    from_json,
    to_json,
)
from validation_reports.statistics.cohort_table import (
    DifferenceTest,
    compare_counts,
    compare_numbers,
)
from validation_reports.statistics.discrimination import Concordance
from validation_reports.wording import horizon_words, interval, p_words

VOID = {"meta", "br", "link", "img", "input", "hr"}


@pytest.fixture(scope="module")
def report() -> ValidationReport:
    return build_report(
        [
            made_cohort("Alpha", 90, 1, warnings={"The tube voltage is missing.": 12}),
            made_cohort(
                "Beta", 70, 2, excluded=(("b1", "No GTV contour <was> found."), ("b2", "Age 17."))
            ),
            made_cohort("Gamma", 4, 3),
        ],
        PROVENANCE,
    )


@pytest.fixture(scope="module")
def page(report: ValidationReport) -> str:
    return render_html(report)


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


def test_json_reads_back_as_the_same_report(report: ValidationReport) -> None:
    text = to_json(report)
    assert from_json(text) == report
    assert to_json(from_json(text)) == text
    assert not re.search(
        r"\b(NaN|Infinity)\b|: null", text.replace('"upper": null', "").replace('"lower": null', "")
    )


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
    assert visible.index("For whom not?") < visible.index("<svg")
    assert visible.count("<li><span class=") == 5


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
    assert page.count('class="data" download=') == 4 + 9 + 9 + 3 + 4, (
        "each of them; forests and curves of subgroups"
    )
    assert all('role="img" aria-label="' in plot for plot in plots)
    survival = [plot for plot in plots if "Kaplan-Meier curves" in plot]
    assert all(
        "Months since the start of radiotherapy" in plot and "Number at risk" in plot
        for plot in survival
    )


def test_the_headline_judges_by_the_interval(report: ValidationReport) -> None:
    lines = headline(report)
    assert [line.verdict for line in lines] == [
        Verdict.YES,
        Verdict.YES,
        Verdict.YES,
        Verdict.PARTLY,
        Verdict.NOTE,
    ]
    c = report.overall.concordance
    assert isinstance(c, Concordance)
    assert interval(c.estimate, c.lower, c.upper) in lines[0].answer
    assert "too few deaths at Gamma" in lines[3].answer
    assert "2 patients excluded" in lines[4].answer


def test_the_headline_does_not_claim_what_chance_explains() -> None:
    noise = headline(build_report([made_cohort("A", 60, 11, effect=0.0)], PROVENANCE))
    assert noise[0].verdict is Verdict.UNKNOWN
    assert noise[3].answer == "Only one centre was looked at: A."
    wrong = headline(
        build_report(
            [made_cohort("A", 200, 12, effect=-1.0), made_cohort("B", 200, 13, effect=-1.0)],
            PROVENANCE,
        )
    )
    assert wrong[0].verdict is Verdict.NO
    assert wrong[1].verdict is Verdict.NO
    assert wrong[3].verdict is Verdict.UNKNOWN


def test_so_few_deaths_that_any_slope_fits_prove_no_calibration() -> None:
    few = headline(build_report([made_cohort("A", 9, 4)], PROVENANCE))[2]
    assert few.verdict is Verdict.UNKNOWN, few.answer
    assert "too few deaths to tell" in few.answer
    assert "slope" in few.answer


def test_a_single_hopeless_centre_still_gives_a_page() -> None:
    one = made_cohort("Solo", 1, 21)
    report = build_report([one], PROVENANCE)
    assert report.pooled is None
    page = render_html(report)
    assert all(line.verdict in {Verdict.UNKNOWN, Verdict.NOTE} for line in headline(report))
    assert "not estimable" in page


def test_the_pool_is_everybody(report: ValidationReport) -> None:
    assert report.pooled is not None
    assert report.pooled.center == POOL_LABEL
    assert report.pooled.n == sum(center.n for center in report.centers)
    assert report.pooled.n_excluded == 2
    assert [column.n for column in report.cohort_table.columns] == [90, 70, 4, 164]
    for (_, levels), (_, counts) in zip(
        report.cohort_table.levels, report.cohort_table.columns[-1].counts, strict=True
    ):
        assert len(levels) == len(counts)
        assert sum(counts) == 164


def test_what_cannot_be_reported_is_refused() -> None:
    a, b = made_cohort("A", 20, 1), made_cohort("B", 20, 2)
    with pytest.raises(CohortError, match="no centre to report on"):
        build_report([], PROVENANCE)
    with pytest.raises(CohortError, match="same name"):
        build_report([a, a], PROVENANCE)
    with pytest.raises(CohortError, match=r"no survival was predicted for \[1825\] days"):
        build_report([a, b], PROVENANCE, horizons=(365, 1825))
    with pytest.raises(CohortError, match="20 patients come twice"):
        pool([a, replace(b, patient_keys=a.patient_keys)], "all")
    with pytest.raises(CohortError, match="no time zone"):
        replace(PROVENANCE, created_at=PROVENANCE.created_at.replace(tzinfo=None))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"linear_predictor": np.array([0.0, np.nan])},
            "linear predictor of 1 patients is not a finite number",
        ),
        ({"linear_predictor": np.zeros(3)}, "expected one value for each of 2 patients"),
        ({"predicted_survival": {365: np.array([0.5, 1.5])}}, "outside 0-1"),
        ({"high_risk": np.array([True])}, "1 risk groups"),
        ({"patient_keys": ("x", "x")}, "come twice"),
        ({"excluded": (("x", "late"),)}, "both analysed and excluded"),
        ({"covariates": pd.DataFrame({"age": [1, 2]})}, "no column sex, histology, stage"),
    ],
)
def test_a_cohort_whose_parts_do_not_fit_is_refused(
    change: dict[str, object], sentence: str
) -> None:
    parts: dict[str, object] = {
        "center": "A",
        "patient_keys": ("x", "y"),
        "survival": Survival(np.array([1.0, 2.0]), np.array([True, False])),
        "linear_predictor": np.zeros(2),
        "high_risk": np.zeros(2, bool),
        "predicted_survival": {365: np.array([0.5, 0.5])},
        "covariates": pd.DataFrame(
            {"age": [60, 70], "sex": "male", "histology": "adenocarcinoma", "stage": "III"}
        ),
    }
    with pytest.raises(CohortError, match=sentence):
        ScoredCohort(**(parts | change))  # type: ignore[arg-type]


def test_a_foreign_or_newer_json_is_refused(report: ValidationReport) -> None:
    with pytest.raises(ReportFormatError, match="Build the report again"):
        from_json('{"provenance": 1}')
    newer = json.loads(to_json(report)) | {"schema_version": 99}
    with pytest.raises(ReportFormatError, match="schema 99"):
        from_json(json.dumps(newer))


def test_the_test_between_centres_suits_the_data() -> None:
    random = np.random.default_rng(8)
    normal = [random.normal(60, 9, 50), random.normal(70, 9, 50), random.normal(65, 9, 50)]
    skewed = [random.exponential(9, 50) for _ in range(3)]
    names = [compare_numbers(groups) for groups in (normal[:2], normal, skewed[:2], skewed)]
    assert [test.method for test in names if isinstance(test, DifferenceTest)] == [
        "Welch's t test",
        "analysis of variance",
        "Mann-Whitney test",
        "Kruskal-Wallis test",
    ]
    assert isinstance(compare_numbers(normal[:1]), NotEstimable)
    fisher, chi, rough = (
        compare_counts(np.array(table))
        for table in ([[1, 9], [8, 2]], [[30, 20], [20, 30]], [[1, 9, 2], [8, 2, 1]])
    )
    assert isinstance(fisher, DifferenceTest)
    assert (fisher.method, round(fisher.p_value, 6)) == ("Fisher's exact test", 0.005477)
    assert isinstance(chi, DifferenceTest)
    assert chi.method == "chi-square test"
    assert isinstance(rough, DifferenceTest)
    assert "approximate" in rough.method
    assert isinstance(compare_counts(np.array([[3, 0], [4, 0]])), NotEstimable)


def test_wording() -> None:
    assert interval(0.714, 0.6449, 0.781) == "0.71 (0.64–0.78)"
    assert interval(-0.08, -1.02, 0.85) == "−0.08 (−1.02 to 0.85)"
    assert [p_words(p) for p in (0.0004, 0.0123, 0.26)] == ["p < 0.001", "p = 0.012", "p = 0.26"]
    assert [horizon_words(days) for days in (365, 730, 1095, 1826, 100)] == [
        "1 year",
        "2 years",
        "3 years",
        "5 years",
        "100 days",
    ]
