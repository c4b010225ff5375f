"""What the feature store says, as one flat table for a person or a program: features, those that
were imported, scores, how far these move over other contours, tissues, clinical, findings.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

import numpy as np
import pandas as pd
import pyarrow as pa

from feature_store.imaging.regions import Region
from feature_store.radiomic_features.settings import FEATURE_NAMES
from feature_store.study_identity import StudyIdentity
from feature_store.tables.columns import DEEP_FEATURES, STUDY, TISSUE_COLUMNS
from feature_store.tables.guarded_table import StoreError
from feature_store.tables.keyed_table import ROW_DIGEST, WRITTEN_AT
from feature_store.tables.store import FeatureStore

DEEP = "deep"
"""Stands beside the regions for the features of the network."""
REGIONS = (*map(str, Region), DEEP)
_LEAST_PREFIX = 6


class Contents(StrEnum):
    """What may be asked for."""

    FEATURES = "features"
    IMPORTED = "imported"
    SCORES = "scores"
    CERTAINTY = "certainty"
    TISSUES = "tissues"
    CLINICAL = "clinical"
    FINDINGS = "findings"


TABLES_OF = {
    Contents.FEATURES: ("radiomics", "deep"),
    Contents.IMPORTED: ("imported_features", "replaced"),
    Contents.SCORES: ("scores",),
    Contents.CERTAINTY: ("certainty",),
    Contents.TISSUES: ("radiomics",),
    Contents.CLINICAL: ("clinical",),
    Contents.FINDINGS: ("checks", "findings"),
}
"""Tables of the store that each kind of contents is read from."""


@dataclass(frozen=True)
class StoreQuery:
    """One question to the feature store.

    Parameters
    ----------
    contents : Contents
        What is asked for.
    centers : tuple of str
        Only of these centres; of all by default.
    regions : tuple of str
        Only features of these regions, ``deep`` among them; of all by default.
    model, settings, network : str or None
        Beginning of the digest of the model that scored, of the settings that features were
        extracted with, and of the network of the deep features.
    newest : bool
        Of each patient only the study content that was written last.

    Raises
    ------
    ValueError
        If a filter does not fit the contents, a region is unknown, or a digest's beginning is too
        short.
    """

    contents: Contents
    centers: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    model: str | None = None
    settings: str | None = None
    network: str | None = None
    newest: bool = False

    def __post_init__(self) -> None:
        fits = {
            "model": {Contents.SCORES, Contents.CERTAINTY},
            "regions": {Contents.FEATURES, Contents.TISSUES},
            "settings": {Contents.FEATURES, Contents.TISSUES},
            "network": {Contents.FEATURES},
            "newest": {Contents.FEATURES, Contents.SCORES, Contents.CERTAINTY},
        }
        for name, kinds in fits.items():
            if getattr(self, name) and self.contents not in kinds:
                raise ValueError(
                    f"{name} chooses among {_listed(sorted(kinds))} only: leave it out."
                )
        for region in self.regions:
            if region not in REGIONS:
                raise ValueError(f"There is no region {region!r}: expected {', '.join(REGIONS)}.")
        for name in ("model", "settings", "network"):
            prefix = getattr(self, name)
            if prefix is not None and len(prefix) < _LEAST_PREFIX:
                raise ValueError(
                    f"{prefix!r} is too short for a digest: give at least {_LEAST_PREFIX} "
                    "characters."
                )


def _listed(words: Sequence[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def ask(store: FeatureStore, query: StoreQuery) -> pd.DataFrame:
    """Answer a question from the versions that a store shows.

    Parameters
    ----------
    store : FeatureStore
        The store, pinned to versions or as it is now.
    query : StoreQuery
        The question.

    Returns
    -------
    DataFrame
        One row per study content (clinical, imported: per patient; scores, certainty: per content
        and model; findings: per suite and code of a content, clinical table or cohort; tissues:
        per region), by centre and patient. Features are columns ``<region>:<name>``, empty where a
        study lacks a region; survival probabilities are columns ``survival_<days>``.

    Raises
    ------
    StoreError
        If a centre or digest is not in the store, several digests would be mixed, or a version is
        gone.
    """
    if query.contents is Contents.FEATURES:
        frame = _features(store, query)
    elif query.contents is Contents.TISSUES:
        frame = _tissues(store, query)
    elif query.contents is Contents.IMPORTED:
        frame = _imported(store, query.centers)
    elif query.contents is Contents.FINDINGS:
        frame = _findings(store, query.centers)
    else:
        frame = _flat(store, str(query.contents), query.centers)
        if query.contents in {Contents.SCORES, Contents.CERTAINTY}:
            frame = _by_model(frame, query.model)
        if query.contents is Contents.SCORES:
            frame = _with_survival_columns(frame)
    if query.newest:
        frame = _without_replaced(store, frame)
        by = ["center", "patient_key", *(["model_digest"] if "model_digest" in frame else [])]
        frame = frame.sort_values([WRITTEN_AT, "content_digest"]).drop_duplicates(by, keep="last")
    order = [name for name in (*STUDY, "model_digest", "suite", "code", "region") if name in frame]
    return frame.sort_values(order, ignore_index=True)


def _without_replaced(store: FeatureStore, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of contents that no newer ones have taken the place of."""
    replaced = store.replaced(None)
    if not replaced or "content_digest" not in frame:
        return frame
    contents = zip(*(frame[name] for name in STUDY), strict=True)
    return frame.loc[[StudyIdentity(*content) not in replaced for content in contents]]


def _flat(store: FeatureStore, table: str, centers: Sequence[str]) -> pd.DataFrame:
    frame: pd.DataFrame = _of_centers(store, table, centers).to_pandas()
    front = [name for name in (*STUDY, "model_digest", WRITTEN_AT) if name in frame]
    rest = [str(name) for name in frame if name not in {*front, ROW_DIGEST}]
    return frame[[*front, *rest]]


def _imported(store: FeatureStore, centers: Sequence[str]) -> pd.DataFrame:
    """Return the features that were made elsewhere and count, each row with where and how."""
    _of_centers(store, "imported_features", centers)
    found = [one for center in centers or (None,) for one in store.imported(center)]
    rows = [
        {
            **asdict(one.identity),
            "origin": one.settings.in_words,
            "settings": one.settings.to_json(),
            **one.columns,
        }
        for one in found
    ]
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=[*STUDY, "origin", "settings"])


def _tissues(store: FeatureStore, query: StoreQuery) -> pd.DataFrame:
    columns = [*STUDY, "region", "settings_digest", *TISSUE_COLUMNS, WRITTEN_AT]
    frame: pd.DataFrame = _of_centers(
        store, "radiomics", query.centers, columns=columns
    ).to_pandas()
    if query.regions:
        frame = frame.loc[frame["region"].isin(query.regions)]
    if query.settings is not None:
        found = _digest(frame["settings_digest"], query.settings, "settings digest", "--settings")
        frame = frame.loc[frame["settings_digest"] == found]
    return frame


def _findings(store: FeatureStore, centers: Sequence[str]) -> pd.DataFrame:
    checks = {center: store.checks(center) for center in centers or (None,)}
    _refuse_absent(
        "checks",
        [center for center in centers if not checks[center]],
        {check.center for check in store.checks(None)},
    )
    rows = [
        {
            **(dict.fromkeys(STUDY, "") if check.study is None else asdict(check.study)),
            "center": check.center,
            "suite": check.suite,
            "checked_at": check.checked_at,
            "code": finding.code,
            "severity": str(finding.severity),
            "sentence": finding.sentence,
        }
        for of_center in checks.values()
        for check in of_center
        for finding in check.findings
    ]
    return pd.DataFrame(
        rows, columns=[*STUDY, "suite", "checked_at", "code", "severity", "sentence"]
    )


def _of_centers(
    store: FeatureStore,
    table: str,
    centers: Sequence[str],
    *,
    must_have: bool = True,
    columns: Sequence[str] | None = None,
) -> pa.Table:
    parts = [store.rows(table, {"center": center}, columns) for center in centers or (None,)]
    absent = [center for center, part in zip(centers, parts, strict=False) if part.num_rows == 0]
    if must_have:
        there = store.rows(table, {}, ["center"]).column("center").to_pylist() if absent else ()
        _refuse_absent(table, absent, there)
    return pa.concat_tables(parts)


def _refuse_absent(table: str, absent: Sequence[str], there: Iterable[str]) -> None:
    if absent:
        raise StoreError(
            f"The table {table} has no rows of centre {' and '.join(absent)} at this version: "
            f"it has {', '.join(sorted(set(there))) or 'none yet'}."
        )


def _by_model(frame: pd.DataFrame, prefix: str | None) -> pd.DataFrame:
    if prefix is None:
        return frame
    return frame.loc[
        frame["model_digest"] == _digest(frame["model_digest"], prefix, "model digest", "--model")
    ]


def _digest(found: Iterable[str], prefix: str | None, what: str, option: str) -> str:
    """Return the one digest that begins as asked; say what there is otherwise."""
    there = sorted(set(found))
    chosen = [digest for digest in there if digest.startswith(prefix or "")]
    if len(chosen) == 1:
        return chosen[0]
    known = ", ".join(digest[:12] for digest in there) or "none"
    if not chosen:
        raise StoreError(
            f"The store has nothing by a {what} {prefix!r} at this version: it has {known}."
        )
    raise StoreError(f"{len(chosen)} {what}s fit: choose one of {known} with {option}.")


def _with_survival_columns(frame: pd.DataFrame) -> pd.DataFrame:
    survival = [
        {f"survival_{days}": probability for days, probability in zip(*row, strict=True)}
        for row in zip(frame["horizon_days"], frame["survival"], strict=True)
    ]
    names = sorted(
        {name for row in survival for name in row},
        key=lambda name: int(name.removeprefix("survival_")),
    )
    wide = pd.DataFrame(survival, index=frame.index, columns=names, dtype=float)
    return pd.concat([frame.drop(columns=["horizon_days", "survival"]), wide], axis=1)


def _features(store: FeatureStore, query: StoreQuery) -> pd.DataFrame:
    blocks = []
    radiomic = (
        [region for region in query.regions if region != DEEP]
        if query.regions
        else list(map(str, Region))
    )
    if radiomic:
        rows = _of_centers(store, "radiomics", query.centers)
        there = set(rows.column("region").to_pylist())
        lacking = sorted(set(radiomic) - there)
        if query.regions and lacking:
            raise StoreError(
                f"The store has no features of {' and '.join(lacking)} at this version: "
                f"it has {', '.join(sorted(there)) or 'none'}."
            )
        blocks += _blocks(
            rows, "settings_digest", query.settings, [name for name in radiomic if name in there]
        )
    if not query.regions or DEEP in query.regions:
        rows = _of_centers(store, "deep", query.centers, must_have=bool(query.regions))
        blocks += _blocks(rows, "network_digest", query.network, [DEEP])
    if not blocks:
        return pd.DataFrame(columns=[*STUDY, WRITTEN_AT])
    frame = pd.concat([block.drop(columns=WRITTEN_AT) for block in blocks], axis=1)
    frame.insert(
        0, WRITTEN_AT, pd.concat([block[WRITTEN_AT] for block in blocks], axis=1).max(axis=1)
    )
    return frame.reset_index()


def _blocks(
    rows: pa.Table, column: str, prefix: str | None, regions: Sequence[str]
) -> list[pd.DataFrame]:
    """Return one frame per region, by study: when it was written, and its features."""
    what = column.removesuffix("_digest")
    digests = rows.column(column).to_pylist()
    if not digests:
        return []
    by_digest = np.array(digests) == _digest(digests, prefix, f"{what} digest", f"--{what}")
    blocks = []
    for region in regions:
        names = (
            [f"{index:03d}" for index in range(DEEP_FEATURES)]
            if region == DEEP
            else list(FEATURE_NAMES)
        )
        in_region = (
            by_digest
            if region == DEEP
            else by_digest & (np.array(rows.column("region").to_pylist()) == region)
        )
        part = rows.filter(pa.array(in_region))
        values = part.column("features").combine_chunks().flatten().to_numpy(zero_copy_only=False)
        block = pd.DataFrame(
            values.reshape(part.num_rows, len(names)).astype(float),
            index=pd.MultiIndex.from_arrays(
                [part.column(name).to_pylist() for name in STUDY], names=STUDY
            ),
            columns=[f"{region}:{name}" for name in names],
        )
        block.insert(0, WRITTEN_AT, part.column(WRITTEN_AT).to_pandas().array)
        blocks.append(block)
    return blocks
