"""The files of a complete study, and which ROI and CT of them are scored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, select

from dicom_node.errors import UnknownStudyError
from dicom_node.registry.ct_choice import IN_WORDS, Answer, Evidence, NameVerdict
from dicom_node.registry.decisions import Remark
from dicom_node.registry.schema import instances, replacements
from dicom_node.wording import are, counted


@dataclass(frozen=True)
class InstanceFile:
    """One archived instance."""

    path: Path
    content_sha256: str
    sop_instance_uid: str


@dataclass(frozen=True)
class Choice:
    """Which ROI and which CT are scored, and why.

    Parameters
    ----------
    roi_number : int or None
        ROI Number of the GTV; `None` unless exactly one ROI has its name.
    roi_verdict : NameVerdict
        How many ROIs have the name that the centre's pattern asks for.
    older_has_gtv : bool
        Whether an older RTSTRUCT of the study has the GTV that this one lacks.
    series_instance_uid : str
        The CT series.
    decided_by : Evidence or None
        What decided; `None` if it is merely the only series here.
    answers : mapping of Evidence to Answer
        What each kind of evidence says of it.
    """

    roi_number: int | None
    roi_verdict: NameVerdict
    older_has_gtv: bool
    series_instance_uid: str
    decided_by: Evidence | None
    answers: Mapping[Evidence, Answer]

    @property
    def in_words(self) -> str:
        """What was chosen, for a log: no name and no UID."""
        gtv = {
            NameVerdict.ONE: f"The GTV is ROI number {self.roi_number}, the one of its name",
            NameVerdict.NONE: "No ROI has the GTV's name",
            NameVerdict.SEVERAL: "Several ROIs have the GTV's name",
        }[self.roi_verdict]
        how = f"chosen by {IN_WORDS[self.decided_by]}" if self.decided_by else "the only one here"
        return f"{gtv}; the CT series is {how}."


@dataclass(frozen=True)
class StudyFiles:
    """The files of one study content.

    Parameters
    ----------
    study_key, patient_key, center, content_digest : str
        Which study and content.
    rtstruct : InstanceFile
        The RTSTRUCT.
    ct : tuple of InstanceFile
        The chosen slices, sorted by SOP Instance UID.
    warnings : tuple of Remark
        What is unusual about how it was completed.
    choice : Choice or None
        Which ROI and CT, and why; `None` for what was complete before this was kept.
    """

    study_key: str
    patient_key: str
    center: str
    content_digest: str
    rtstruct: InstanceFile
    ct: tuple[InstanceFile, ...]
    warnings: tuple[Remark, ...]
    choice: Choice | None = None


def files_of(connection: Connection, content: Row[Any], archive_folder: Path) -> StudyFiles:
    """Return the files of a study content.

    Parameters
    ----------
    connection : Connection
        An open transaction.
    content : Row
        The row of the outbox.
    archive_folder : Path
        The folder in which instance files are looked up.

    Raises
    ------
    UnknownStudyError
        If one of its instances has gone, or was replaced by a newer content.
    """
    keys = json.loads(content.instance_keys)
    query = select(instances).where(
        instances.c.instance_key.in_(keys), instances.c.center == content.center
    )
    by_key = {one.instance_key: one for one in connection.execute(query)}
    missing = [key for key in keys if key not in by_key]
    if missing:
        raise UnknownStudyError(
            f"Of the {counted(len(keys), 'file')} of study {content.study_key}, {len(missing)} "
            f"{are(len(missing))} no longer in the archive: have the study sent again."
        )
    newer = select(replacements.c.instance_key).where(
        replacements.c.center == content.center,
        replacements.c.instance_key.in_(keys),
        replacements.c.last_content >= content.id,
    )
    if connection.execute(newer.limit(1)).first() is not None:
        raise UnknownStudyError(
            f"The content of study {content.study_key} has been replaced by a newer one: it is "
            "decided again after its quiet period, and worked on then."
        )
    rtstruct, *ct = (
        InstanceFile(
            archive_folder / by_key[key].relative_path,
            by_key[key].content_sha256,
            by_key[key].sop_instance_uid,
        )
        for key in keys
    )
    return StudyFiles(
        study_key=content.study_key,
        patient_key=content.patient_key,
        center=content.center,
        content_digest=content.content_digest,
        rtstruct=rtstruct,
        ct=tuple(ct),
        warnings=remarks_of(content.warnings),
        choice=choice_of(content.choice),
    )


def remarks_of(text: str) -> tuple[Remark, ...]:
    """Return what is to be told; sentences of before had no code of their own."""
    return tuple(
        Remark("completed", one) if isinstance(one, str) else Remark(*one)
        for one in json.loads(text)
    )


def choice_of(text: str | None) -> Choice | None:
    """Return which ROI and CT were chosen; `None` for what was complete before that was kept."""
    if text is None:
        return None
    kept = json.loads(text)
    return Choice(
        roi_number=kept["roi_number"],
        roi_verdict=NameVerdict(kept["roi_verdict"]),
        older_has_gtv=kept["older_has_gtv"],
        series_instance_uid=kept["series_instance_uid"],
        decided_by=Evidence(kept["decided_by"]) if kept["decided_by"] else None,
        answers={Evidence(name): Answer(said) for name, said in kept["answers"].items()},
    )
