"""The list of people who were erased: an entry for each, which says who is meant by keyed one-way
tokens alone.

It lies in two places, in the node's folder and beside it, and what stands in either counts: a
back-up of the folder from before that is put back does not take anybody off the list.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from dicom_node.durable_files import write_durably
from dicom_node.errors import ArchiveError, ErasedPersonError, StudyStateError
from dicom_node.pseudonym import keyed_digest

FOLDER = "erasures"
ENTRY = ".entry.json"


@dataclass(frozen=True)
class ErasedPerson:
    """One entry of the list.

    Parameters
    ----------
    id : str
        Its number, which says nothing of the person.
    recorded_at : str
        When it was entered, ISO 8601 with its zone.
    by, reason : str
        Who decided, and why; no patient's data.
    center : str
        The centre that the person's studies came from.
    patients, studies : tuple of str
        Tokens of the pseudonyms that stood for the person and for the studies.
    """

    id: str
    recorded_at: str
    by: str
    reason: str
    center: str
    patients: tuple[str, ...]
    studies: tuple[str, ...]


def token(key: bytes, kind: str, pseudonym: str) -> str:
    """Return the one-way token of a pseudonym: 64 hexadecimal digits that only the holder of the
    key can make of it.

    Parameters
    ----------
    key : bytes
        The pseudonym key.
    kind : str
        What is named: ``patient`` or ``study``.
    pseudonym : str
        The name.
    """
    return keyed_digest(key, "erased", kind, pseudonym).hex()


class ErasedPeople:
    """The list, as it is on the disk at each question.

    Parameters
    ----------
    folder : Path
        The node's folder.
    key : bytes
        The pseudonym key.
    """

    def __init__(self, folder: Path, key: bytes) -> None:
        home = folder.absolute()
        self.folder = home / FOLDER
        self.beside = home.with_name(f"{home.name}-{FOLDER}")
        self._key = key
        self._seen: tuple[int, int] | None = None
        self._entries: dict[str, ErasedPerson] = {}
        self._tokens: frozenset[str] = frozenset()

    def entries(self) -> tuple[ErasedPerson, ...]:
        """Return every entry, the oldest first.

        Raises
        ------
        ArchiveError
            If one of them cannot be read: nobody may be taken for somebody who is not on the list.
        """
        self._read()
        return tuple(sorted(self._entries.values(), key=lambda one: (one.recorded_at, one.id)))

    def has_patient(self, patient_key: str) -> bool:
        """Say whether a patient's pseudonym is that of somebody on the list."""
        self._read()
        return bool(self._tokens) and token(self._key, "patient", patient_key) in self._tokens

    def has_study(self, study_key: str) -> bool:
        """Say whether a study's pseudonym is one of somebody's on the list."""
        self._read()
        return bool(self._tokens) and token(self._key, "study", study_key) in self._tokens

    def refuse(self, patient_key: str, study_key: str) -> None:
        """Refuse what belongs to somebody on the list.

        Raises
        ------
        ErasedPersonError
            If it does.
        """
        self._read()
        if self._tokens and (
            token(self._key, "patient", patient_key) in self._tokens
            or token(self._key, "study", study_key) in self._tokens
        ):
            raise ErasedPersonError(
                "An object of a person who was erased here was sent: nothing of it is kept; have "
                "its source stop sending this person."
            )

    def refuse_work_on(self, study_key: str) -> None:
        """Refuse to work on a study of somebody on the list.

        Raises
        ------
        StudyStateError
            If it is one.
        """
        if self.has_study(study_key):
            raise StudyStateError(
                "This study belongs to a person who was erased here, and has come back with a "
                "back-up: it is not worked on; `python -m flows erase --again` removes it."
            )

    def enter(self, person: ErasedPerson) -> None:
        """Write an entry, durably; beside the folder too, if that can be written.

        Raises
        ------
        ArchiveError
            If it cannot be written at all.
        """
        content = json.dumps(asdict(person), indent=1).encode() + b"\n"
        name = f"{person.id}{ENTRY}"
        try:
            write_durably(self.folder / name, content, mode=0o640)
        except OSError as error:
            raise ArchiveError(
                f"The list of erased people in {self.folder} cannot be written ({error.strerror}): "
                "nothing was erased."
            ) from error
        with suppress(OSError):  # a container has its volume alone
            write_durably(self.beside / name, content, mode=0o640)

    def _read(self) -> None:
        seen = (_changed(self.folder), _changed(self.beside))
        if seen == self._seen:
            return
        found: dict[str, ErasedPerson] = {}
        for place in (self.beside, self.folder):
            for path in sorted(place.glob(f"*{ENTRY}")):
                person = _entry(path)
                found[person.id] = person
        tokens = {one for each in found.values() for one in (*each.patients, *each.studies)}
        self._entries, self._tokens, self._seen = found, frozenset(tokens), seen


def _changed(folder: Path) -> int:
    try:
        return os.stat(folder).st_mtime_ns  # noqa: PTH116 - asked for every object that comes
    except OSError:
        return -1


def _entry(path: Path) -> ErasedPerson:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        texts = {name: str(found[name]) for name in ("id", "recorded_at", "by", "reason", "center")}
        return ErasedPerson(
            **texts, patients=tuple(found["patients"]), studies=tuple(found["studies"])
        )
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ArchiveError(
            f"The entry {path.name} of the list of erased people cannot be read: put its other "
            f"copy in its place (the folder {FOLDER} in the node's folder, or the one beside it)."
        ) from error
