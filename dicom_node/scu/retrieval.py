"""What studies lack is fetched from their centre's PACS: the slices that the RTSTRUCT names, or the
RTSTRUCT of the slices.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Final

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from dicom_node.audit import AuditEvent, record
from dicom_node.center import Approval, Center, QuerySource
from dicom_node.datasets.identity import is_uid
from dicom_node.datasets.manifest import newness
from dicom_node.errors import DeliveryError, RetrievalError, UnreachableError
from dicom_node.registry.registry import Retrieval, Retrievals
from dicom_node.scu.caller import Caller
from dicom_node.scu.query_retrieve import Limits, Moved, QueryRetrieve, as_retrieval_error, text_of
from dicom_node.wording import counted

_log = logging.getLogger(__name__)

_MOST_STUDIES: Final = 200
_MOST_REFUSALS: Final = 6
"""After so many answers that are errors, a study is not asked for any more."""
_LONGEST_S: Final = 7 * 86400.0
"""A PACS that is not reached is tried for so long."""
_LOOK_S: Final = 0.1
_WILD: Final = frozenset("*?\\")
"""What a query takes for more than itself (PS3.4 section C.2.2.2)."""
_RTSTRUCT_KEYS: Final = (
    "ApprovalStatus",
    "StructureSetDate",
    "StructureSetTime",
    "InstanceCreationDate",
    "InstanceCreationTime",
)


@dataclass(frozen=True)
class Series:
    """One series of a PACS, and what it has of it.

    Parameters
    ----------
    study, series : str
        Study and Series Instance UID.
    uids : tuple of str
        SOP Instance UIDs.
    """

    study: str
    series: str
    uids: tuple[str, ...]


@dataclass(frozen=True)
class Witness:
    """Where an archived file says that its study, and the CT that it was drawn on, are.

    Parameters
    ----------
    patient_id : str or None
        Patient ID (0010,0020).
    studies : tuple of str
        Study Instance UIDs: those that it refers to, then its own.
    """

    patient_id: str | None
    studies: tuple[str, ...]


def fetch_due(
    retrievals: Retrievals,
    caller: Caller,
    centers: Iterable[Center],
    archive: Path,
    first_retry_s: float,
    longest_retry_s: float,
    limits: Limits,
    stopping: Event,
) -> int:
    """Ask one PACS for everything that studies of its centres lack and is due.

    A PACS that gives no association, or closes it, is tried again with doubled pauses, for a week;
    one that answers with errors, six times. What else waits for it is put off meanwhile.

    Parameters
    ----------
    retrievals : Retrievals
        What is asked for.
    caller : Caller
        Our own AE, which the instances are sent to.
    centers : iterable of Center
        The centres that ask this PACS.
    archive : Path
        The archive's folder.
    first_retry_s, longest_retry_s : float
        Seconds between attempts.
    limits : Limits
        How long the PACS is listened to.
    stopping : threading.Event
        Ends it.

    Returns
    -------
    int
        How many studies were asked for and answered.
    """
    sources = {one.name: one.query_from for one in centers if one.query_from is not None}
    answered = 0
    due = retrievals.due(sources)
    for number, one in enumerate(due):
        source = sources[one.center]
        if stopping.is_set() or source is None:
            break
        wait_s = min(first_retry_s * 2.0 ** min(one.attempts, 32), longest_retry_s)
        try:
            with as_retrieval_error():
                sentence = _fetch(retrievals, caller, source, one, archive, limits, stopping)
        except UnreachableError as error:
            _log.warning("%s: study %s was not asked for. %s", one.center, one.study_key, error)
            is_last = retrievals.seconds_asked(one) > _LONGEST_S
            retrievals.mark_failed(one.study_key, str(error), wait_s, is_last=is_last)
            others = [other.study_key for other in due[number + 1 :]]
            retrievals.put_off(others, str(error), wait_s)
            break
        except (RetrievalError, DeliveryError) as error:
            _log.warning("%s: study %s was not fetched. %s", one.center, one.study_key, error)
            is_last = one.attempts + 1 >= _MOST_REFUSALS
            retrievals.mark_failed(one.study_key, str(error), wait_s, is_last=is_last)
        else:
            retrievals.finish(one.study_key, sentence, asks_on=one.lacking.rtstruct)
            answered += 1
    return answered


def _fetch(
    retrievals: Retrievals,
    caller: Caller,
    source: QuerySource,
    wanted: Retrieval,
    archive: Path,
    limits: Limits,
    stopping: Event,
) -> str:
    """Fetch what one study lacks, and return what the PACS answered as a sentence."""
    witness = read_witness(archive / wanted.witness)
    record(
        AuditEvent.STUDY_ASKED_FOR,
        center=wanted.center,
        called=source.called.ae_title,
        study=wanted.study_key,
    )
    with QueryRetrieve(caller, source, limits, stopping) as pacs:
        if wanted.lacking.rtstruct:
            found, unmet = _rtstruct_of(pacs, witness, source)
        else:
            found, unmet = _slices_of(pacs, witness, wanted)
        asked: set[str] = set()
        moved = Moved(0, 0)
        for one in found:
            new = [uid for uid in one.uids if uid not in wanted.lacking.here]
            asked.update(new)
            one_moved = move_series(pacs, one, new)
            moved = Moved(moved.sent + one_moved.sent, moved.failed + one_moved.failed)
    lost = await_arrival(retrievals, wanted.center, asked, limits.arrival_s, stopping)
    came = len(asked) - len(lost)
    record(AuditEvent.STUDY_FETCHED, center=wanted.center, study=wanted.study_key, instances=came)
    return answer_in_words(len(asked), came, moved, unmet)


def read_witness(path: Path) -> Witness:
    """Return whose file it is, and which studies it names.

    Raises
    ------
    RetrievalError
        If the file cannot be read.
    """
    names = ["PatientID", "StudyInstanceUID", "ReferencedFrameOfReferenceSequence"]
    try:
        dataset = dcmread(path, stop_before_pixels=True, specific_tags=names)
    except (OSError, InvalidDicomError) as error:
        raise RetrievalError(
            f"An archived file of the study cannot be read ({type(error).__name__}): check the "
            "disk, and run `python -m dicom_node reindex`."
        ) from error
    named = [
        text_of(study, "ReferencedSOPInstanceUID")
        for frame in dataset.get("ReferencedFrameOfReferenceSequence") or []
        for study in frame.get("RTReferencedStudySequence") or []
    ]
    own = text_of(dataset, "StudyInstanceUID")
    patient_id = text_of(dataset, "PatientID")
    return Witness(
        patient_id=patient_id if patient_id and _WILD.isdisjoint(patient_id) else None,
        # Of what is no UID a PACS may make a wildcard or a list, and answer with other studies
        studies=tuple(dict.fromkeys(one for one in (*named, own) if one and is_uid(one))),
    )


def _slices_of(
    pacs: QueryRetrieve, witness: Witness, wanted: Retrieval
) -> tuple[list[Series], str | None]:
    """Return what the PACS has of the CT that a study lacks, and in words what it has not."""
    found: list[Series] = []
    for series in wanted.lacking.series:
        study = study_of(pacs, witness, series)
        if study is not None:
            found.append(series_of(pacs, study, series))
    if not wanted.lacking.series:
        studies = [study for study in witness.studies if study]
        found = [
            series_of(pacs, study, series)
            for study in studies
            for series in series_of_modality(pacs, study, "CT")
        ]
    there = {uid for one in found for uid in one.uids}
    missing = len(wanted.lacking.named - there)
    if not found:
        return [], "has no CT series that the RTSTRUCT names"
    if missing:
        total = len(wanted.lacking.named)
        return found, f"does not have {missing} of the {total} that were missing"
    return found, None


def study_of(pacs: QueryRetrieve, witness: Witness, series: str) -> str | None:
    """Return the study in which the PACS has a series: one that is named, else any of the
    patient's.
    """
    looked: set[str] = set()

    def has(study: str) -> bool:
        looked.add(study)
        return bool(pacs.find("SERIES", {"StudyInstanceUID": study, "SeriesInstanceUID": series}))

    for study in witness.studies:
        if has(study):
            return study
    if witness.patient_id is None:
        return None
    others = pacs.find("STUDY", {"PatientID": witness.patient_id})
    if len(others) > _MOST_STUDIES:
        raise RetrievalError(
            f"{pacs.name} has {counted(len(others), 'study', 'studies')} of one patient, expected "
            f"at most {_MOST_STUDIES}: push the study by hand."
        )
    for answer in others:
        study = str(answer.StudyInstanceUID)
        if study not in looked and has(study):
            return study
    return None


def _rtstruct_of(
    pacs: QueryRetrieve, witness: Witness, source: QuerySource
) -> tuple[list[Series], str | None]:
    """Return the RTSTRUCT that a study lacks, and what the PACS does not have, in words."""
    for study in witness.studies:
        found, unmet = newest_rtstruct(rtstructs_of(pacs, study), source)
        if found is not None or unmet is not None:
            return ([] if found is None else [found]), unmet
    return [], "has no RTSTRUCT in this study"


def series_of(pacs: QueryRetrieve, study: str, series: str) -> Series:
    """Return what a PACS has of a series."""
    keys = {"StudyInstanceUID": study, "SeriesInstanceUID": series}
    uids = (str(one.SOPInstanceUID) for one in pacs.find("IMAGE", keys))
    return Series(study, series, tuple(uids))


def series_of_modality(pacs: QueryRetrieve, study: str, modality: str) -> list[str]:
    """Return the series of a study that are of a modality.

    Raises
    ------
    RetrievalError
        If the PACS has series of which it tells no modality, and none of this one.
    """
    found = pacs.find("SERIES", {"StudyInstanceUID": study, "Modality": modality})
    # not every PACS searches by it
    told = [(str(one.SeriesInstanceUID), text_of(one, "Modality")) for one in found]
    mine = [series for series, of_series in told if of_series == modality]
    unsaid = sum(of_series is None for _, of_series in told)
    if unsaid and not mine:
        raise RetrievalError(
            f"{pacs.name} answered a query with {counted(unsaid, 'series', 'series')} without "
            f"Modality (0008,0060), which it was asked for: whether it has a {modality} cannot be "
            "told. Tell its administrator, since each PACS must return it (PS3.4 section C.6.2.1)."
        )
    return mine


def rtstructs_of(pacs: QueryRetrieve, study: str) -> list[tuple[Series, Dataset]]:
    """Return every RTSTRUCT that a PACS has of a study, with what it tells of it."""
    rows: list[tuple[Series, Dataset]] = []
    for series in series_of_modality(pacs, study, "RTSTRUCT"):
        keys = {"StudyInstanceUID": study, "SeriesInstanceUID": series}
        rows += [
            (Series(study, series, (str(one.SOPInstanceUID),)), one)
            for one in pacs.find("IMAGE", keys, _RTSTRUCT_KEYS)
        ]
    return rows


def newest_rtstruct(
    rows: Sequence[tuple[Series, Dataset]], source: QuerySource
) -> tuple[Series | None, str | None]:
    """Return the RTSTRUCT that the centre's rule takes.

    Parameters
    ----------
    rows : sequence of (Series, Dataset)
        Those that there are.
    source : QuerySource
        The rule.

    Returns
    -------
    Series or None
        It alone; `None` if there is none.
    str or None
        Why none of those that are there is taken, in words.
    """
    said = [one for one in rows if text_of(one[1], "ApprovalStatus") is not None]
    if source.rtstruct is not Approval.ANY and said:
        rows = [one for one in said if text_of(one[1], "ApprovalStatus") == "APPROVED"]
        if not rows:
            return None, f"has {counted(len(said), 'RTSTRUCT')}, none approved"
    if not rows:
        return None, None
    chosen, _ = max(rows, key=lambda row: (_made(row[1]), row[0].uids))
    return chosen, None


def _made(rtstruct: Dataset) -> tuple[str, ...]:
    """Return when an RTSTRUCT was made, the larger the newer."""
    return newness(text_of(rtstruct, keyword) or "" for keyword in _RTSTRUCT_KEYS[1:])


def move_series(pacs: QueryRetrieve, series: Series, uids: Sequence[str]) -> Moved:
    """Have those of a series sent that are wanted."""
    if not uids:
        return Moved(0, 0)
    keys = {"StudyInstanceUID": series.study, "SeriesInstanceUID": series.series}
    if len(uids) == len(series.uids) > 1:
        return pacs.move("SERIES", keys)
    return pacs.move("IMAGE", keys, uids)


def await_arrival(
    retrievals: Retrievals, center: str, uids: Collection[str], timeout_s: float, stopping: Event
) -> frozenset[str]:
    """Wait until instances that a PACS has sent are in the index, and return those that are not."""
    deadline = time.monotonic() + timeout_s
    lost = retrievals.lacks(center, uids)
    while lost and time.monotonic() < deadline and not stopping.wait(_LOOK_S):
        lost = retrievals.lacks(center, lost)
    return lost


def answer_in_words(asked: int, came: int, moved: Moved, unmet: str | None) -> str:
    """Return what a PACS answered as a sentence that stands by itself.

    Parameters
    ----------
    asked, came : int
        Instances that it has, and those of them that are here now.
    moved : Moved
        What it says that it sent.
    unmet : str or None
        What it does not have.
    """
    said = []
    if unmet is not None:
        said.append(f"it {unmet}")
    if came < asked:
        said.append(
            f"it has {asked} that were missing, says that it sent {moved.sent} and failed on "
            f"{moved.failed}, and {came} came: `python -m dicom_node incidents` says what was "
            "refused"
        )
    elif asked:
        said.append(f"{asked} that were missing came from it")
    elif unmet is None:
        said.append("it has nothing more of it")
    return f"The centre's PACS was asked: {', and '.join(said)}."
