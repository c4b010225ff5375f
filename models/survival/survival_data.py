"""Follow-up of a cohort: how long each patient was seen, and whether death was."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.errors import SurvivalDataError
from models.wording import counted

_TIE_TOLERANCE = float(np.sqrt(np.finfo(np.float64).eps))


@dataclass(frozen=True, eq=False)
class Survival:
    """Right-censored survival times, bound once so that time and event cannot come apart.

    Anything array-like is accepted and kept as a read-only copy. Events may be given as booleans or
    as 0 and 1. Times that differ by rounding only are one time, as with R's `timefix`
    (``survival::aeqSurv``).

    Parameters
    ----------
    days : ndarray of float64, shape (n,)
        Days from the start of radiotherapy to death or censoring, above 0.
    event : ndarray of bool, shape (n,)
        `True` where the patient died, `False` where follow-up ended before.

    Raises
    ------
    SurvivalDataError
        If the lengths differ, there is no patient, a time is not a finite number above 0, or an
        event is neither true nor false.
    """

    days: NDArray[np.float64]
    event: NDArray[np.bool_]

    def __post_init__(self) -> None:
        days = _days(self.days)
        event = _event(self.event)
        if days.size != event.size:
            raise SurvivalDataError(
                f"There are {counted(days.size, 'survival time')} but "
                f"{counted(event.size, 'event')}: give one of each for every patient."
            )
        days.flags.writeable = False
        event.flags.writeable = False
        object.__setattr__(self, "days", days)
        object.__setattr__(self, "event", event)

    def __len__(self) -> int:
        return self.n

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Survival):
            return NotImplemented
        return np.array_equal(self.days, other.days) and np.array_equal(self.event, other.event)

    __hash__ = None  # type: ignore[assignment]

    @property
    def n(self) -> int:
        """Number of patients."""
        return int(self.days.size)

    @property
    def n_events(self) -> int:
        """Number of deaths."""
        return int(self.event.sum())

    def subset(self, rows: ArrayLike) -> Survival:
        """Return the patients at `rows`, in that order.

        Parameters
        ----------
        rows : array_like of int or bool
            Positions or a mask of length n.

        Returns
        -------
        Survival

        Raises
        ------
        SurvivalDataError
            If no patient is left.
        """
        selector = np.asarray(rows)
        if selector.size == 0:
            selector = selector.astype(np.intp)
        return Survival(self.days[selector], self.event[selector])


def _days(values: ArrayLike) -> NDArray[np.float64]:
    try:
        days = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise SurvivalDataError(
            "A survival time is not a number: give days from the start of radiotherapy."
        ) from error
    if days.ndim != 1:
        raise SurvivalDataError(f"Survival times have shape {days.shape}: give one column of days.")
    if days.size == 0:
        raise SurvivalDataError("There is no patient in the survival data: give at least one.")
    bad = np.flatnonzero(~(np.isfinite(days) & (days > 0)))
    if bad.size:
        raise SurvivalDataError(
            f"{bad.size} of {counted(days.size, 'survival time')} "
            f"{'is no finite number' if bad.size == 1 else 'are no finite numbers'} above 0, the "
            f"first is {days[bad[0]]:g} in row {bad[0]} (rows counted from 0): leave out patients "
            "without follow-up."
        )
    return _joined_ties(days)


def _joined_ties(days: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the times, of which each that follows another within R's tolerance is that one."""
    if (days == np.rint(days)).all():  # whole days are far apart
        return days
    times = np.unique(days)
    gaps = np.diff(times)
    tied = (gaps <= _TIE_TOLERANCE) | (gaps / times.mean() <= _TIE_TOLERANCE)
    if not tied.any():
        return days
    kept = times[np.concatenate([[True], ~tied])]
    joined: NDArray[np.float64] = kept[np.searchsorted(kept, days, side="right") - 1]
    return joined


def _event(values: ArrayLike) -> NDArray[np.bool_]:
    raw = np.asarray(values)
    if raw.ndim != 1:
        raise SurvivalDataError(
            f"Events have shape {raw.shape}: give one column of true and false."
        )
    if raw.dtype == np.bool_:
        return raw.copy()
    try:
        number = raw.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise SurvivalDataError(
            "An event is neither true nor false: use 1 for death and 0 for censoring."
        ) from error
    bad = np.flatnonzero((number != 0) & (number != 1))
    if bad.size:
        raise SurvivalDataError(
            f"{bad.size} of {counted(number.size, 'event')} {'is' if bad.size == 1 else 'are'} "
            f"neither true nor false, the first is {number[bad[0]]:g} in row {bad[0]} (rows "
            "counted from 0): use 1 for death and 0 for censoring."
        )
    return number.astype(np.bool_)
