"""Opening a Delta table, and refusing one that is not what it should be: damage never reads as a
table that is empty, or a version that is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from feature_store.errors import FeatureStoreError
from feature_store.tables.older_log import bring_back
from feature_store.tables.storage_errors import in_words
from feature_store.tables.table_defects import HARMLESS, TableDefect, table_defects
from feature_store.tables.table_folder import TableFolder
from feature_store.tables.table_repair import is_lost, repair


class StoreError(FeatureStoreError, RuntimeError):
    """A table of the feature store cannot be read or written as asked."""


class GuardedTable:
    """A Delta table that is opened only while it is sound.

    Parameters
    ----------
    uri : str
        Folder or object-store URL of the table.
    storage_options : mapping of str to str
        Access to an object store, as `deltalake` takes it.
    known_version : callable
        Says which version is known to have been there, from what names versions; `None` for none.
    """

    def __init__(
        self, uri: str, storage_options: Mapping[str, str], known_version: Callable[[], int | None]
    ) -> None:
        self.uri = uri
        self.storage_options = dict(storage_options)
        self.folder = TableFolder(uri, self.storage_options)
        self.name = self.folder.name
        self.known_version = known_version
        self._open: list[DeltaTable] = []
        self._is_sound = False

    def version(self) -> int | None:
        """Return the newest version; `None` while nothing has been written."""
        table = self.open(None)
        return None if table is None else int(table.version())

    def version_at(self, moment: datetime) -> int | None:
        """Return the newest version that was there at an aware moment, by what each commit says of
        its time; `None` if nothing had been written.
        """
        newest = self.version()
        for version in range(newest or 0, 0, -1):  # before its first rows, version 0 is the answer
            time = self.told(version).get("timestamp")
            if time is not None and time <= moment.timestamp() * 1000:
                return version
        return None

    def told(self, version: int) -> dict[str, Any]:
        """Return what a commit says of itself; nothing, if its entry was cleaned away."""
        try:
            actions = self.folder.actions(version)
        except FileNotFoundError:
            return {}
        return next((dict(one["commitInfo"]) for one in actions if "commitInfo" in one), {})

    def open(self, version: int | None) -> DeltaTable | None:
        """Return the table at a version (`None`: the newest); `None` while nothing was written.

        Raises
        ------
        StoreError
            If it is damaged, or there is no such version.
        """
        try:
            if version is not None and is_lost(self.folder, version):
                raise StoreError(
                    f"Version {version} of the table {self.name} was lost when an older store was "
                    "restored: what it held is not there. Ask for an earlier or a later one."
                )
            if version is not None and not self.folder.is_whole_until(version):
                bring_back(self.folder, version)
            table = DeltaTable(
                self.uri, version=version, storage_options=self.storage_options or None
            )
            whole = self.folder.is_whole_until(int(table.version()))
        except TableNotFoundError:
            if damage := self.damage():
                raise StoreError(damage) from None
            if version is None:
                return None
            if self.version() is not None:
                raise self.gone(version) from None
            raise StoreError(
                f"The table {self.name} does not exist, expected version {version} of it."
            ) from None
        except DeltaError as error:
            raise StoreError(self._why_not_opened(version, error)) from error
        except OSError as error:
            raise StoreError(
                f"The table {self.name} cannot be opened: {in_words(error)}."
            ) from error
        if not whole:
            raise StoreError(self.damage() or str(self.gone(int(table.version()))))
        return table

    def _why_not_opened(self, version: int | None, error: DeltaError) -> str:
        if damage := self.damage():
            return damage
        newest = None if version is None else self.version()
        if newest is not None and version is not None:
            if version > newest:
                return (
                    f"The table {self.name} has no version {version} yet: ask for one from 0 to "
                    f"{newest}."
                )
            there = self.folder.listing()
            if version not in there.commits and version not in there.older:
                return str(self.gone(version))
        which = "" if version is None else f" at version {version}"
        return f"The table {self.name} cannot be opened{which}: {in_words(error)}."

    def open_for_writing(self) -> DeltaTable | None:
        """Return the table as it is now; `None` while nothing was written.

        One that this process has open already is brought up to date: to read only what is new
        costs the same however many versions there are.
        """
        try:
            table = self._open.pop()
        except IndexError:
            return self.open(None)
        if not self.folder.is_whole(int(table.version())):
            self._is_sound = False
            self.require_sound()
            return self.open(None)
        if not self.folder.may_have_more(int(table.version())):
            return table
        try:
            table.update_incremental()
        except (DeltaError, OSError):
            return self.open(None)
        return table

    def keep_open(self, table: DeltaTable) -> None:
        """Have the next write begin with a table that this process has open."""
        self._open.append(table)

    def require_sound(self, *, anew: bool = False) -> None:
        """Refuse to change a table that is not what it should be; looked at once per process, and
        before each clean-up.
        """
        if anew or not self._is_sound:
            if damage := self.damage():
                raise StoreError(f"Nothing is written or removed. {damage}")
            self._is_sound = True

    def damage(self) -> str | None:
        """Return the first thing that is wrong with the table, in a sentence."""
        found = self.defects()
        return found[0].sentence if found else None

    def trouble(self, error: Exception) -> str:
        """Return in words why a write failed."""
        return (self.damage() or in_words(error)).rstrip(".")

    def has(self, version: int) -> bool:
        """Say whether a version can be opened."""
        try:
            return self.open(version) is not None
        except StoreError:
            return False

    def gone(self, version: int) -> StoreError:
        """Return what is said of a version whose files are not there."""
        if self._was_cleaned_after(version):
            return StoreError(
                f"Version {version} of the table {self.name} is gone: a compaction removed files "
                "that only it used. Ask for a version that a report or bundle names, or for a "
                "newer one."
            )
        return StoreError(
            f"Files of version {version} of the table {self.name} are missing, and no clean-up has "
            "removed them. Restore them from a back-up, or ask for another version."
        )

    def _was_cleaned_after(self, version: int) -> bool:
        there = self.folder.listing()
        commits = {*there.older, *there.commits}
        later = [one for one in commits if one > version]
        if version not in commits or len(later) < max(later, default=version) - version:
            return True  # a clean-up of the log itself
        return any(
            str(action.get("commitInfo", {}).get("operation", "")).startswith("VACUUM")
            for one in later
            for action in self.folder.actions(one)
        )

    def defects(self) -> tuple[TableDefect, ...]:
        """Return what is wrong with the table as a whole.

        Raises
        ------
        StoreError
            If its files cannot be looked through.
        """
        try:
            return table_defects(self.folder, self.known_version())
        except (DeltaError, OSError) as error:
            raise StoreError(
                f"The table {self.name} cannot be checked: {in_words(error)}."
            ) from error

    def repair(
        self, rebuild: Callable[[pa.Table], None], *, harmless_only: bool = False
    ) -> list[str]:
        """Mend what is wrong with the table, while nobody else writes to it; say what was done.

        Parameters
        ----------
        rebuild : callable
            Writes rows as a new table.
        harmless_only : bool
            Whether to mend only what a power cut leaves of writes that nobody was told of.

        Raises
        ------
        StoreError
            If it cannot be mended.
        """
        done: list[str] = []
        # one defect may hide another: a file is missed only by a log that can be read
        for _ in range(len(HARMLESS) + 3):
            found = [one for one in self.defects() if one.damage in HARMLESS or not harmless_only]
            if not found:
                break
            self._open.clear()
            try:
                done.append(repair(self.folder, found[0], self.known_version(), rebuild))
            except (DeltaError, OSError, pa.ArrowException) as error:
                raise StoreError(
                    f"The table {self.name} cannot be mended: {in_words(error)}."
                ) from error
        return done
