"""Suites as a user of Great Expectations knows them: a project folder with Checkpoint results and
Data Docs.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from feature_store.clinical_records import ClinicalRecord
from feature_store.expectations.evaluation import great_expectations, gx_suite, raised
from feature_store.expectations.suites import SUITES, facts_table

RESULTS = "checkpoint_results.json"


@dataclass(frozen=True, eq=False)
class SuiteTable:
    """What a suite is held against.

    Parameters
    ----------
    suite : str
        One of `SUITES`.
    table : DataFrame
        One row of facts, or a row for each record; its columns are those of the suite's rules.
    quarantine : collection of str
        Codes of warnings that are critical here.
    """

    suite: str
    table: pd.DataFrame
    quarantine: Collection[str] = ()

    @classmethod
    def of_facts(cls, suite: str, facts: object, quarantine: Collection[str] = ()) -> SuiteTable:
        """Return the facts on one study or cohort."""
        return cls(suite, facts_table(suite, facts), quarantine)

    @classmethod
    def of_records(cls, records: Sequence[ClinicalRecord]) -> SuiteTable:
        """Return the clinical records of a centre, a row each."""
        columns = [*ClinicalRecord.__dataclass_fields__]
        return cls("clinical", pd.DataFrame([asdict(one) for one in records], columns=columns))


def write_data_docs(folder: Path, tables: Sequence[SuiteTable]) -> Path:
    """Run a Checkpoint for each table in a project of Great Expectations, and render its Data Docs.

    Parameters
    ----------
    folder : Path
        The project's folder; one that is there is added to. Beside the project, its
        ``checkpoint_results.json`` says of each expectation what was observed and whether that
        meets it.
    tables : sequence of SuiteTable
        What is judged.

    Returns
    -------
    Path
        The first page of the Data Docs.
    """
    gx = great_expectations()
    context = gx.get_context(mode="file", project_root_dir=str(folder))
    context.variables.progress_bars = {"globally": False}
    source = context.data_sources.add_or_update_pandas("annulus")
    results = []
    for one in tables:
        rules = raised(SUITES[one.suite], one.quarantine)
        asset = source.add_dataframe_asset(one.suite)
        batch = asset.add_batch_definition_whole_dataframe("whole table")
        suite = context.suites.add_or_update(gx_suite(one.suite, rules))
        definition = context.validation_definitions.add_or_update(
            gx.ValidationDefinition(name=one.suite, data=batch, suite=suite)
        )
        checkpoint = context.checkpoints.add_or_update(
            gx.Checkpoint(
                name=one.suite, validation_definitions=[definition], result_format="COMPLETE"
            )
        )
        (result,) = checkpoint.run({"dataframe": one.table}).run_results.values()
        results += [_said(one, single) for single in result.results]
    (folder / RESULTS).write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    (pages,) = context.build_data_docs().values()
    return Path(str(pages).removeprefix("file://"))


def _said(of: SuiteTable, result: Any) -> dict[str, object]:
    """Return what one expectation of a Checkpoint said, and the values that it looked at."""
    kwargs = result.expectation_config.kwargs
    column = kwargs.get("column")
    observed = (
        [len(of.table)]
        if column is None
        else [None if pd.isna(value) else value for value in of.table[column].tolist()]
    )
    return {
        "suite": of.suite,
        "code": result.expectation_config.meta["code"],
        "expectation": result.expectation_config.type,
        "column": column,
        "expected": {
            name: value for name, value in kwargs.items() if name not in {"batch_id", "column"}
        },
        "observed": json.loads(json.dumps(observed, default=str)),
        "success": bool(result.success),
    }
