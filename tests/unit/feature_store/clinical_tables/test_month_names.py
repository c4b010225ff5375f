"""Names of months, in the languages of the centres' tables."""

from __future__ import annotations

from feature_store.clinical_tables import month_names
from feature_store.clinical_tables.month_names import month_named


def test_case_and_accents_do_not_count() -> None:
    for words, month in {
        "MÄRZ Mrz mars marzo": 3,
        "août AOUT ago.": 8,
        "déc Dezember dic": 12,
    }.items():
        assert {month_named(word.rstrip(".")) for word in words.split()} == {month}
    assert month_named("Foo") is None


def test_no_name_means_two_months() -> None:
    names = [
        month_names._plain(name)
        for line in month_names._NAMES
        for name in dict.fromkeys(line.split())
    ]
    by_month = [{month_names._plain(name) for name in line.split()} for line in month_names._NAMES]
    assert len(by_month) == 12
    assert sum(map(len, by_month)) == len(set(names))
