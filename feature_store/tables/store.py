"""The feature store: everything that is known of the studies under pseudonyms, in Delta tables that
keep every version.

Long vectors are list columns, not 1316 columns each: a MERGE of 1316 columns takes seconds of
planning, one of a list takes hundredths. The names of the values are `FEATURE_NAMES`, fixed by the
settings digest that is part of the key.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from feature_store.clinical_records import ClinicalRecord, ClinicalTable
from feature_store.expectations.checks import Check
from feature_store.feature_tables.imported_features import ImportedFeatures
from feature_store.imaging.image_marks import ImageMarks
from feature_store.imaging.regions import Region
from feature_store.imaging.tissues import TissueShares
from feature_store.radiomic_features.feature_vector import FeatureVector
from feature_store.score import ContourScores, ScoreRow
from feature_store.study_identity import StudyIdentity
from feature_store.tables.background_writes import BackgroundWrites
from feature_store.tables.columns import (
    DEEP_FEATURES,
    DEEP_INPUT_SHAPE,
    STUDY,
    TABLES,
    TISSUE_COLUMNS,
)
from feature_store.tables.erasing import Rewritten, people_in, rows_in, rows_of, take_out
from feature_store.tables.guarded_table import StoreError
from feature_store.tables.keyed_table import WRITTEN_AT, KeyedTable
from feature_store.tables.rows import (
    AcquisitionRecord,
    acquisition_table,
    check_of,
    checks_of_findings,
    clinical_record_of,
    contour_scores_of,
    feature_matrix,
    identity_of,
    imported_of,
    marks_of,
    of_first_studies,
    row_of_acquisition,
    row_of_check,
    row_of_contour_scores,
    row_of_images,
    row_of_score,
    rows_of_imported,
    score_of,
    study_order,
    tissue_columns,
)
from feature_store.tables.study_order import StudyOrder
from feature_store.tables.table_defects import TableDefect

__all__ = ["FeatureStore", "ScoreRow", "StoreError", "StudyIdentity"]

_PINNED = "This store is pinned to versions and cannot be written: open it anew."


class FeatureStore:
    """Delta tables in one folder or under one URL.

    Every write is an idempotent upsert that several processes may do at once. Reads see the newest
    version of each table, or those of `versions`, with which the numbers of a report can be
    recomputed.

    Parameters
    ----------
    location : Path or str
        Folder, or object-store URL such as ``s3://bucket/prefix``.
    versions : mapping of str to int, optional
        Version of each table to read; such a store is read-only, and tables that are not named are
        empty.
    storage_options : mapping of str to str, optional
        Access to an object store, as `deltalake` takes it.
    known_versions : callable, optional
        Returns the newest version of each table that something names: a store that ends before is
        an older back-up, and is not written to.
    named_versions : callable, optional
        Returns all versions that something names: other programs find them without asking here.
    """

    def __init__(
        self,
        location: Path | str,
        versions: Mapping[str, int] | None = None,
        storage_options: Mapping[str, str] | None = None,
        known_versions: Callable[[], Mapping[str, int]] = dict,
        named_versions: Callable[[], Iterable[Mapping[str, int]]] = tuple,
    ) -> None:
        self._writes: BackgroundWrites | None = None
        self._waiting: dict[tuple[str, ...], dict[str, Any]] = {}
        self._known = cache(known_versions)
        self._location = str(location).rstrip("/")
        self._versions = None if versions is None else dict(versions)
        self._options = dict(storage_options or {})
        self._tables = {
            name: KeyedTable(
                f"{self._location}/{name}",
                key,
                pa.schema(columns),
                storage_options=self._options,
                known_version=lambda name=name: self._known().get(name),  # type: ignore[misc]
                named_versions=lambda name=name: _of_table(name, named_versions()),  # type: ignore[misc]
            )
            for name, (key, columns) in TABLES.items()
        }

    def versions(self) -> dict[str, int]:
        """Return the version of each table that reads see; tables that were never written are left
        out.
        """
        if self._versions is not None:
            return dict(self._versions)
        found = {name: table.version() for name, table in self._tables.items()}
        return {name: version for name, version in found.items() if version is not None}

    def durable_versions(self) -> dict[str, int]:
        """Return the version of each table, which no power cut takes any more; for what will name
        them.

        Raises
        ------
        StoreError
            If the disk does not take them, or a table is damaged.
        """
        versions = self.versions()
        for name, version in versions.items():
            self._tables[name].bring_to_disk(version)
        return versions

    def versions_at(self, moment: datetime) -> dict[str, int]:
        """Return the version that each table had at an aware moment; tables that were not there yet
        are left out.
        """
        found = {name: table.version_at(moment) for name, table in self._tables.items()}
        return {name: version for name, version in found.items() if version is not None}

    def rows(
        self, table: str, equal: Mapping[str, str | None], columns: Sequence[str] | None = None
    ) -> pa.Table:
        """Return rows of one table as they are kept, in no particular order.

        Parameters
        ----------
        table : str
            Name of the table, one of `feature_store.tables.columns.TABLES`.
        equal : mapping of str to str or None
            Values that columns must have; `None` stands for any.
        columns : sequence of str, optional
            Columns to read; all by default.
        """
        return self._read(table, equal, columns)

    def written_until(self, center: str) -> datetime:
        """Return when the newest row that features of a centre come from was written.

        Raises
        ------
        StoreError
            If the centre has no rows.
        """
        times: list[datetime] = [
            row[WRITTEN_AT]
            for table in ("radiomics", "deep_input", "imported_features", "clinical")
            for row in self._read(table, {"center": center}, columns=[WRITTEN_AT]).to_pylist()
        ]
        if not times:
            raise StoreError(
                f"The feature store has nothing of centre {center}: push its studies first."
            )
        return max(times)

    def pinned(self, versions: Mapping[str, int] | None = None) -> FeatureStore:
        """Return a read-only store that stays at `versions`, or at the present ones."""
        return FeatureStore(
            self._location,
            self.versions() if versions is None else versions,
            self._options,
            self._known,
        )

    @contextmanager
    def writing_beside(self) -> Iterator[FeatureStore]:
        """Yield this store with writes that go on beside the caller's work; reads may not see them
        before the end. At the end they are on the disk.

        Raises
        ------
        StoreError
            At the end, in place of whatever else was raised within, if rows could not be written.
        """
        with BackgroundWrites() as writes:
            beside, waiting = copy.copy(self), dict[tuple[str, ...], dict[str, Any]]()
            vars(beside).update(_writes=writes, _waiting=waiting)
            try:
                yield beside
            finally:
                beside.write_checks()

    def compact(self) -> tuple[str, ...]:
        """Join the small files that single studies leave; rows and earlier versions stay as they
        are.

        Returns
        -------
        tuple of str
            Tables that were not compacted, as another process is at it.
        """
        return tuple(name for name, table in self._tables.items() if not table.upkeep.compact())

    def remove_old_files(
        self, keep_days: float, named: Sequence[Mapping[str, int]] = (), *, dry_run: bool = False
    ) -> dict[str, int]:
        """Remove files that no version of the last days, and none that is named, needs.

        Parameters
        ----------
        keep_days : float
            Versions of so many days stay readable; at least an hour.
        named : sequence of mapping of str to int
            Versions of tables that stay readable for ever: those of reports and bundles.
        dry_run : bool
            Whether to count only.

        Returns
        -------
        dict of str to int
            Number of files by table.
        """
        return {
            name: table.upkeep.remove_old(
                keep_days,
                sorted(_of_table(name, named)),
                dry_run=dry_run,
            )
            for name, table in self._tables.items()
        }

    def defects(self) -> tuple[TableDefect, ...]:
        """Return what is wrong with the tables as a whole.

        Raises
        ------
        StoreError
            If their files cannot be looked through.
        """
        return tuple(defect for table in self._tables.values() for defect in table.defects())

    def repair(self, *, harmless_only: bool = False) -> list[str]:
        """Mend the tables while nobody else writes to them, and say what was done.

        Parameters
        ----------
        harmless_only : bool
            Whether to mend only what a power cut leaves of writes that nobody was told of, which
            may be done at any time.

        Raises
        ------
        StoreError
            If they cannot be mended.
        """
        return [
            done
            for table in self._tables.values()
            for done in table.repair(harmless_only=harmless_only)
        ]

    def rows_of(self, patients: Collection[str], studies: Collection[str]) -> dict[str, int]:
        """Return how many rows of a person the files of each table hold, in whatever version."""
        found = {
            name: rows_of(table.guard.folder, patients, studies)
            for name, table in self._tables.items()
        }
        return {name: count for name, count in found.items() if count}

    def people(self) -> set[tuple[str, str, str]]:
        """Return centre, patient and study pseudonym of every row in whatever version; the study is
        empty where there is none.
        """
        return set().union(*(people_in(table.guard.folder) for table in self._tables.values()))

    def rows_in_any_version(self, table: str, patients: Collection[str]) -> list[dict[str, Any]]:
        """Return a person's rows of one table out of all of its files, in whatever version."""
        return rows_in(self._tables[table].guard.folder, patients)

    def take_out(self, patients: Collection[str], studies: Collection[str]) -> list[Rewritten]:
        """Take a person out of every version of every table, while nobody else uses them.

        Raises
        ------
        StoreError
            If a table cannot be written again; what was begun goes on at the next call.
        """
        return [
            take_out(table.guard.folder, patients, studies, table.key)
            for table in self._tables.values()
        ]

    def studies_with_rows(self, table: str, digest: str | None = None) -> set[tuple[str, ...]]:
        """Return which study contents have rows in a table: study key and content digest, and the
        digest in the column `digest` if one is named.
        """
        columns = ["study_key", "content_digest", *([] if digest is None else [digest])]
        rows = self._read(table, {}, columns)
        return set(zip(*(rows.column(name).to_pylist() for name in columns), strict=True))

    def gone(self, versions: Mapping[str, int]) -> dict[str, int]:
        """Return those of the named versions of tables that cannot be read any more."""
        return {
            name: version
            for name, version in versions.items()
            if name in self._tables and not self._tables[name].is_readable(version)
        }

    def put_radiomics(
        self,
        identity: StudyIdentity,
        vectors: Mapping[Region, FeatureVector],
        tissues: Mapping[Region, TissueShares] | None = None,
    ) -> None:
        """Keep the radiomic features of a study's regions, and what the regions hold."""
        shares = tissues or {}
        self._write(
            "radiomics",
            [
                {
                    **asdict(identity),
                    "region": str(region),
                    "settings_digest": vector.settings_digest,
                    "features": list(vector.as_dict().values()),
                    **tissue_columns(shares.get(region)),
                }
                for region, vector in vectors.items()
            ],
        )

    def put_imported(self, patients: Sequence[ImportedFeatures]) -> None:
        """Keep features that were made elsewhere, and by what their images are recognised; other
        features of the same patients out of earlier tables count no more.
        """
        for center in sorted({one.center for one in patients}):
            of_center = [one for one in patients if one.center == center]
            keys = {one.patient_key for one in of_center}
            before = {one.identity for one in self.imported(center) if one.patient_key in keys} - {
                one.identity for one in of_center
            }
            self._write(
                "imported_features", [row for one in of_center for row in rows_of_imported(one)]
            )
            self._write(
                "images",
                [{**asdict(one.identity), **row_of_images(one.marks)} for one in of_center],
            )
            known = self.replaced(center)
            back = {one.identity for one in of_center} & known
            self.put_replaced({**dict.fromkeys(before, True), **dict.fromkeys(back, False)})

    def imported(self, center: str | None) -> tuple[ImportedFeatures, ...]:
        """Return the features of a centre (`None`: of all) that were made elsewhere and count, by
        patient.
        """
        replaced = self.replaced(center)
        found = imported_of(self._read("imported_features", {"center": center}).to_pylist())
        return tuple(one for one in found if one.identity not in replaced)

    def put_deep_input(self, identity: StudyIdentity, voxels: npt.NDArray[np.float32]) -> None:
        """Keep the network's input of a study, shape (64, 64, 64)."""
        if voxels.shape != DEEP_INPUT_SHAPE:
            raise ValueError(
                f"The network's input has shape {voxels.shape}: expected {DEEP_INPUT_SHAPE}."
            )
        self._write("deep_input", [{**asdict(identity), "voxels": voxels.astype("<f4").tobytes()}])

    def deep_inputs(
        self, center: str | None
    ) -> tuple[tuple[StudyIdentity, ...], npt.NDArray[np.float32]]:
        """Return the network's inputs of a centre (`None`: of all), for each patient of the study
        that counts.

        Returns
        -------
        tuple of StudyIdentity
            The n studies, in the order of their patient keys.
        ndarray of float32, shape (n, 64, 64, 64)
            Their inputs.
        """
        rows = of_first_studies(
            self._read("deep_input", {"center": center}).to_pylist(), self.study_order(center)
        )
        flat = [np.frombuffer(row["voxels"], dtype="<f4").reshape(DEEP_INPUT_SHAPE) for row in rows]
        inputs = np.stack(flat) if flat else np.empty((0, *DEEP_INPUT_SHAPE))
        return tuple(identity_of(row) for row in rows), inputs.astype(np.float32)

    def put_deep(
        self, identity: StudyIdentity, features: npt.NDArray[np.floating], network_digest: str
    ) -> None:
        """Keep the deep features of a study, shape (512,)."""
        if features.shape != (DEEP_FEATURES,) or not np.isfinite(features).all():
            expected = f"({DEEP_FEATURES},), all finite"
            raise ValueError(f"Deep features have shape {features.shape}: expected {expected}.")
        row = {"network_digest": network_digest, "features": features.astype(np.float32).tolist()}
        self._write("deep", [{**asdict(identity), **row}])

    def put_clinical(self, table: ClinicalTable) -> None:
        """Keep the clinical records of a table; a patient's earlier record is replaced."""
        for center in sorted({record.center for record in table.records}):
            self._write(
                "clinical", [asdict(record) for record in table.records if record.center == center]
            )

    def remove_clinical(self, center: str, patients: Collection[str], why: str) -> None:
        """Remove clinical records of a centre; versions of before, which reports name, keep them.

        Parameters
        ----------
        center : str
            The centre.
        patients : collection of str
            Pseudonyms.
        why : str
            Who removes them and why; kept in the table's history, see `clinical_removals`.
        """
        if self._versions is not None:
            raise StoreError(_PINNED)
        self._tables["clinical"].remove(center, "patient_key", patients, why)

    def clinical_removals(self) -> list[tuple[datetime, str]]:
        """Return when clinical records were removed, UTC, and why."""
        return self._tables["clinical"].removals()

    def clinical_written(self, center: str) -> dict[str, datetime]:
        """Return when the record of each patient of a centre was written last, UTC."""
        rows = self._read("clinical", {"center": center}, ["patient_key", WRITTEN_AT])
        return {row["patient_key"]: row[WRITTEN_AT] for row in rows.to_pylist()}

    def clinical(self, center: str | None) -> tuple[ClinicalRecord, ...]:
        """Return the clinical records of a centre (`None`: of all), by centre and patient key."""
        rows = self._read("clinical", {"center": center}).to_pylist()
        return tuple(
            clinical_record_of(row)
            for row in sorted(rows, key=lambda row: (row["center"], row["patient_key"]))
        )

    def clinical_record(self, center: str, patient_key: str) -> ClinicalRecord | None:
        """Return one patient's clinical record, if the centre has sent one."""
        rows = self._read("clinical", {"center": center, "patient_key": patient_key}).to_pylist()
        return clinical_record_of(rows[0]) if rows else None

    def put_score(self, row: ScoreRow) -> None:
        """Keep a score; one by the same model for the same content is replaced."""
        self.put_scores([row])

    def put_scores(self, rows: Sequence[ScoreRow]) -> None:
        """Keep scores, as one version of the table."""
        if rows:
            self._write("scores", [row_of_score(row) for row in rows])

    def scores(self, model_digest: str, center: str | None) -> tuple[ScoreRow, ...]:
        """Return all scores by a model at a centre (`None`: at all), by study and time."""
        rows = self._read("scores", {"model_digest": model_digest, "center": center}).to_pylist()
        return tuple(sorted(map(score_of, rows), key=lambda row: (row.identity, row.scored_at)))

    def score(
        self, study_key: str, content_digest: str, model_digest: str, center: str | None = None
    ) -> ScoreRow | None:
        """Return what a model said of one content of a study, if it did; where its centre is known,
        nothing of the others is looked at.
        """
        key = {
            "center": center,
            "study_key": study_key,
            "content_digest": content_digest,
            "model_digest": model_digest,
        }
        rows = self._read("scores", key).to_pylist()
        return score_of(rows[0]) if rows else None

    def put_contour_scores(self, row: ContourScores) -> None:
        """Keep scores over contours; those by the same model for the same content are replaced."""
        self._write("certainty", [row_of_contour_scores(row)])

    def contour_scores(
        self, model_digest: str, center: str | None
    ) -> dict[StudyIdentity, ContourScores]:
        """Return what a model said over contours at a centre (`None`: at all), by study content."""
        equal = {"model_digest": model_digest, "center": center}
        found = map(contour_scores_of, self._read("certainty", equal).to_pylist())
        return {row.identity: row for row in found}

    def put_acquisition(self, identity: StudyIdentity, record: AcquisitionRecord) -> None:
        """Keep how a study's CT was acquired."""
        self._write("acquisitions", [{**asdict(identity), **row_of_acquisition(record)}])

    def put_images(self, identity: StudyIdentity, marks: ImageMarks) -> None:
        """Keep what tells a study's CT from others."""
        self._write("images", [{**asdict(identity), **row_of_images(marks)}])

    def images(self, center: str | None) -> dict[StudyIdentity, ImageMarks]:
        """Return the marks of the CTs of a centre (`None`: of all); studies of earlier releases are
        absent.
        """
        rows = self._read("images", {"center": center}).to_pylist()
        return {identity_of(row): marks_of(row) for row in rows}

    def study_order(self, center: str | None) -> StudyOrder:
        """Return what is known of the order of a centre's studies (`None`: of all)."""
        names = ("acquisitions", "month"), ("images", "acquired_s")
        acquisitions, images = (
            self._read(table, {"center": center}, [*STUDY, WRITTEN_AT, column]).to_pylist()
            for table, column in names
        )
        return study_order(acquisitions, images, self.replaced(center))

    def put_replaced(self, contents: Mapping[StudyIdentity, bool]) -> None:
        """Keep of study contents whether newer ones have taken their place."""
        rows = [{**asdict(one), "is_replaced": is_so} for one, is_so in sorted(contents.items())]
        if rows:
            self._write("replaced", rows)

    def replaced(self, center: str | None) -> frozenset[StudyIdentity]:
        """Return the study contents of a centre (`None`: of all) that count for nobody any more."""
        rows = self._read("replaced", {"center": center}).to_pylist()
        return frozenset(identity_of(row) for row in rows if row["is_replaced"])

    def acquisitions(
        self, center: str | None, studies: Collection[StudyIdentity] | None = None
    ) -> pd.DataFrame:
        """Return how the CTs of a centre's patients (`None`: of all) were acquired, each of the
        study that counts, or of those among `studies`.

        Returns
        -------
        DataFrame
            Index ``patient_key`` in order, columns as of `AcquisitionRecord`, and what each region
            holds as columns ``<region>:<share>``; studies of earlier releases are absent.
        """
        rows = self._read("acquisitions", {"center": center}).to_pylist()
        first = of_first_studies(rows, self.study_order(center), studies)
        counted = {row["study_key"] for row in first}
        held: dict[str, dict[str, float]] = {}
        for row in self.tissues(center).to_dict("records"):
            if row["study_key"] in counted:
                shares = {f"{row['region']}:{share}": row[share] for share in TISSUE_COLUMNS}
                held.setdefault(row["patient_key"], {}).update(shares)
        return acquisition_table(first).join(pd.DataFrame.from_dict(held, orient="index"))

    def tissues(self, center: str | None) -> pd.DataFrame:
        """Return what the regions of a centre's studies (`None`: of all) hold, of each region the
        row written last.

        Returns
        -------
        DataFrame
            Columns ``study_key``, ``content_digest``, ``patient_key``, ``region`` and
            `TISSUE_COLUMNS`; regions measured by earlier releases are absent.
        """
        names = ["study_key", "content_digest", "patient_key", "region", *TISSUE_COLUMNS]
        found = self._read("radiomics", {"center": center}, ["center", *names, WRITTEN_AT])
        known = found.to_pandas().dropna(subset=TISSUE_COLUMNS[:1])
        newest = known.sort_values([WRITTEN_AT, "content_digest"]).drop_duplicates(
            ["center", "study_key", "region"], keep="last"
        )
        in_order: pd.DataFrame = newest.sort_values(["patient_key", "center"], kind="stable")
        return in_order[names].reset_index(drop=True)

    def put_check(self, check: Check) -> None:
        """Keep what came of a suite; an earlier one of the same suite and content is replaced."""
        self._write("checks", [row_of_check(check)])

    def write_checks(self) -> None:
        """Have written what was put of one study's suites; without this call, a store that writes
        beside its caller does so at the end.
        """
        if self._writes is not None and self._waiting:
            self._writes.give(self._tables["checks"].upsert, list(self._waiting.values()))
            self._waiting.clear()

    def checks(self, center: str | None, study: StudyIdentity | None = None) -> tuple[Check, ...]:
        """Return what came of the suites at a centre (`None`: at all), or on one study content."""
        equal = {"center": center} if study is None else asdict(study)
        found = [check_of(row) for row in self._read("checks", equal).to_pylist()]
        known = {check.study for check in found}
        before = checks_of_findings(self._read("findings", equal).to_pylist())
        return tuple(
            sorted(
                [*found, *(check for check in before if check.study not in known)],
                key=lambda check: (check.study is not None, check.study, check.suite),
            )
        )

    def features(
        self,
        center: str | None,
        regions: Sequence[Region],
        settings_digest: str,
        network_digest: str | None = None,
        studies: Collection[StudyIdentity] | None = None,
    ) -> pd.DataFrame:
        """Return the features of a centre's patients as one matrix.

        Parameters
        ----------
        center : str or None
            Name of the centre; `None` for all.
        regions : sequence of Region
            Regions whose radiomic features are wanted.
        settings_digest : str
            Settings that they were extracted with.
        network_digest : str, optional
            Network whose deep features are wanted; none by default.
        studies : collection of StudyIdentity, optional
            Study contents to choose from; all by default.

        Returns
        -------
        DataFrame
            Index ``patient_key`` in order, columns ``<region>:<name>`` and ``deep:000`` to
            ``deep:511``. Of each patient the study that counts (`StudyOrder.first`); a content that
            lacks a region or its deep features is left out.
        """
        radiomics = self._read(
            "radiomics", {"center": center, "settings_digest": settings_digest}
        ).to_pylist()
        wanted = {
            f"{region}:": [row for row in radiomics if row["region"] == region]
            for region in regions
        }
        if network_digest is not None:
            equal = {"center": center, "network_digest": network_digest}
            wanted["deep:"] = self._read("deep", equal).to_pylist()
        if not wanted:
            raise ValueError("No features are asked for: name at least one region or a network.")
        return feature_matrix(wanted, self.study_order(center), studies)

    def _write(self, table: str, rows: list[dict[str, Any]]) -> None:
        if self._versions is not None:
            raise StoreError(_PINNED)
        if self._writes is None:
            self._tables[table].upsert(rows)
        elif table == "checks":
            # the suites of one study come one after the other, and are one version
            key = (*STUDY, "suite")
            self._waiting.update({tuple(row[name] for name in key): row for row in rows})
        else:
            self._writes.give(self._tables[table].upsert, rows)

    def _read(
        self, table: str, equal: Mapping[str, str | None], columns: Sequence[str] | None = None
    ) -> pa.Table:
        version = None
        if self._versions is not None:
            version = self._versions.get(table)
            if version is None:
                return self._tables[table].empty(columns)
        return self._tables[table].read(equal, columns, version)


def _of_table(name: str, named: Iterable[Mapping[str, int]]) -> set[int]:
    """Return which versions of a table are named."""
    return {versions[name] for versions in named if name in versions}
