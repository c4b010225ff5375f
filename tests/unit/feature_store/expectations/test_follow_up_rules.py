"""Survival times that cannot be days are refused with their numbers; real ones are not."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from feature_store.clinical_records import ClinicalRecord
from feature_store.expectations.follow_up_facts import follow_up_facts
from feature_store.expectations.follow_up_rules import CONFIRMABLE, FOLLOW_UP_RULES, confirmed
from feature_store.expectations.suites import check_follow_up
from feature_store.rules import Severity, unmet
from tests.support.followed_patients import changed, made
from tests.support.real_data import real_data_folder

pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_.*' is deprecated:DeprecationWarning")

CRITICAL = {rule.code for rule in FOLLOW_UP_RULES if rule.severity is Severity.CRITICAL}


def expected(records: list[ClinicalRecord]) -> float:
    """Return the deaths under the hazard that `made` has."""
    return sum(record.survival_days for record in records) * float(np.log(2)) / 500.0


def critical(records: list[ClinicalRecord], deaths: float | None = None) -> set[str]:
    found = unmet(FOLLOW_UP_RULES, follow_up_facts(records, 365, deaths))
    return {one.code for one in found if one.severity is Severity.CRITICAL}


@pytest.mark.parametrize("seed", range(20))
def test_days_and_deaths_meet_every_critical_rule(seed: int) -> None:
    for n in (1, 6, 24, 300):
        records = made(n, seed)
        assert critical(records, expected(records)) == set()


SPOILT: dict[str, tuple[Callable[[float], float], set[str]]] = {
    "months": (lambda days: days / 30.4375, {"follow-up-unit", "follow-up-deaths"}),
    "whole months": (lambda days: np.ceil(days / 30.4375), {"follow-up-unit", "follow-up-deaths"}),
    "years": (lambda days: days / 365.25, {"follow-up-unit", "follow-up-deaths"}),
    "weeks": (lambda days: days / 7, {"follow-up-unit", "follow-up-deaths"}),
    "hours": (lambda days: days * 24, {"follow-up-impossible", "follow-up-long"}),
    "minutes": (lambda days: days * 1440, {"follow-up-impossible"}),
    "serial dates": (lambda days: days + 43831, {"follow-up-dates"}),
    "early serial dates": (lambda days: days + 31000, {"follow-up-dates"}),
    "dates": (lambda days: 20200101 + days % 28, {"follow-up-dates"}),
    "years of dates": (lambda days: 2005 + days // 365, {"follow-up-dates"}),
    "thousands": (
        lambda days: days / 1000 if days >= 1000 else days,
        {"follow-up-thousands"},
    ),
    "equal": (lambda _: 500.0, {"follow-up-equal", "follow-up-one-day"}),
    "nanoseconds": (lambda _: 1e9, {"follow-up-impossible", "follow-up-equal"}),
}


@pytest.mark.parametrize("name", SPOILT)
def test_times_that_cannot_be_days_are_critical(name: str) -> None:
    change, codes = SPOILT[name]
    records = changed(change)
    assert codes <= critical(records, expected(records))
    facts = follow_up_facts(records, 365, expected(records))
    assert set(check_follow_up(facts)) == set(unmet(FOLLOW_UP_RULES, facts))


def test_without_a_model_units_are_told_from_the_horizon_and_usual_survival() -> None:
    for name in ("months", "years", "weeks"):
        found = critical(changed(SPOILT[name][0]))
        assert found == {"follow-up-unit", "follow-up-deaths"}


def test_weeks_of_a_long_follow_up_are_told_from_the_training_cohort() -> None:
    records = [replace(one, survival_days=one.survival_days * 1.5) for one in made()]
    weeks = [replace(one, survival_days=one.survival_days / 7) for one in records]
    assert max(one.survival_days for one in weeks) > 365
    assert critical(weeks, expected(weeks)) == {"follow-up-deaths"}


def test_months_are_refused_in_a_sentence_with_their_numbers() -> None:
    records = changed(lambda days: round(days / 30.4375, 1))
    found = check_follow_up(follow_up_facts(records, 365))
    sentence = next(one.sentence for one in found if one.code == "follow-up-unit")
    longest = max(one.survival_days for one in records)
    deaths = sum(one.event for one in records)
    assert sentence == (
        f"The longest of 80 survival times is {longest:g} days, below the first horizon of 365 "
        f"days, and {deaths} patients died: the times look like months "
        f"({longest * 365.25 / 12:.0f} days), expected days from the start of radiotherapy. "
        "Convert them to days. If the table is right, import it again with --confirm "
        "follow-up-unit."
    )


@pytest.mark.parametrize(("lost", "is_held"), [(2, False), (8, False), (9, True)])
def test_rows_of_which_a_tenth_is_lost_are_held(lost: int, is_held: bool) -> None:
    facts = follow_up_facts(made(), 365, expected(made()), lost)
    found = [one for one in unmet(FOLLOW_UP_RULES, facts) if one.code == "rows-lost"]
    assert bool(found) is is_held
    if found:
        assert found[0].sentence.startswith("9 of 89 rows cannot be used, expected at most 10%")
        assert confirmed(found, {"rows-lost"})[0].severity is Severity.WARNING


def test_inverted_events_are_held() -> None:
    inverted = [replace(one, event=not one.event) for one in made()]
    assert "events-inverted" in critical(inverted)
    assert "events-inverted" in critical(inverted, expected(inverted))


def test_a_cohort_without_deaths_is_held_and_one_without_survivors_is_told() -> None:
    alive = critical([replace(one, event=False) for one in made()])
    assert alive == {"events-none", "follow-up-deaths"}
    dead = [replace(one, event=True) for one in made()]
    found = check_follow_up(follow_up_facts(dead, 365))
    assert [(one.code, one.severity) for one in found] == [("events-all", Severity.WARNING)]


def test_nines_are_held() -> None:
    records = [*made(), replace(made()[0], patient_key="nines", survival_days=9999.0)]
    assert critical(records) == {"follow-up-sentinel"}


def test_what_is_implausible_can_be_confirmed_and_what_is_impossible_cannot() -> None:
    records = changed(lambda days: days / 30.4375)
    codes = ["follow-up-unit", "follow-up-deaths"]
    found = confirmed(check_follow_up(follow_up_facts(records, 365)), codes)
    assert all(one.severity is Severity.WARNING for one in found)
    assert next(one for one in found if one.code == "follow-up-unit").sentence.endswith(
        "Confirmed at the import."
    )
    dates = check_follow_up(follow_up_facts(changed(lambda days: days + 43831), 365))
    assert any(one.severity is Severity.CRITICAL for one in confirmed(dates, CRITICAL))
    assert "follow-up-dates" not in CONFIRMABLE


def test_an_empty_table_has_nothing_to_find() -> None:
    assert check_follow_up(follow_up_facts([], 365, 0.0)) == ()


def test_the_real_training_table_is_as_expected() -> None:
    folder = real_data_folder()
    if folder is None:
        pytest.skip("needs the real clinical table")
    with (folder / "lung1" / "clinical.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    records = [
        ClinicalRecord(
            row["PatientID"],
            "A",
            None,
            None,
            None,
            None,
            float(row["Survival.time"]),
            row["deadstatus.event"] == "1",
        )
        for row in rows
    ]
    assert critical(records) == set()
    for change, codes in SPOILT.values():
        spoilt = [replace(one, survival_days=float(change(one.survival_days))) for one in records]
        assert codes & critical(spoilt)
