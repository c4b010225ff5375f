"""Time and event of each patient: from a column with its unit, from dates, or from both where they
agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from feature_store.clinical_tables.column_values import ColumnValues
from feature_store.clinical_tables.conventions import Unit
from feature_store.clinical_tables.shown_values import ShownValues
from feature_store.wording import counted

_ROUNDING_DAYS = 1.0
_FIRST_YEAR = 1900
"""Earlier years are slips, or of another calendar, in which a year has other days."""


@dataclass(frozen=True)
class FollowUpColumns:
    """The columns that tell how long a patient was followed and whether he or she died.

    Parameters
    ----------
    names : mapping of str to str
        Names in the header of what is there: ``survival``, ``event``, ``start``, ``death``,
        ``last``.
    unit : Unit
        Of the survival times.
    survival : ColumnValues of float
        Survival times in that unit.
    event : ColumnValues of bool
        Whether the patient died.
    start, death, last : ColumnValues of date
        First day of radiotherapy, day of death, last contact.
    today : date
        No date may be later.
    """

    names: Mapping[str, str]
    unit: Unit = Unit.DAYS
    survival: ColumnValues[float] = field(default_factory=ColumnValues)
    event: ColumnValues[bool] = field(default_factory=ColumnValues)
    start: ColumnValues[date] = field(default_factory=ColumnValues)
    death: ColumnValues[date] = field(default_factory=ColumnValues)
    last: ColumnValues[date] = field(default_factory=ColumnValues)
    today: date = date.max

    @property
    def dated(self) -> bool:
        """Whether times can be told from dates."""
        return "start" in self.names and ("death" in self.names or "last" in self.names)

    def of(self, line: int, shown: ShownValues) -> tuple[float, bool]:
        """Return days and event of one line.

        Raises
        ------
        ValueError
            If they are missing, not understood, or contradict each other.
        """
        for name, values in (("start", self.start), ("death", self.death), ("last", self.last)):
            if line in values.unreadable and self._needs(name):
                raise ValueError(
                    f"{self.names[name]} is {shown.dated(values.unreadable[line])}, expected a "
                    "date like 2026-01-31."
                )
            if line not in values.values:
                continue
            if values.values[line] > self.today:
                raise ValueError(f"{self.names[name]} lies in the future.")
            if values.values[line].year < _FIRST_YEAR:
                raise ValueError(
                    f"{self.names[name]} has a year before {_FIRST_YEAR}, expected a date of the "
                    "Gregorian calendar like 2026-01-31."
                )
        died = self._died(line, shown)
        stated = self._stated(line, shown)
        dated = self._dated_days(line, died, required=stated is None)
        if stated is None:
            if dated is None:
                raise ValueError(self._nothing())
            return dated, died
        if dated is not None and abs(stated - dated) > self.unit.days + _ROUNDING_DAYS:
            raise ValueError(
                f"{self.names['survival']} says {counted(stated, 'day')} and the dates say "
                f"{dated:g}, expected the same: mend either."
            )
        start = self.start.values.get(line)
        if start is not None:
            beyond = (start - self.today).days + stated - self.unit.days - _ROUNDING_DAYS
            if beyond > 0:
                raise ValueError(
                    f"{self.names['survival']} says {counted(stated, 'day')}, which end in the "
                    f"future by {self.names['start']}, expected a time that has passed: mend "
                    "either."
                )
        seen = self._seen_alive(line)
        if dated is None and seen is not None and seen > stated + self.unit.days + _ROUNDING_DAYS:
            raise ValueError(
                f"{self.names['survival']} says a death after {counted(stated, 'day')} and "
                f"{self.names['last']} lies {counted(seen, 'day')} after {self.names['start']}, "
                "expected no contact after death: mend either."
            )
        return stated, died

    def _needs(self, name: str) -> bool:
        """Say whether a date is needed: others only confirm what a column says."""
        return "survival" not in self.names or (name == "death" and "event" not in self.names)

    def _died(self, line: int, shown: ShownValues) -> bool:
        dead_by_date = line in self.death.values
        if "event" not in self.names:
            return dead_by_date
        name = self.names["event"]
        if line in self.event.unreadable:
            raise ValueError(
                f"{name} is {shown(self.event.unreadable[line])}, expected dead or 1 where the "
                "patient died, and alive or 0 where follow-up ended before, or a word that the "
                "[clinical] table of the settings file has under codes."
            )
        if line not in self.event.values:
            raise ValueError(f"{name} is empty, and a patient cannot be used without it.")
        if dead_by_date and not self.event.values[line]:
            raise ValueError(f"{name} says alive and {self.names['death']} gives a date of death.")
        return self.event.values[line]

    def _stated(self, line: int, shown: ShownValues) -> float | None:
        if "survival" not in self.names:
            return None
        if line in self.survival.unreadable:
            raise ValueError(
                f"{self.names['survival']} is {shown(self.survival.unreadable[line])}, expected a "
                "number."
            )
        value = self.survival.values.get(line)
        if value is None or self.unit is Unit.DAYS:
            return value
        days = value * self.unit.days
        # what was measured in whole days comes back as such
        return max(float(round(days)), 1.0) if days > 0 else days

    def _dated_days(self, line: int, died: bool, *, required: bool) -> float | None:
        start, death = self.start.values.get(line), self.death.values.get(line)
        last = self.last.values.get(line)
        if not self.dated:
            return None
        if death and last and last > death:
            raise ValueError(f"{self.names['last']} lies after {self.names['death']}.")
        end, name = (death, "death") if died else (last, "last")
        if start is None or end is None:
            if not required:
                return None
            if start is None:
                raise ValueError(
                    f"{self.names['start']} is empty, and the time cannot be told without it."
                )
            wanted = "the date of death of a patient who died" if died else "the last contact"
            raise ValueError(f"{wanted} is not given, and the time cannot be told without it.")
        if end < start:
            raise ValueError(f"{self.names[name]} lies before {self.names['start']}.")
        return float((end - start).days)

    def _seen_alive(self, line: int) -> float | None:
        """Return the days from the start to the last contact, as far as both are known."""
        start, last = self.start.values.get(line), self.last.values.get(line)
        return None if start is None or last is None else float((last - start).days)

    def _nothing(self) -> str:
        if "survival" in self.names:
            return f"{self.names['survival']} is empty, and a patient cannot be used without it."
        return "No time can be told from it, and a patient cannot be used without one."
