"""``python -m flows compact``: small files joined, versions that nobody names removed, and what is
gone said.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from feature_store.tables.store import FeatureStore
from feature_store.wording import are, counted
from flows.named_versions import (
    VersionsError,
    named_versions,
    newest_named_versions,
    versions_named_in,
)
from flows.settings import Settings


class CompactionError(ValueError):
    """The store is not compacted, because versions that somebody needs might be lost."""


def compact_store(
    settings: Settings, keep_days: float | None, elsewhere: Sequence[Path] = ()
) -> list[str]:
    """Compact the feature store, and say what was done.

    Parameters
    ----------
    settings : Settings
        Where the store, the reports and the bundles are.
    keep_days : float or None
        Remove files that no version of so many days needs; `None` removes nothing.
    elsewhere : sequence of Path
        Reports and bundles outside the settings' folders, whose versions stay too.

    Returns
    -------
    list of str
        What was done; a report or bundle whose versions are gone is named.

    Raises
    ------
    CompactionError
        If a report or bundle cannot be read, or the days are not a number of 0 or more.
    StoreError
        If the store cannot be read or written.
    """
    if keep_days is not None and not 0 <= keep_days < 36500:
        raise CompactionError(f"--keep-days {keep_days:g}: expected 0 or more days.")
    try:
        named = [
            *named_versions(settings),
            *((path, versions_named_in(path)) for path in elsewhere),
        ]
    except VersionsError as error:
        raise CompactionError(
            f"Nothing was compacted, as versions that it names might be lost: {error}"
        ) from error
    store = FeatureStore(
        settings.store_location(),
        known_versions=lambda: newest_named_versions(settings),
        named_versions=lambda: [versions for _, versions in named],
    )
    if defects := store.defects():
        raise CompactionError(
            "Nothing was compacted, as the store is not what it should be. "
            + " ".join(defect.sentence for defect in defects)
        )
    busy = store.compact()
    removed = store.remove_old_files(
        30.0 if keep_days is None else keep_days,
        [versions for _, versions in named],
        dry_run=keep_days is None,
    )
    total = sum(removed.values())
    tables = ", ".join(f"{name} {count}" for name, count in removed.items() if count) or "none"
    lines = [
        f"small files joined; reports and bundles that name versions, which stay: {len(named)}"
    ]
    if busy:
        lines.append(f"another process is at {', '.join(busy)}: nothing was joined there")
    if keep_days is None:
        lines.append(
            f"{counted(total, 'file')} older than 30 days {are(total)} needed by no such version "
            f"({tables}): --keep-days 30 removes"
        )
    else:
        lines.append(
            f"{counted(total, 'file')} removed that only versions older than "
            f"{counted(keep_days, 'day')} needed ({tables})"
        )
    for path, versions in named:
        if gone := store.gone(versions):
            which = ", ".join(f"{name} {version}" for name, version in gone.items())
            lines.append(f"gone before: {path.name} names {which}, whose files are no longer there")
    return lines
