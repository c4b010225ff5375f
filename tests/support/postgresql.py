"""A real PostgreSQL of the tests' own: a temporary cluster on a socket in a temporary folder,
nothing else.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Self

import psycopg
from psycopg.sql import SQL, Identifier

from tests.support.waiting import wait_until

_USER = "postgres"


def programs() -> Path | None:
    """Return the folder with the newest PostgreSQL server of this machine, if there is one."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3])
    )
    if found:
        return found[-1].parent
    on_path = shutil.which("postgres")
    return Path(on_path).parent if on_path else None


class PostgreSQL:
    """A cluster that lives as long as the context; it never runs as root, which the server refuses.

    Parameters
    ----------
    binaries : Path
        Folder with ``initdb`` and ``postgres``.
    """

    def __init__(self, binaries: Path) -> None:
        self._binaries = binaries
        self._made = 0

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="annulus-pg-"))  # sockets need a short path
        user = _USER if os.geteuid() == 0 else None
        if user is not None:
            shutil.chown(self._folder, user, user)
        data = self._folder / "data"
        initdb: list[str | Path] = [
            self._binaries / "initdb",
            "-D",
            data,
            "-A",
            "trust",
            "-U",
            "annulus",
            "-E",
            "UTF8",
            "--no-sync",
        ]
        subprocess.run(
            initdb, check=True, capture_output=True, cwd=self._folder, user=user, group=user
        )
        settings = (
            "listen_addresses=",
            "fsync=off",
            "synchronous_commit=off",
            "full_page_writes=off",
        )
        command: list[str | Path] = [self._binaries / "postgres", "-D", data, "-k", self._folder]
        self._process = subprocess.Popen(
            [*command, *(word for setting in settings for word in ("-c", setting))],
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=user,
            group=user,
        )
        wait_until(self._answers, 60, "PostgreSQL answers", process=self._process)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGQUIT)  # at once: nothing of it is needed any more
        self._process.wait(30)
        shutil.rmtree(self._folder)

    def new_schema(self) -> str:
        """Make an empty schema, which is quicker than a database, and return its SQLAlchemy URL."""
        self._made += 1
        name = f"registry_{self._made}"
        with psycopg.connect(self._address, autocommit=True) as connection:
            connection.execute(SQL("CREATE SCHEMA {}").format(Identifier(name)))
        query = f"host={self._folder}&options=-csearch_path%3D{name}"
        return f"postgresql+psycopg://annulus@/postgres?{query}"

    def new_database(self, driver: str) -> str:
        """Make an empty database, and return its SQLAlchemy URL with this driver."""
        self._made += 1
        name = f"database_{self._made}"
        with psycopg.connect(self._address, autocommit=True) as connection:
            connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        return f"{driver}://annulus@/{name}?host={self._folder}"

    @property
    def _address(self) -> str:
        return f"host={self._folder} user=annulus dbname=postgres"

    def _answers(self) -> bool:
        try:
            psycopg.connect(self._address).close()
        except psycopg.OperationalError:
            return False
        return True
