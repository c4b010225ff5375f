"""How each kind of damage to a table is mended: nothing is deleted, what is given up is said."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from urllib.parse import unquote

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable

from feature_store.tables.arrow_rows import plain_type
from feature_store.tables.older_log import bring_back
from feature_store.tables.table_defects import Damage, TableDefect
from feature_store.tables.table_folder import LOG, OLDER_LOG, TableFolder
from feature_store.wording import counted

LOST = "annulus.lost"
"""Mark of a commit that keeps the number of a version that was lost."""


def repair(
    folder: TableFolder,
    defect: TableDefect,
    known: int | None,
    rebuild: Callable[[pa.Table], None],
) -> str:
    """Mend one thing, and say what was done; nothing is deleted, but set aside in ``_set_aside``.

    Parameters
    ----------
    folder : TableFolder
        The table, which nobody else writes to.
    defect : TableDefect
        What is wrong with it.
    known : int or None
        The newest version that is known to have been there.
    rebuild : callable
        Writes rows, those of all files, as a new table; of a key, the row that was written last
        stays.

    Raises
    ------
    OSError, DeltaError
        If the files cannot be moved or written.
    """
    name = folder.name
    match defect.damage:
        case Damage.TORN_COMMIT | Damage.TORN_CHECKPOINT:
            where = _set_aside(folder, defect.files)
            bring_back(folder, max(folder.listing().commits, default=-1))
            done = f"{name}: {counted(len(defect.files), 'file')} of the log set aside in {where}"
            if not defect.files:
                done = f"{name}: entries of the log that were moved beside it brought back"
        case Damage.LOG_MISSING | Damage.LOG_BROKEN:
            there = folder.listing()
            rows = _all_rows(folder, there.data)
            where = _set_aside(
                folder,
                [
                    *there.data,
                    *(path for path in there.sizes if path.startswith((LOG, OLDER_LOG))),
                ],
            )
            rebuild(rows)
            of_files = counted(len(there.data), "file")
            done = f"{name}: log made anew from {of_files}; what was there is {where}"
        case Damage.FILE_MISSING:
            there = folder.listing()
            where = _set_aside(folder, [path for path in defect.files if path in there.sizes])
            folder.opened().repair()
            done = f"{name}: {counted(len(defect.files), 'file')} of rows given up"
        case Damage.OLDER:
            rebuild(pa.table({}))
            table = folder.opened()
            first = int(table.version()) + 1
            _mark_lost(table, int(known or 0))
            done = f"{name}: versions {first} to {known} marked as lost"
    folder.forget_synced()
    folder.bring_all_to_disk()
    return done


def is_lost(folder: TableFolder, version: int) -> bool:
    """Say whether a version stands for one that was lost with a newer store."""
    try:
        actions = folder.actions(version)
    except (OSError, ValueError):
        return False
    return any(LOST in action.get("commitInfo", {}) for action in actions)


def _mark_lost(table: DeltaTable, until: int) -> None:
    for _ in range(int(table.version()), until):
        table.create_write_transaction(
            [],
            "append",
            table.schema(),
            partition_by=list(table.metadata().partition_columns),
            commit_properties=CommitProperties(
                custom_metadata={LOST: datetime.now(UTC).isoformat()}
            ),
        )
        table.update_incremental()


def _set_aside(folder: TableFolder, paths: Iterable[str]) -> str:
    """Move files out of sight of readers and of the clean-up, and return where."""
    files, where = folder.files(), f"_set_aside/{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}"
    for path in paths:
        parent, _, last = path.rpartition("/")
        # a partition's folder keeps its name, as it is part of what the rows say
        place = f"{where}/{parent.removeprefix('_')}"
        if folder.local is not None:
            files.create_dir(place, recursive=True)
        files.move(path, f"{place}/{last}")
    return where


def _all_rows(folder: TableFolder, paths: Iterable[str]) -> pa.Table:
    """Return the rows of all files that can be read, with the columns that the folders name."""
    # 6 MB, which only a repair needs
    import pyarrow.dataset  # noqa: PLC0415

    files = folder.files()
    whole = []
    for path in sorted(paths):
        try:
            rows = pyarrow.dataset.dataset(path, filesystem=files, format="parquet").to_table()
        except (pa.ArrowException, OSError, ValueError):
            continue  # cut short by the same accident: its rows are made again
        for part in path.split("/")[:-1]:
            name, _, value = part.partition("=")
            if name not in rows.column_names:
                rows = rows.append_column(name, pa.array([unquote(value)] * rows.num_rows))
        plain = [field.with_type(plain_type(field.type)) for field in rows.schema]
        whole.append(rows.cast(pa.schema(plain)))
    return pa.concat_tables(whole, promote_options="permissive") if whole else pa.table({})
