"""Where an installation keeps what may name a person, and what may lie outside of it."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from dicom_node.archive.erased_people import FOLDER
from flows.installation import Installation

PREFECT_DATABASE = "prefect.db"

OUTSIDE = (
    "the centre's own PACS: its images, and the reports (SR and PDF) that it was given",
    "exports (`python -m dicom_node export`), and folders that a command was told to write to",
    "lists of patients that were fetched (`python -m dicom_node retrieve`), and their results",
    "reports, bundles and clinical tables that somebody copied elsewhere",
    "back-ups: `python -m flows erase --again` cleans one that was put back",
    "logs that journald, a container's runtime or another collector keeps",
)
"""What no command can reach from here."""


def roots(work: Installation) -> list[Path]:
    """Return the folders of an installation that exist, none within another."""
    settings = work.settings
    home = settings.node.folder.absolute()
    found = [
        home,
        home.with_name(f"{home.name}-{FOLDER}"),
        settings.reports_folder(),
        settings.clinical_drop_folder(""),
    ]
    if "://" not in settings.store_location():
        found.append(Path(settings.store_location()))
    found += bundles(work)
    for database in prefect_databases(work):
        found += [database.parent, database.parent.with_name("logs")]
    unique = sorted({one.resolve() for one in found if one.exists()})
    return [
        one
        for one in unique
        if not any(one != root and one.is_relative_to(root) for root in unique)
    ]


def bundles(work: Installation) -> list[Path]:
    """Return the folders of the bundles that are pinned, earlier ones, and others beside them."""
    model = work.settings.model
    named = [*([model.bundle] if model.bundle else []), *model.earlier.values()]
    beside = [
        path.parent for one in named for path in one.absolute().parent.glob("*/manifest.json")
    ]
    return sorted({one.absolute() for one in named if one.is_dir()} | set(beside))


def prefect_databases(work: Installation) -> list[Path]:
    """Return the databases of Prefect servers that keep theirs in a file here."""
    home = work.settings.node.folder.absolute()
    places = [home / "system" / "prefect", home.parent / "prefect"]
    if named := os.environ.get("PREFECT_HOME"):
        places.insert(0, Path(named).expanduser())
    found = {(place / PREFECT_DATABASE).resolve() for place in places}
    return sorted(one for one in found if one.is_file())


def prefect_elsewhere(work: Installation) -> str | None:
    """Return a sentence on a Prefect server whose database may be no file here; `None` where it is
    one.
    """
    url = os.environ.get("PREFECT_API_DATABASE_CONNECTION_URL", "")
    named = work.settings.prefect.api_url
    if (not url or url.startswith("sqlite")) and not named:
        return None
    server = f"the Prefect server at {named}" if named else "the Prefect server"
    return (
        f"The database of {server}, where it is none of the files that were searched: delete the "
        "runs of the person's studies there, with their logs and artifacts; its events go by its "
        "own retention."
    )


def store_elsewhere(work: Installation) -> str | None:
    """Return a sentence on a feature store that nobody can be taken out of from here; `None` where
    it lies on a disk.
    """
    location = work.settings.store_location()
    if "://" not in location:
        return None
    return (
        f"The feature store lies in an object store ({location}), whose older versions of objects "
        "cannot be looked through from here: copy it to a local disk, name that in the settings, "
        "erase, and replace the object store and its older versions."
    )


def who_runs(work: Installation) -> list[str]:
    """Return what of the installation runs and would write meanwhile, in words."""
    home = work.settings.node.folder.absolute()
    found = []
    locks = {"the node": home / "node.lock", "`make up`": home / "system" / "supervisor.lock"}
    for name, lock in locks.items():
        if lock.exists() and _is_held(lock):
            found.append(name)
    work.registry.close()
    opened = [one.name for one in _sqlite_databases(work) if _is_open_elsewhere(one)]
    return found + [f"whatever has {name} open" for name in opened]


def _sqlite_databases(work: Installation) -> Iterator[Path]:
    url = work.settings.node.resolved_registry_url()
    if url.startswith("sqlite:///"):
        yield Path(url.removeprefix("sqlite:///"))
    yield from prefect_databases(work)


def _is_held(lock: Path) -> bool:
    with lock.open("r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _is_open_elsewhere(database: Path) -> bool:
    """Say whether another connection has an SQLite database open: only who is alone may change its
    journal's mode.
    """
    if not database.is_file():
        return False
    with closing(sqlite3.connect(database, timeout=0.2, isolation_level=None)) as connection:
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = DELETE").fetchone()
        except sqlite3.OperationalError:
            return True
    return bool(mode != "delete")
