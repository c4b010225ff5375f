"""Lists of patients or studies are fetched from their centre's PACS: of each line the planning CT
and the RTSTRUCT that the centre's rule takes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import Final

from dicom_node.audit import AuditEvent, record
from dicom_node.center import Center, QuerySource
from dicom_node.errors import DeliveryError, RetrievalError, UnreachableError
from dicom_node.pseudonym import patient_key, study_key
from dicom_node.registry.registry import Retrievals
from dicom_node.scu.caller import Caller
from dicom_node.scu.query_retrieve import Limits, Moved, QueryRetrieve, as_retrieval_error, text_of
from dicom_node.scu.retrieval import (
    Series,
    await_arrival,
    move_series,
    newest_rtstruct,
    read_witness,
    rtstructs_of,
    series_of,
    series_of_modality,
    study_of,
)
from dicom_node.scu.study_list import Line, LineResult, Outcome, Results, wish_of
from dicom_node.wording import counted

_MOST_STUDIES: Final = 50
_FIRST_RETRY_S: Final = 5.0
_LONGEST_RETRY_S: Final = 120.0
_HOUR_S: Final = 3600.0
_NO_CT_TAKEN: Final = "The Series Description of its CT is none that ct_description takes."


@dataclass(frozen=True)
class ListRetrieval:
    """What fetches the lines of lists of one centre.

    Parameters
    ----------
    retrievals : Retrievals
        The registry's view of what is here.
    caller : Caller
        Our own AE; the node must be running under its title.
    center : Center
        The centre, with its PACS.
    archive : Path
        The archive's folder.
    key : bytes
        The pseudonym key.
    stopping : threading.Event
        Ends it.
    now : callable
        Returns the time, aware.
    limits : Limits
        How long the PACS is listened to.
    longest_wait_s : float
        Seconds for which a PACS that gives no association is tried again before the run ends.
    waits_for_hours : bool
        Whether it waits for the hours in which lists may be fetched, or ends.
    """

    retrievals: Retrievals
    caller: Caller
    center: Center
    archive: Path
    key: bytes
    stopping: Event
    now: Callable[[], datetime]
    limits: Limits
    longest_wait_s: float = 600.0
    waits_for_hours: bool = True

    @property
    def source(self) -> QuerySource:
        """The PACS.

        Raises
        ------
        RetrievalError
            If the centre names none.
        """
        if self.center.query_from is None:
            raise RetrievalError(
                f"Centre {self.center.name} names no PACS that may be asked: give it a "
                "query_from in the settings (deploy/guide/fetching.md)."
            )
        return self.center.query_from

    def run(self, lines: list[Line], results: Results) -> Iterator[LineResult]:
        """Fetch what lines name and have no result of yet, and yield each result once it is kept.

        Ends early where the PACS gives no association for too long, where the hours are over and
        are not waited for, and when it is stopped; another run goes on there.

        Parameters
        ----------
        lines : list of Line
            The list.
        results : Results
            Their results.
        """
        _ = self.source
        for line in lines:
            wish = wish_of(self.key, self.center.name, line)
            if results.done(line, wish) is not None:
                continue
            if line.fault is not None:
                result = LineResult(line.number, wish, Outcome.WRONG, sentence=line.fault)
            elif not self._may_go_on():
                return
            else:
                began = self.now()
                asked = self._patiently(line, wish)
                if asked is None:
                    return
                result = asked
            results.add(result)
            yield result
            if result.instances:
                pause_s = _HOUR_S / self.source.studies_per_hour
                self.stopping.wait(pause_s - (self.now() - began).total_seconds())

    def _may_go_on(self) -> bool:
        """Wait for the hours of lists, and say whether to go on."""
        while not self.stopping.is_set():
            wait_s = self.source.wait_s(self.now())
            if wait_s <= 0:
                return True
            if not self.waits_for_hours:
                return False
            self.stopping.wait(min(wait_s, 60.0))
        return False

    def _patiently(self, line: Line, wish: str) -> LineResult | None:
        """Return the result of a line; `None` when it was stopped, or the PACS gives no
        association for too long.
        """
        began, wait_s = self.now(), _FIRST_RETRY_S
        while not self.stopping.is_set():
            try:
                with as_retrieval_error():
                    result = self.fetch(line, wish)
                return None if self._was_cut_short(result.outcome) else result
            except UnreachableError as error:
                if self.stopping.is_set():
                    return None
                if (self.now() - began).total_seconds() + wait_s > self.longest_wait_s:
                    raise UnreachableError(
                        f"{error} The list ends in line {line.number}; the same command goes on "
                        "there."
                    ) from error
                self.stopping.wait(wait_s)
                wait_s = min(2 * wait_s, _LONGEST_RETRY_S)
            except (RetrievalError, DeliveryError) as error:
                if self._was_cut_short(Outcome.FAILED):
                    return None
                return LineResult(line.number, wish, Outcome.FAILED, sentence=str(error))
        return None

    def _was_cut_short(self, outcome: Outcome) -> bool:
        """Say whether a line has no result because it was stopped in the middle: another run asks
        for it.
        """
        return self.stopping.is_set() and outcome in {Outcome.SOME, Outcome.FAILED}

    def fetch(self, line: Line, wish: str) -> LineResult:
        """Fetch what one line names.

        Parameters
        ----------
        line : Line
            Without a fault.
        wish : str
            Pseudonym of what it names.

        Raises
        ------
        UnreachableError
            If there is no association, or none any more.
        RetrievalError
            If the PACS answers with an error.
        """
        result = LineResult(line.number, wish, Outcome.NOT_FOUND)
        with QueryRetrieve(self.caller, self.source, self.limits, self.stopping) as pacs:
            studies = pacs.find("STUDY", line.keys, ("PatientID",))
            if not studies:
                return replace(
                    result,
                    patient=self._patient(line.keys.get("PatientID")),
                    sentence="The centre's PACS has no such study.",
                )
            patients = {text_of(one, "PatientID") for one in studies}
            if len(studies) > _MOST_STUDIES or len(patients) > 1:
                return replace(
                    result,
                    outcome=Outcome.LEFT,
                    sentence=(
                        f"The line stands for {counted(len(studies), 'study', 'studies')} of "
                        f"{counted(len(patients), 'patient')}, expected one patient and at most "
                        f"{_MOST_STUDIES} studies: name the study by its Study Instance UID."
                    ),
                )
            result = replace(result, patient=self._patient(patients.pop()))
            return self._of_studies(pacs, [str(one.StudyInstanceUID) for one in studies], result)

    def _of_studies(
        self, pacs: QueryRetrieve, studies: list[str], result: LineResult
    ) -> LineResult:
        rows = [row for study in studies for row in rtstructs_of(pacs, study)]
        chosen, unmet = newest_rtstruct(rows, self.source)
        if chosen is None:
            count = counted(len(studies), "study", "studies")
            why = unmet or f"has no RTSTRUCT in {count}"
            return replace(
                result, outcome=Outcome.LEFT, sentence=f"The centre's PACS {why}: nothing came."
            )
        study = study_key(self.key, self.center.name, chosen.study)
        result = replace(result, study=study)
        beside = {"StudyInstanceUID": chosen.study, "Modality": "CT"}
        if series_of_modality(pacs, chosen.study, "CT") and not self._takes(pacs, beside):
            return replace(result, outcome=Outcome.LEFT, sentence=_NO_CT_TAKEN)
        record(AuditEvent.STUDY_ASKED_FOR, center=self.center.name, called=pacs.name, study=study)
        asked, moved = self._move(pacs, [chosen])
        lost = self._arrived(asked)
        if lost:
            return self._told(result, asked, lost, moved, len(rows))
        slices, unmet = self._slices(pacs, chosen)
        of_ct, of_ct_moved = self._move(pacs, slices)
        asked |= of_ct
        lost = self._arrived(asked)
        record(
            AuditEvent.STUDY_FETCHED,
            center=self.center.name,
            study=study,
            instances=len(asked) - len(lost),
        )
        together = Moved(moved.sent + of_ct_moved.sent, moved.failed + of_ct_moved.failed)
        told = self._told(result, asked, lost, together, len(rows))
        if unmet is None:
            return told
        sentence = f"{told.sentence} {unmet}".strip()
        return replace(told, outcome=Outcome.SOME if slices else Outcome.LEFT, sentence=sentence)

    def _slices(self, pacs: QueryRetrieve, rtstruct: Series) -> tuple[list[Series], str | None]:
        """Return the CT series that an RTSTRUCT names and the rule takes, and what is not taken, in
        words.
        """
        known = self.retrievals.named_by(self.center.name, rtstruct.uids[0])
        if known is None:
            raise RetrievalError(
                "The RTSTRUCT came and is not in the index any more: run the list again."
            )
        witness = read_witness(self.archive / known.witness)
        found = {
            series: study_of(pacs, witness, series) for series in known.lacking.series
        } or dict.fromkeys(series_of_modality(pacs, rtstruct.study, "CT"), rtstruct.study)
        there = {series: study for series, study in found.items() if study is not None}
        taken = [
            series_of(pacs, study, series)
            for series, study in there.items()
            if self._takes(pacs, {"StudyInstanceUID": study, "SeriesInstanceUID": series})
        ]
        if taken:
            return taken, None
        if there:
            return [], _NO_CT_TAKEN
        return [], "The centre's PACS has no CT series that its RTSTRUCT names."

    def _takes(self, pacs: QueryRetrieve, keys: Mapping[str, str]) -> bool:
        """Say whether the rule takes one of the CT series with these keys."""
        rule = re.compile(self.source.ct_description, re.IGNORECASE)
        return any(
            rule.fullmatch(text_of(one, "SeriesDescription") or "")
            for one in pacs.find("SERIES", keys, ("Modality", "SeriesDescription"))
            if text_of(one, "Modality") in (None, "CT")
        )

    def _move(self, pacs: QueryRetrieve, found: list[Series]) -> tuple[set[str], Moved]:
        """Have what is not here of some series sent; return what that is, and what is said."""
        asked: set[str] = set()
        moved = Moved(0, 0)
        for one in found:
            lacks = self.retrievals.lacks(self.center.name, one.uids)
            new = [uid for uid in one.uids if uid in lacks]
            asked.update(new)
            more = move_series(pacs, one, new)
            moved = Moved(moved.sent + more.sent, moved.failed + more.failed)
        return asked, moved

    def _arrived(self, asked: set[str]) -> frozenset[str]:
        return await_arrival(
            self.retrievals, self.center.name, asked, self.limits.arrival_s, self.stopping
        )

    def _told(
        self, result: LineResult, asked: set[str], lost: frozenset[str], moved: Moved, count: int
    ) -> LineResult:
        """Return the result of what was sent."""
        came = len(asked) - len(lost)
        said = [f"The newest of {counted(count, 'RTSTRUCT')} was taken."] if count > 1 else []
        outcome = Outcome.FETCHED if asked else Outcome.HERE
        if lost:
            outcome = Outcome.SOME
            said.append(
                f"Of {counted(len(asked), 'instance')} that the PACS has, it says that it sent "
                f"{moved.sent} and failed on {moved.failed}, and {came} came: check that the node "
                "is running. `python -m dicom_node incidents` says what was refused."
            )
        return replace(result, outcome=outcome, instances=came, sentence=" ".join(said))

    def _patient(self, patient_id: str | None) -> str:
        return patient_key(self.key, self.center.name, patient_id) if patient_id else ""


def result_in_words(result: LineResult) -> str:
    """Return one result as a line for a screen or a log."""
    about = f" (patient {result.patient})" if result.patient else ""
    came = f", {counted(result.instances, 'instance')}" if result.instances else ""
    why = f". {result.sentence}" if result.sentence else "."
    return f"Line {result.line}: {result.outcome}{came}{about}{why}"
