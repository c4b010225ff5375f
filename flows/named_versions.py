"""Which versions of the feature store reports and bundles name: those must stay readable."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from feature_store.errors import FeatureStoreError
from feature_store.tables.store import FeatureStore
from flows.settings import Settings
from models.bundle.frozen_bundle import MANIFEST
from validation_reports.report.file_names import JSON_NAME

_READ: dict[Path, tuple[tuple[int, int], dict[str, int]]] = {}
"""What files named, and when they were changed last and how long they were then."""


class VersionsError(ValueError):
    """A file or a time names no versions of the feature store."""


class NothingWrittenError(VersionsError, FeatureStoreError):
    """At a time that a person has given, nothing was in the feature store."""


def versions_named_in(path: Path) -> dict[str, int]:
    """Return the versions of tables that a report or bundle was made from.

    Parameters
    ----------
    path : Path
        A ``report.json``, a bundle's ``manifest.json``, or the folder of either.

    Raises
    ------
    VersionsError
        If it is neither, or names no versions.
    """
    file = path
    if path.is_dir():
        file = next(
            (path / name for name in (JSON_NAME, MANIFEST) if (path / name).is_file()),
            path / JSON_NAME,
        )
    found = _versions_of(file)
    if not found:
        raise VersionsError(
            f"{path} names no versions of the feature store: expected a report.json or a bundle."
        )
    return found


def named_versions(settings: Settings) -> Iterator[tuple[Path, Mapping[str, int]]]:
    """Yield each report, each bundle beside the pinned one, and each earlier one, with the versions
    that it names.

    Parameters
    ----------
    settings : Settings
        Where reports and bundle are.

    Raises
    ------
    VersionsError
        If one of them cannot be read, so that nobody knows what it names.
    """
    for file in _candidates(settings):
        if versions := _versions_of(file):
            yield file.parent, versions


def newest_named_versions(settings: Settings) -> dict[str, int]:
    """Return the newest version of each table that a report names; reports that cannot be read are
    passed over.

    Bundles do not count: the store that one was trained from may be another hospital's.

    Parameters
    ----------
    settings : Settings
        Where reports are.
    """
    newest: dict[str, int] = {}
    for file in _reports(settings):
        with contextlib.suppress(VersionsError):
            for name, version in _versions_of(file).items():
                newest[name] = max(version, newest.get(name, version))
    return newest


def readable_named_versions(settings: Settings) -> list[Mapping[str, int]]:
    """Return the versions that each report and bundle names; those that cannot be read are passed
    over.

    Parameters
    ----------
    settings : Settings
        Where reports and bundle are.
    """
    found: list[Mapping[str, int]] = []
    for file in _candidates(settings):
        with contextlib.suppress(VersionsError):
            found.append(_versions_of(file))
    return found


def moment_of(text: str) -> datetime:
    """Return the time that a person has given in place of a report.

    Raises
    ------
    VersionsError
        If it is no time, or has no zone.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise VersionsError(
            f"--as-of {text} is neither a file that exists nor a time: expected a report.json, the "
            "folder of a report or bundle, or a time such as 2026-01-31T12:00Z."
        ) from None
    if moment.tzinfo is None:
        raise VersionsError(f"The time {text} has no zone: end it with Z for UTC, or with +01:00.")
    if moment > datetime.now(UTC):
        raise VersionsError(
            f"The time {text} is still to come, and what is there now may not be what is there "
            "then: give a time that has passed, or leave --as-of out."
        )
    return moment


def versions_at(store: FeatureStore, text: str) -> dict[str, int]:
    """Return the version that each table had at the time that a person has given.

    Raises
    ------
    VersionsError
        If it is no time.
    NothingWrittenError
        If nothing had been written then.
    """
    found = store.versions_at(moment_of(text))
    if not found:
        raise NothingWrittenError(
            f"At {text} nothing had been written to the feature store: give a later time."
        )
    return found


def _reports(settings: Settings) -> list[Path]:
    # a report that was handed over and deleted here can be made again from its record
    return [
        *sorted(settings.reports_folder().rglob(JSON_NAME)),
        *sorted(settings.records_folder().glob("*.json")),
    ]


def _candidates(settings: Settings) -> list[Path]:
    candidates = _reports(settings)
    if settings.model.bundle is not None:
        candidates += sorted(settings.model.bundle.parent.glob(f"*/{MANIFEST}"))
    return candidates + [bundle / MANIFEST for bundle in settings.model.earlier.values()]


def _versions_of(file: Path) -> dict[str, int]:
    """Return ``provenance.store_versions`` of a report or ``facts.store_versions`` of a bundle;
    none if it has none.
    """
    try:
        status = file.stat()
        state = status.st_mtime_ns, status.st_size
        # a store that is written to asks again and again
        if _READ.get(file, (None, {}))[0] != state:
            _READ[file] = state, _named(json.loads(file.read_text(encoding="utf-8")))
        return dict(_READ[file][1])
    except (OSError, ValueError) as error:
        raise VersionsError(
            f"{file} cannot be read as a report or bundle ({type(error).__name__}): mend it, or "
            "move it away."
        ) from error


def _named(content: Any) -> dict[str, int]:
    for part in ("provenance", "facts"):
        section = content.get(part) if isinstance(content, dict) else None
        versions = section.get("store_versions") if isinstance(section, dict) else None
        if isinstance(versions, dict) and all(
            isinstance(number, int) for number in versions.values()
        ):
            return {str(name): number for name, number in versions.items()}
    return {}
