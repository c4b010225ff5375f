"""What is wrong with a table as a whole, each kind in one sentence; `table_repair` mends it.

Found from the files alone, because the library that reads them takes an empty commit for one that
did nothing and a table without its log for one that was never written.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Any, Final
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from feature_store.tables.table_folder import (
    LAST_CHECKPOINT,
    LOG,
    Listing,
    TableFolder,
    checkpoint_file,
    commit_file,
)
from feature_store.wording import counted

_MOST_UNSEEN: Final = 10_000
_OF_A_CHECKPOINT: Final = frozenset({"add", "metaData", "protocol"})
MEND = "`python -m flows store check --repair`"


class Damage(StrEnum):
    """Kinds of damage to a table; the first two cost nothing that was acknowledged."""

    TORN_COMMIT = "torn-commit"
    TORN_CHECKPOINT = "torn-checkpoint"
    LOG_MISSING = "log-missing"
    LOG_BROKEN = "log-broken"
    FILE_MISSING = "file-missing"
    OLDER = "older"


HARMLESS = frozenset({Damage.TORN_COMMIT, Damage.TORN_CHECKPOINT})


@dataclass(frozen=True)
class TableDefect:
    """One thing that is wrong with a table.

    Parameters
    ----------
    table : str
        Name of the table.
    damage : Damage
        Its kind.
    sentence : str
        What is wrong, and how to mend it.
    files : tuple of str
        The files that it is about, relative to the table.
    """

    table: str
    damage: Damage
    sentence: str
    files: tuple[str, ...] = ()


def table_defects(folder: TableFolder, known: int | None = None) -> tuple[TableDefect, ...]:
    """Return what is wrong with a table; nothing, if it is sound.

    Parameters
    ----------
    folder : TableFolder
        The table.
    known : int, optional
        The newest version that is known to have been there, from reports.

    Raises
    ------
    OSError
        If the folder or the object store cannot be looked through.
    """
    there, name = folder.listing(), folder.name
    if not there.commits and there.data:
        there = folder.listing()  # another process may have made the table between log and rows
    if not there.commits and not there.checkpoints:
        if there.data:
            return (
                TableDefect(
                    name,
                    Damage.LOG_MISSING,
                    f"The table {name} has {counted(len(there.data), 'file')} of rows and no "
                    f"log ({LOG}), which says which of them count: it is damaged, not "
                    f"empty. Restore the folder {LOG} from a back-up, or have the log "
                    f"made anew from the rows with {MEND}.",
                ),
            )
        return _older(name, None, known)
    found = _log_defects(folder, there, name)
    if found:
        return found
    try:
        table = folder.opened()
    except DeltaError:
        if folder.local is None or not there.checkpoints:
            raise
        # its name and its columns are right, its bytes are not: the entries say the same
        return (_torn_checkpoint(name, (there.checkpoints[max(there.checkpoints)],)),)
    return (*_file_defects(folder, table, there, name), *_older(name, int(table.version()), known))


def _log_defects(folder: TableFolder, there: Listing, name: str) -> tuple[TableDefect, ...]:
    bad = _bad_summaries(folder, there)
    start = max((one for one, path in there.checkpoints.items() if path not in bad), default=-1)
    newest = max([start, *there.commits])
    between = (one for one in range(start + 1, newest + 1) if one not in there.commits)
    unseen = list(islice(between, _MOST_UNSEEN))
    # a folder that is written to meanwhile may not show an entry that is there
    seen = folder.sizes_of(map(commit_file, unseen)) if unseen else {}
    lacking = [one for one in unseen if commit_file(one) not in seen]
    gone = [one for one in lacking if one not in there.older]
    torn = {one for one in there.commits if one > start and _actions(folder, one) is None}
    unfinished = [] if gone or seen else _unfinished(folder, there, start, newest)
    is_all_torn = start < 0 and len(torn) == newest + 1
    if gone or not torn.issubset(unfinished) or (is_all_torn and there.data):
        return (_broken_log(name, (start + 1, newest), len(gone), len(torn)),)
    defects = []
    if unfinished:
        defects.append(_torn_commit(name, there, unfinished))
    if bad or lacking:
        defects.append(_torn_checkpoint(name, tuple(bad)))
    return tuple(defects)


def _bad_summaries(folder: TableFolder, there: Listing) -> list[str]:
    """Return the summaries of the log that cannot be read, and the file that names the newest where
    it names none that can.
    """
    bad = [path for path in there.checkpoints.values() if not _is_checkpoint(folder, path)]
    if LAST_CHECKPOINT in there.sizes:
        named = _checkpoint_named(folder)
        if named is None:
            is_right = False
        elif named in there.checkpoints:
            is_right = there.checkpoints[named] not in bad
        else:
            is_right = _is_there(folder, named)  # written since the listing
        if not is_right:
            bad.append(LAST_CHECKPOINT)
    return bad


def _unfinished(folder: TableFolder, there: Listing, start: int, newest: int) -> list[int]:
    """Return the newest versions that are not whole and that nobody was told of, ascending; what
    was on the disk when somebody was told of it was finished, and has been damaged since.
    """
    found: list[int] = []
    for one in range(newest, max(start, folder.newest_on_disk()), -1):
        if _has_its_rows(folder, one, there):
            break
        found.insert(0, one)
    return found


def _broken_log(name: str, versions: tuple[int, int], gone: int, torn: int) -> TableDefect:
    many = f"{_MOST_UNSEEN} and more" if gone == _MOST_UNSEEN else str(gone)
    what = f"{many} missing and {counted(torn, 'unreadable entry', 'unreadable entries')}"
    first, last = versions
    return TableDefect(
        name,
        Damage.LOG_BROKEN,
        f"The log of the table {name} has {what} among its versions {first} to {last}, so that "
        f"nobody can say which rows count. Restore the folder {LOG} from a back-up, or have the "
        f"log made anew from the rows with {MEND}.",
    )


def _torn_commit(name: str, there: Listing, unfinished: list[int]) -> TableDefect:
    which = " and ".join(map(str, unfinished))
    return TableDefect(
        name,
        Damage.TORN_COMMIT,
        f"The newest version of the table {name} ({which}) is empty, torn or without its rows, as "
        "a power cut leaves a write that was not finished and that nobody was told of: version "
        f"{unfinished[0] - 1} is the newest that is whole. {MEND} sets it aside.",
        tuple(there.commits[one] for one in unfinished),
    )


def _torn_checkpoint(name: str, files: tuple[str, ...]) -> TableDefect:
    return TableDefect(
        name,
        Damage.TORN_CHECKPOINT,
        f"A summary of the log of the table {name} is missing, empty, torn or changed, as a power "
        f"cut leaves one; the log itself is whole. {MEND} goes on without it.",
        files,
    )


def _file_defects(
    folder: TableFolder, table: DeltaTable, there: Listing, name: str
) -> tuple[TableDefect, ...]:
    live = pa.table(table.get_add_actions(flatten=True))
    expected = {
        unquote(path): int(size)
        for path, size in zip(
            live.column("path").to_pylist(), live.column("size_bytes").to_pylist(), strict=True
        )
    }
    suspect = [path for path, size in expected.items() if there.sizes.get(path) != size]
    # the table may have been opened at a version that is newer than the listing
    now = folder.sizes_of(suspect) if suspect else {}
    lacking = {path for path in suspect if now.get(path) != expected[path]}
    # an object store keeps what it was given
    whole = expected.keys() - lacking if folder.local is not None else ()
    changed = {path for path in whole if not _has_footer(folder, path)}
    bad = sorted({*lacking, *changed})
    if not bad:
        return ()
    empty = sum(path in now for path in lacking) + len(changed)
    counts = {"missing": len(bad) - empty, "empty, cut short or changed": empty}
    what = [f"{n} {'is' if n == 1 else 'are'} {how}" for how, n in counts.items() if n]
    return (
        TableDefect(
            name,
            Damage.FILE_MISSING,
            f"Of the {counted(len(expected), 'file')} of rows of the table {name}, "
            f"{' and '.join(what)}, which no clean-up does. "
            f"Restore them from a back-up, or give their rows up with {MEND}: studies are then "
            "scored again, clinical tables must be imported again.",
            tuple(bad),
        ),
    )


def _older(name: str, newest: int | None, known: int | None) -> tuple[TableDefect, ...]:
    if known is None or (newest is not None and known <= newest):
        return ()
    found = "is not there" if newest is None else f"ends with version {newest}"
    return (
        TableDefect(
            name,
            Damage.OLDER,
            f"The table {name} {found}, and reports name its version {known}: the store "
            "is an older back-up than they are, or another store. Restore the newer one, or go on "
            f"from this one with {MEND}: the versions in between are then given up for good.",
        ),
    )


def _actions(folder: TableFolder, version: int) -> list[dict[str, Any]] | None:
    try:
        return folder.actions(version)
    except ValueError:
        return None


def _has_its_rows(folder: TableFolder, version: int, there: Listing) -> bool:
    """Say whether a commit can be read and the files that it brought are there."""
    actions = _actions(folder, version)
    added = [action["add"] for action in actions or () if "add" in action]
    return actions is not None and all(
        there.sizes.get(unquote(file["path"])) == file["size"] for file in added
    )


def _checkpoint_named(folder: TableFolder) -> int | None:
    with folder.files().open_input_stream(LAST_CHECKPOINT) as stream:
        content = stream.read()
    try:
        return int(json.loads(content)["version"])
    except (ValueError, KeyError, TypeError):
        return None


def _is_there(folder: TableFolder, checkpoint: int) -> bool:
    return bool(folder.sizes_of([checkpoint_file(checkpoint)]))


def _has_footer(folder: TableFolder, path: str) -> bool:
    """Say whether the end of a file, which says where its rows are, can be read."""
    try:
        with folder.files().open_input_file(path) as file:
            return bool(pq.ParquetFile(file).schema_arrow.names)
    except FileNotFoundError:
        return True  # replaced and cleaned away since the table was opened
    except (pa.ArrowException, OSError, ValueError) as error:
        if getattr(error, "errno", None):
            raise  # the disk does not give it: nobody knows what is in it
        return False


def _is_checkpoint(folder: TableFolder, path: str) -> bool:
    try:
        with folder.files().open_input_file(path) as file:
            return set(pq.read_schema(file).names) >= _OF_A_CHECKPOINT
    except (pa.ArrowException, OSError, ValueError):
        return False
