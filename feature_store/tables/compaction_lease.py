"""Who may compact a table: one process at a time, on any machine.

Delta Lake notices when two writers meet, except two compactions: `deltalake` commits both, and
every row is there twice. So a compaction first takes a lease, a row in a small Delta table beside
the files, where writers are noticed.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from feature_store.tables.table_folder import TableFolder

FOLDER = "_compaction_lease"
"""Within the folder of the table; readers and cleaning leave folders that begin so alone."""
LEASE = timedelta(hours=1)
"""After this time the lease of a process that died is free again; a compaction takes minutes."""
_TIME = 'Timestamp(Microsecond, Some("UTC"))'
_SCHEMA = pa.schema(
    [("name", pa.string()), ("owner", pa.string()), ("until", pa.timestamp("us", "UTC"))]
)


@contextlib.contextmanager
def compaction_lease(uri: str, storage_options: Mapping[str, str]) -> Iterator[bool]:
    """Hold the lease on a table, and say whether it was free.

    Parameters
    ----------
    uri : str
        Folder or URL of the table that is to be compacted.
    storage_options : mapping of str to str
        Access to an object store, as `deltalake` takes it.
    """
    place, owner = f"{uri}/{FOLDER}", secrets.token_hex(8)
    is_ours = _take(place, storage_options, owner)
    try:
        yield is_ours
    finally:
        if is_ours:
            with contextlib.suppress(DeltaError, OSError):  # then it runs out by itself
                merge = _open(place, storage_options).merge(
                    _row(owner, datetime.fromtimestamp(0, UTC)),
                    "target.name = source.name",
                    "source",
                    "target",
                )
                merge.when_matched_update_all("target.owner = source.owner").execute()


def _take(place: str, storage_options: Mapping[str, str], owner: str) -> bool:
    now = datetime.now(UTC)
    try:
        merge = _open(place, storage_options).merge(
            _row(owner, now + LEASE), "target.name = source.name", "source", "target"
        )
        merge = merge.when_matched_update_all(
            f"target.until < arrow_cast('{now.isoformat()}', '{_TIME}')"
        )
        done = merge.when_not_matched_insert_all().execute()
    except CommitFailedError:
        return False
    return bool(done["num_target_rows_inserted"] + done["num_target_rows_updated"])


def _open(place: str, storage_options: Mapping[str, str]) -> DeltaTable:
    options = dict(storage_options) or None
    folder = TableFolder(place, storage_options)
    try:
        table = DeltaTable(place, storage_options=options)
        folder.bring_to_disk(int(table.version()))
    except TableNotFoundError:
        with contextlib.suppress(DeltaError):  # another process may have made it in the same moment
            DeltaTable.create(place, _SCHEMA, mode="ignore", storage_options=options)
        return DeltaTable(place, storage_options=options)
    except (DeltaError, ValueError):
        # A power cut tore it, and ended whoever held it: what is kept here is worth nothing then.
        if folder.local is None:
            raise
        folder.local.rename(folder.local.with_name(f"{FOLDER}_torn_{secrets.token_hex(4)}"))
        folder.forget_synced()
        return _open(place, storage_options)
    return table


def _row(owner: str, until: datetime) -> pa.Table:
    return pa.Table.from_pylist(
        [{"name": "compaction", "owner": owner, "until": until}], schema=_SCHEMA
    )
