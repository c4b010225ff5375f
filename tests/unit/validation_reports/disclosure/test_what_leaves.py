"""Who holds the store's tables joins them with what leaves of a report: with the exact one it finds
every patient, with the safe one none.
"""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.survival.survival_data import Survival
from tests.support.scored_cohorts import PROVENANCE, made_cohort
from validation_reports.cohort.scored_cohort import ScoredCohort
from validation_reports.disclosure.alike_patients import GRID_DAYS, SMALLEST_CELL
from validation_reports.disclosure.what_leaves import Disclosure, Leaving, what_leaves
from validation_reports.not_estimable import NotEstimable
from validation_reports.page.render import render_html
from validation_reports.report.curves import curves_csv
from validation_reports.report.r_check import patients_csv
from validation_reports.report.summary import headline
from validation_reports.report.validation_report import (
    ValidationReport,
    build_report,
    from_json,
    to_json,
)
from validation_reports.report_folder import write_report_files

pytestmark = pytest.mark.slow

EXCLUDED = tuple(
    (f"gone{number:03d}", reason)
    for number, reason in enumerate(["It has no score."] * 7 + ["quarantined: Slices lack."] * 2)
)
CURVE_COLUMNS = ["days", "deaths", "at_risk"]


def without_one(cohort: ScoredCohort) -> ScoredCohort:
    """Return a cohort without its first patient."""
    rest = slice(1, None)
    return replace(
        cohort,
        patient_keys=cohort.patient_keys[rest],
        survival=Survival(cohort.survival.days[rest], cohort.survival.event[rest]),
        linear_predictor=cohort.linear_predictor[rest],
        high_risk=cohort.high_risk[rest],
        predicted_survival={
            days: values[rest] for days, values in cohort.predicted_survival.items()
        },
        covariates=cohort.covariates.iloc[rest],
    )


COHORTS = (
    made_cohort("A", 80, 1, excluded=EXCLUDED, warnings={"The tube voltage is 140 kV.": 3}),
    made_cohort("B", 50, 2),
)
FEWER = (without_one(COHORTS[0]), COHORTS[1])
PATIENTS = pd.DataFrame(
    {
        "key": [key for cohort in COHORTS for key in cohort.patient_keys],
        "days": np.concatenate([cohort.survival.days for cohort in COHORTS]),
        "event": np.concatenate([cohort.survival.event for cohort in COHORTS]).astype(int),
        "lp": np.concatenate([cohort.linear_predictor for cohort in COHORTS]),
    }
)


def reported(cohorts: tuple[ScoredCohort, ...]) -> ValidationReport:
    return build_report(cohorts, PROVENANCE, n_resamples=20)


@pytest.fixture(scope="module")
def record() -> ValidationReport:
    return reported(COHORTS)


@pytest.fixture(scope="module")
def handed_over(
    record: ValidationReport, tmp_path_factory: pytest.TempPathFactory
) -> dict[Disclosure, Path]:
    """Return the folder of the report as each choice writes it."""
    place = tmp_path_factory.mktemp("reports")
    for choice in Disclosure:
        write(what_leaves(record, COHORTS, choice), place / choice)
    return {choice: place / choice for choice in Disclosure}


def write(leaving: Leaving, folder: Path) -> None:
    write_report_files(folder, leaving.report, leaving.cohorts, of_rows=leaving.of_rows, pdf=False)


def rows_in(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "r-check" / "patients.csv", float_precision="round_trip")


def found_by_score(rows: pd.DataFrame) -> int:
    """Return of how many rows an exact score tells the patient."""
    return int(rows["lp"].isin(PATIENTS["lp"]).sum())


def found_by_rank(rows: pd.DataFrame, column: str) -> int:
    """Return of how many rows the place in order tells the patient, by outcome."""
    found = 0
    for event in (0, 1):
        there = rows.loc[rows["event"] == event, column]
        known = PATIENTS.loc[PATIENTS["event"] == event, column]
        if len(there) == len(known):
            found += int((there.value_counts() == 1).sum())
    return found


def alone(rows: pd.DataFrame) -> int:
    """Return how many rows are like fewer than five, in all that they say."""
    counts = rows.drop(columns="patient").value_counts(dropna=False)
    return int(counts[counts < SMALLEST_CELL].sum())


def curves_in(folder: Path) -> Iterator[pd.DataFrame]:
    """Yield each survival curve that leaves: as CSV, in the page, and in the JSON."""
    csv = pd.read_csv(folder / "curves.csv", keep_default_na=False)
    yield from (curve for _, curve in csv.groupby(["centre", "subgroup", "level", "group"]))
    page = (folder / "report.html").read_text(encoding="utf-8")
    for content in re.findall(r"data:text/csv;base64,([^\"]+)", page):
        table = pd.read_csv(io.BytesIO(base64.b64decode(content)))
        if set(CURVE_COLUMNS) <= set(table.columns):
            by = [name for name in ("subgroup", "level", "group") if name in table.columns]
            yield from (curve for _, curve in table.groupby(by))
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    for result in (*report["centers"], report["pooled"]):
        for groups in (
            result["risk_groups"],
            *(level["risk_groups"] for one in result["subgroups"] for level in one["levels"]),
        ):
            for group in groups["groups"]:
                yield pd.DataFrame({name: group["curve"][name] for name in CURVE_COLUMNS})


def steps_of_one(curve: pd.DataFrame) -> int:
    """Return at how many times fewer than five patients leave a curve: whoever knows a time finds
    them.
    """
    leaving = -np.diff([*curve["at_risk"], 0])
    return int(((leaving > 0) & (leaving < SMALLEST_CELL)).sum())


def numbers_in(value: Any) -> Iterator[float]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from numbers_in(one)
    elif isinstance(value, float):
        yield value


def test_the_rows_of_an_exact_report_find_every_patient_and_those_of_a_safe_one_none(
    handed_over: dict[Disclosure, Path],
) -> None:
    exact, safe = (rows_in(handed_over[choice]) for choice in (Disclosure.EXACT, Disclosure.SAFE))
    assert found_by_score(exact) == len(exact) == len(PATIENTS)
    assert found_by_rank(exact, "lp") == len(PATIENTS)
    assert alone(exact) == len(PATIENTS)
    assert len(safe) == len(PATIENTS)
    assert found_by_score(safe) == 0
    assert found_by_rank(safe, "lp") == found_by_rank(safe, "days") == 0
    assert alone(safe) == 0


def test_the_steps_of_curves_are_of_five_patients_at_times_of_the_grid(
    handed_over: dict[Disclosure, Path],
) -> None:
    exact = list(curves_in(handed_over[Disclosure.EXACT]))
    safe = list(curves_in(handed_over[Disclosure.SAFE]))
    assert sum(map(steps_of_one, exact)) > len(PATIENTS)
    assert len(safe) >= 2 * 3 * 3  # two groups at two centres and in the pool, in three places
    assert sum(map(steps_of_one, safe)) == 0
    assert {float(day) % GRID_DAYS for curve in safe for day in curve["days"]} == {0.0}


def test_no_number_of_a_safe_report_is_one_patients(handed_over: dict[Disclosure, Path]) -> None:
    known = {*PATIENTS["lp"]}
    for cohort in COHORTS:
        for values in cohort.predicted_survival.values():
            known |= {*values, *(1.0 - values)}
    of = {
        choice: {
            *numbers_in(json.loads((folder / "report.json").read_text(encoding="utf-8"))),
            *numbers_in(rows_in(folder).to_numpy(dtype=object).tolist()),
        }
        for choice, folder in handed_over.items()
    }
    assert len(known & of[Disclosure.EXACT]) > len(PATIENTS)
    assert not known & of[Disclosure.SAFE]


def test_no_pseudonym_leaves_with_a_safe_report(handed_over: dict[Disclosure, Path]) -> None:
    keys = {key.encode() for key, _ in EXCLUDED}
    for choice, is_there in ((Disclosure.EXACT, True), (Disclosure.SAFE, False)):
        content = b"".join(
            path.read_bytes() for path in handed_over[choice].rglob("*") if path.is_file()
        )
        assert any(key in content for key in keys) is is_there
    query = json.dumps({"name": "some", "patients": ["a0001", "a0002"]})
    named = replace(reported(COHORTS[:1]), provenance=replace(PROVENANCE, query=query))
    left = what_leaves(named, COHORTS[:1], Disclosure.SAFE).report
    assert "a0001" not in to_json(left)


def test_a_second_report_with_one_patient_more_does_not_tell_who_it_is() -> None:
    new, apart = {}, {}
    more, fewer = COHORTS[:1], FEWER[:1]
    reports = reported(more), reported(fewer)
    for choice in Disclosure:
        leaving = [
            what_leaves(report, cohorts, choice)
            for report, cohorts in zip(reports, (more, fewer), strict=True)
        ]
        rows = [
            Counter(tuple(line.split(",")[2:]) for line in patients_csv(one.cohorts).splitlines())
            for one in leaving
        ]
        new[choice] = {row: rows[0][row] for row in rows[0] - rows[1]}
        with_one, without = (one.report.cohort_table.columns[0].counts for one in leaving)
        apart[choice] = {
            abs(a - b)
            for (_, one), (_, other) in zip(with_one, without, strict=True)
            for a, b in zip(one, other, strict=True)
        }
    ((row, count),) = new[Disclosure.EXACT].items()
    assert count == 1
    assert float(row[2]) == PATIENTS["lp"][0]
    assert all(count >= SMALLEST_CELL for count in new[Disclosure.SAFE].values())
    assert apart[Disclosure.EXACT] == {0, 1}
    assert not apart[Disclosure.SAFE] & set(range(1, SMALLEST_CELL))


def test_figures_of_all_patients_stay_exact_and_the_rest_is_said(
    record: ValidationReport, handed_over: dict[Disclosure, Path]
) -> None:
    safe = from_json((handed_over[Disclosure.SAFE] / "report.json").read_text(encoding="utf-8"))
    for found, exact in zip(safe.rows, record.rows, strict=True):
        assert (found.n, found.n_events) == (exact.n, exact.n_events)
        assert found.concordance.estimate == exact.concordance.estimate  # type: ignore[union-attr]
        assert found.calibration.slope == exact.calibration.slope
        assert found.risk_groups.hazard_ratio == exact.risk_groups.hazard_ratio
        for (_, one), (_, other) in zip(
            found.calibration.horizons, exact.calibration.horizons, strict=True
        ):
            assert one.ratio == other.ratio  # type: ignore[union-attr]
    page = (handed_over[Disclosure.SAFE] / "report.html").read_text(encoding="utf-8")
    assert "to 30 days" in page
    assert "other reasons" in page
    assert "to 30 days" not in (handed_over[Disclosure.EXACT] / "report.html").read_text()


@pytest.mark.slow
def test_no_cell_of_a_safe_report_is_small() -> None:
    small = made_cohort("C", 24, 3)
    cohorts = (*COHORTS, small)
    safe = what_leaves(reported(cohorts), cohorts, Disclosure.SAFE).report
    assert safe.pooled is not None
    for result in (*safe.centers, safe.pooled):
        cells = [result.n_high, result.n - result.n_high, result.n - result.n_events]
        cells += [len(keys) for _, keys in result.excluded]
        cells += [count for _, count in result.warnings]
        for analysis in result.subgroups:
            cells += [level.n for level in analysis.levels]
            cells += [level.n - level.n_events for level in analysis.levels]
        for _, at in result.calibration.horizons:
            if not isinstance(at, NotEstimable):
                cells += [at.at_risk, *(group.n for group in at.groups)]
        assert not [cell for cell in cells if 0 < cell < SMALLEST_CELL], result.center
    for column in safe.cohort_table.columns:
        cells = [count for _, counts in column.counts for count in counts]
        cells += [count for _, count in column.missing]
        assert not [cell for cell in cells if 0 < cell < SMALLEST_CELL], column.center


def test_of_a_centre_with_hardly_a_death_no_row_and_no_curve_leaves() -> None:
    few = made_cohort("D", 30, 4)
    event = np.zeros(30, dtype=bool)
    event[:3] = True
    few = replace(few, survival=Survival(few.survival.days, event))
    leaving = what_leaves(reported((few,)), (few,), Disclosure.SAFE)
    assert leaving.cohorts == ()
    assert leaving.of_rows is None
    assert len(patients_csv(leaving.cohorts).splitlines()) == 1
    assert len(curves_csv(leaving.cohorts, leaving.report.horizons).splitlines()) == 1
    assert leaving.report.centers[0].n_events == SMALLEST_CELL
    page = render_html(leaving.report)
    assert "from 3 deaths" not in page
    assert "from fewer than 5 deaths" in page


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("Rscript") is None, reason="R is not installed")
def test_r_confirms_the_rows_that_leave_and_says_what_their_rounding_does(
    handed_over: dict[Disclosure, Path],
) -> None:
    script = handed_over[Disclosure.SAFE] / "r-check" / "recompute.R"
    done = subprocess.run(
        ["Rscript", str(script)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    total = re.search(r"(\d+) of (\d+) numbers agree", done.stdout)
    assert total
    assert total[1] == total[2]
    assert int(total[1]) > 200
    assert "The rows are rounded" in done.stdout


def test_the_counts_of_tiny_centres_add_up() -> None:
    cohorts = [made_cohort("B", 3, 1), made_cohort("C", 2, 2)]
    report = build_report(cohorts, PROVENANCE, n_resamples=20)
    safe = what_leaves(report, cohorts, Disclosure.SAFE).report
    assert safe.pooled is not None
    assert safe.within is not None
    told = [one.n for one in safe.centers]
    assert safe.within.n == safe.pooled.n == sum(told) == 10
    assert safe.within.n_events == safe.pooled.n_events
    assert all(one.n_high <= one.n for one in (*safe.centers, safe.pooled))


def test_a_rounded_count_is_called_about() -> None:
    cohort = made_cohort("B", 60, 1, excluded=(("gone", "It has no score."),))
    report = build_report([cohort], PROVENANCE, n_resamples=20)
    safe = what_leaves(report, [cohort], Disclosure.SAFE).report
    assert headline(report)[-1].answer.startswith("1 patient excluded (1: It has no score)")
    assert headline(safe)[-1].answer.startswith("About 5 patients excluded (5: other reasons)")
