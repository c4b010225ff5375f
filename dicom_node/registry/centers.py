"""The centres of the settings, as far as other processes than the node need to know them."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, delete, select

from dicom_node.center import Center
from dicom_node.registry.database import Database
from dicom_node.registry.schema import centers


class Centers:
    """Which centres there are, which of them want reports, and how each names the GTV.

    Parameters
    ----------
    database : Database
        The registry's transactions.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, known: Iterable[Center]) -> None:
        """Record the centres of the settings in place of those that were recorded before."""
        with self._database.write() as connection:
            connection.execute(delete(centers))
            for center in known:
                connection.execute(
                    centers.insert().values(
                        name=center.name,
                        wants_reports=center.return_to is not None,
                        gtv_pattern=center.gtv_pattern,
                    )
                )


def wants_reports(connection: Connection, center: str) -> bool:
    """Say whether a centre has a return AE; one that the node has not named yet may have one."""
    wants = connection.scalar(select(centers.c.wants_reports).where(centers.c.name == center))
    return wants is None or bool(wants)
