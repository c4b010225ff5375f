"""What may be asked of the outbox as a whole: how much waits, what is under way, what a model has not done yet."""

from __future__ import annotations

from sqlalchemy import func, select

from dicom_node.registry.database import Database
from dicom_node.registry.schema import outbox, results
from dicom_node.registry.states import OutboxState


class OutboxOverview:
    """The part of the registry that looks at the outbox and changes nothing."""

    _database: Database

    def without_result(self, center: str, model_digest: str) -> list[str]:
        """Return the studies of a centre whose newest content is done, but not by this model; in order of arrival.

        What still waits in the outbox, or is being worked on, is not among them: it will be done anyway.
        """
        newest = select(func.max(outbox.c.id)).where(outbox.c.center == center).group_by(outbox.c.study_key)
        done = (
            select(results.c.study_key)
            .where(
                results.c.study_key == outbox.c.study_key,
                results.c.content_digest == outbox.c.content_digest,
                results.c.model_digest == model_digest,
            )
            .exists()
        )
        query = (
            select(outbox.c.study_key)
            .where(outbox.c.id.in_(newest), outbox.c.state == OutboxState.DONE, ~done)
            .order_by(outbox.c.id)
        )
        with self._database.read() as connection:
            return list(connection.scalars(query))

    def outbox_state(self) -> dict[str, int]:
        """Return how many rows are waiting, claimed, held and done."""
        with self._database.read() as connection:
            counted = connection.execute(select(outbox.c.state, func.count()).group_by(outbox.c.state))
            counts = {str(state): int(count) for state, count in counted}
        return {str(state): counts.get(state, 0) for state in OutboxState}

    def runs_under_way(self) -> set[str]:
        """Return the runs of the rows that somebody has claimed."""
        query = select(outbox.c.flow_run_id).where(outbox.c.state == OutboxState.CLAIMED)
        with self._database.read() as connection:
            return {run for run in connection.scalars(query) if run is not None}
