"""What keeps a table small and quick to open: small files are joined, the log is summed up and
moved aside, and files that no version needs are removed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import itemgetter

import pyarrow as pa
from deltalake import DeltaTable, PostCommitHookProperties, WriterProperties
from deltalake.exceptions import CommitFailedError, DeltaError

from feature_store.tables.compaction_lease import compaction_lease
from feature_store.tables.guarded_table import GuardedTable, StoreError
from feature_store.tables.older_log import move_older
from feature_store.tables.storage_errors import in_words

_LEAST_HOURS = 1
"""Files that another process has just begun to write are younger than this, and are never removed.
"""
_CHECKPOINT_EVERY = 20
_JOIN_EVERY = 20
"""Versions after which the newest small files are joined among themselves: a write opens the log
and its files: it costs the more, the more entries since the last checkpoint and files there are.
"""
_GROUP_BYTES, _LONGEST_BOUND = 8 << 20, 64
"""What the rows of a group have together in a file of joined ones, and how much of a value stands
in a group's smallest and largest: a group is held until it is full, in a process that scores, and a
network's input of 1 MB would stand twice more in each.
"""
_MOVE_EVERY = 100
"""Versions after which entries of the log that only older versions need are moved beside it."""
NO_HOOKS = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)
"""A checkpoint is written here, after what it sums up is on the disk."""


@dataclass(frozen=True)
class TableUpkeep:
    """Keeps one table small.

    Parameters
    ----------
    guard : GuardedTable
        The table.
    compact_every : int or None
        Versions after which all small files are joined, and not only the newest; `None` for never.
    named_versions : callable
        Says which versions other programs must find without asking here.
    """

    guard: GuardedTable
    compact_every: int | None
    named_versions: Callable[[], Collection[int]]

    def compact(self) -> bool:
        """Join small files into large ones; the rows stay the same and every earlier version stays
        readable.

        Returns
        -------
        bool
            Whether it was done, or nothing was to do; `False` when another process is at it, or
            writes all the time.

        Raises
        ------
        StoreError
            If the table cannot be read or written.
        """
        if self.guard.open(None) is None:
            return True
        self.guard.require_sound(anew=True)
        return self.compact_every is None or self._join(None)

    def _join(self, target_bytes: int | None) -> bool:
        """Join files that are smaller than so many bytes (by default as many as a table says)."""
        try:
            with compaction_lease(self.guard.uri, self.guard.storage_options) as is_free:
                # as it is under the lease: who held it before may have compacted
                table = self.guard.open(None)
                if is_free and table is not None:
                    n_bytes, n_rows = self._newest()
                    group = max(1, _GROUP_BYTES * n_rows // n_bytes)
                    table.optimize.compact(
                        target_size=target_bytes,
                        max_concurrent_tasks=1,
                        writer_properties=WriterProperties(
                            compression="ZSTD",
                            max_row_group_size=group,
                            statistics_truncate_length=_LONGEST_BOUND,
                        ),
                        post_commithook_properties=NO_HOOKS,
                    )
                    self.guard.folder.bring_to_disk(int(table.version()))
                return is_free
        except CommitFailedError:
            return False  # somebody writes: a later compaction will do
        except (DeltaError, OSError, ValueError) as error:
            raise StoreError(
                f"The table {self.guard.name} cannot be compacted: {in_words(error)}."
            ) from error

    def remove_old(self, keep_days: float, keep_versions: Sequence[int], *, dry_run: bool) -> int:
        """Remove files that no version of the last days, and none of those named, needs.

        Parameters
        ----------
        keep_days : float
            Files that were in use so many days ago or later stay.
        keep_versions : sequence of int
            Versions that stay readable, however old.
        dry_run : bool
            Whether to count only.

        Returns
        -------
        int
            Number of files removed, or that would be.

        Raises
        ------
        StoreError
            If the files cannot be looked through.
        """
        table = self.guard.open(None)
        if table is None:
            return 0
        self.guard.require_sound(anew=True)
        newest = int(table.version())
        # what the versions since then read was there then, or has been written since
        since = self.guard.version_at(datetime.now(UTC) - timedelta(days=keep_days))
        wanted = {*keep_versions, *(() if since is None else (since,))}
        there = [version for version in wanted if self.guard.has(version)]
        try:
            # what replaced the files that go must outlive them
            self.guard.folder.bring_to_disk(newest)
            removed = table.vacuum(
                retention_hours=max(_LEAST_HOURS, round(keep_days * 24)),
                enforce_retention_duration=False,
                dry_run=dry_run,
                full=True,
                keep_versions=sorted({*there, newest}),
                post_commithook_properties=NO_HOOKS,
            )
            if not dry_run:
                self.guard.folder.bring_to_disk(self.guard.version() or newest)
        except (DeltaError, OSError, ValueError) as error:
            raise StoreError(
                f"The table {self.guard.name} cannot be cleaned: {in_words(error)}."
            ) from error
        return len(removed)

    def after_write(self, before: int, version: int) -> None:
        """Sum up the log and join small files, each time so many versions were written."""
        if self.compact_every and version // self.compact_every > before // self.compact_every:
            self._join(None)
        elif self.compact_every and version // _JOIN_EVERY > before // _JOIN_EVERY:
            # twice what they have together, so that a row is not copied each time
            self._join(2 * _JOIN_EVERY * self._newest()[0])
        if version // _CHECKPOINT_EVERY > before // _CHECKPOINT_EVERY:
            table = self.guard.open(None)
            if table is not None:
                self.sum_up(table)
                if version // _MOVE_EVERY > before // _MOVE_EVERY:
                    move_older(self.guard.folder, int(table.version()), self.named_versions())

    def sum_up(self, table: DeltaTable) -> None:
        """Write a checkpoint of a table as it is open, and bring it to the disk."""
        table.create_checkpoint()
        self.guard.folder.bring_checkpoint_to_disk(int(table.version()))

    def _newest(self) -> tuple[int, int]:
        """Return the bytes and rows of the file that was written last, each one at least."""
        table = self.guard.open(None)
        if table is None:
            return 1, 1
        files = pa.table(table.get_add_actions(flatten=True))
        columns = ("modification_time", "size_bytes", "num_records")
        known = zip(*(files.column(name).to_pylist() for name in columns), strict=True)
        _, n_bytes, n_rows = max(known, key=itemgetter(0), default=(0, 1, 1))
        return max(1, n_bytes), max(1, n_rows or 0)
