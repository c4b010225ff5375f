"""How many patients came how far: known, arrived, scored, analysed, with the reasons why the others
stayed behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from validation_reports.cohort.assembly import NOT_ARRIVED, NOT_SCORED, QUARANTINED, UNFINISHED

_STEPS = ("Known at the centre", "Studies arrived", "Scored by this model", "Analysed")


@dataclass(frozen=True)
class FlowStep:
    """One step: what it is called, who reached it, and by reason who of them went no further."""

    label: str
    n: int
    left: tuple[tuple[str, int], ...]

    @property
    def n_left(self) -> int:
        """Patients who went no further."""
        return sum(n for _, n in self.left)


def patient_flow(n: int, excluded: Sequence[tuple[str, Sequence[str]]]) -> tuple[FlowStep, ...]:
    """Return the steps from the patients who are known to those who are analysed.

    Parameters
    ----------
    n : int
        Patients analysed.
    excluded : sequence of (str, sequence of str)
        Reason and the pseudonyms of the patients excluded for it, the most frequent reason first.

    Returns
    -------
    tuple of FlowStep
        Four steps; nobody leaves the last one.
    """
    left: list[list[tuple[str, int]]] = [[], [], [], []]
    for reason, keys in excluded:
        left[_step(reason)].append((reason, len(keys)))
    reached = n + sum(len(keys) for _, keys in excluded)
    steps = []
    for label, reasons in zip(_STEPS, left, strict=True):
        step = FlowStep(label, reached, tuple(reasons))
        steps.append(step)
        reached -= step.n_left
    return tuple(steps)


def _step(reason: str) -> int:
    if reason == NOT_ARRIVED:
        return 0
    if reason == NOT_SCORED or reason.startswith((QUARANTINED, UNFINISHED)):
        return 1
    return 2
