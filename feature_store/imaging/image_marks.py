"""What tells whether two studies hold the same images, and which of a patient's CTs came first:
digests of slices, and the moment of acquisition on a clock of the patient's own.

Of many slices the smallest digests are kept, which two CTs that share most slices have in common
even where one lacks some [1]_. Digests of SOP Instance UIDs are keyed, as a UID can be guessed;
those of pixels cannot be turned back and are the same in every installation. A person is marked, by
keyed digests again, where the date of birth is known: a Patient ID alone is at many centres. The
patient's clock is shifted by a keyed, constant time of up to a hundred years: differences hold, and
no date is kept.

References
----------
.. [1] Broder AZ. Proc Compression and Complexity of Sequences 1997:21-29 (sketches of sets).
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from feature_store.compiled import compiled
from feature_store.cores import side_by_side
from feature_store.imaging.ct_volume import CtVolume
from feature_store.study_identity import StudyIdentity

SKETCH = 16
"""Digests that are kept of a CT."""
_SHARED = 0.25
"""Share of the smaller sketch that two CTs must have in common to be the same images."""
_DIGEST_HEX = 20
_LOWEST_HU = -1024.0
"""Padding is marked by minus infinity."""
_FLAT_HU = 100.0
"""Slices whose values range over less hold air or table only, alike in many patients."""
_MOMENTS = (
    ("AcquisitionDate", "AcquisitionTime"),
    ("ContentDate", "ContentTime"),
    ("SeriesDate", "SeriesTime"),
    ("StudyDate", "StudyTime"),
)


@dataclass(frozen=True)
class ImageMarks:
    """Marks of the CT of one study content; what the headers do not say is `None`.

    Parameters
    ----------
    acquired_s : int or None
        Moment of acquisition in seconds on the patient's own clock.
    instances : tuple of str
        Smallest keyed digests of the SOP Instance UIDs (0008,0018) of the slices.
    pixels : tuple of str
        Smallest digests of the Hounsfield units of the slices; those that are flat are left out.
    persons : tuple of str
        Keyed digests of what names the person; empty where the date of birth is not known, and in
        what earlier releases read.
    """

    acquired_s: int | None
    instances: tuple[str, ...]
    pixels: tuple[str, ...]
    persons: tuple[str, ...] = ()

    def same_images(self, other: ImageMarks) -> bool:
        """Say whether two CTs have a quarter or more of their kept slices in common."""
        return alike(self.instances, other.instances) or alike(self.pixels, other.pixels)


def alike(one: Sequence[str], other: Sequence[str]) -> bool:
    """Say whether two sketches share so much that they are of the same images."""
    shared = len(set(one) & set(other))
    return shared > 0 and shared >= _SHARED * min(len(one), len(other))


def image_marks(
    datasets: Sequence[Dataset],
    volume: CtVolume,
    instance_digest: Callable[[str], str],
    clock_shift_s: int,
    person_digest: Callable[..., str],
) -> ImageMarks:
    """Mark a CT.

    Parameters
    ----------
    datasets : sequence of Dataset
        Headers of its slices.
    volume : CtVolume
        Its Hounsfield units.
    instance_digest : callable
        Keyed digest of a SOP Instance UID, the same at every centre.
    clock_shift_s : int
        By how much the patient's clock is shifted.
    person_digest : callable
        Keyed digest of the texts that name a person, the same at every centre.
    """
    moments = [moment for moment in map(_acquired, datasets) if moment is not None]
    return ImageMarks(
        None if not moments else int(min(moments).timestamp()) + clock_shift_s,
        _sketch(instance_digest(str(dataset.SOPInstanceUID)) for dataset in datasets),
        pixel_digests(volume),
        tuple(sorted(person_digest(*names) for names in person_names(datasets[0]))),
    )


def person_names(dataset: Dataset) -> tuple[tuple[str, ...], ...]:
    """Return what names a person whichever centre sends the images: Patient ID (0010,0020) and date
    of birth (0010,0030); name (0010,0010), date of birth and sex (0010,0040). Nothing without a
    date of birth, or with one that stands for none.

    Parameters
    ----------
    dataset : Dataset
        Header of a slice.
    """
    born = str(dataset.get("PatientBirthDate") or "").strip()
    if not (len(born) == 8 and born.isdecimal() and born > "19010101"):
        return ()
    family_and_given = str(dataset.get("PatientName") or "").split("=")[0].split("^")[:2]
    plain = unicodedata.normalize("NFKD", "^".join(family_and_given)).upper()
    name = "".join(sign for sign in plain if sign.isalnum() or sign == "^")
    patient_id = str(dataset.get("PatientID") or "").strip()
    sex = str(dataset.get("PatientSex") or "").strip().upper()
    found: list[tuple[str, ...]] = [("id", patient_id, born)] if patient_id else []
    if len(name.strip("^")) > 1:
        found.append(("name", name, born, sex))
    return tuple(found)


def persons_of(marks: Mapping[StudyIdentity, ImageMarks]) -> tuple[str, ...]:
    """Return the marks of the persons of some CTs, sorted, each once; not those of whom the name
    stands for many.

    Anonymous patients are often all called alike and born on one day, so that more than two
    patients have a mark in common: then neither it, nor their Patient IDs with that day, names
    anybody. Two patients may be one person under two numbers.

    Parameters
    ----------
    marks : mapping of StudyIdentity to ImageMarks
        By study content.
    """
    patients: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for study, mark in marks.items():
        for person in mark.persons:
            patients[person].add((study.center, study.patient_key))
    of_many = {person for person, owners in patients.items() if len(owners) > 2}
    return tuple(
        sorted(
            {
                person
                for mark in marks.values()
                if of_many.isdisjoint(mark.persons)
                for person in mark.persons
            }
        )
    )


def pixel_digests(volume: CtVolume) -> tuple[str, ...]:
    """Return the smallest digests of a volume's slices, each of its whole Hounsfield units."""
    return _sketch(one for one in side_by_side(_pixel_digest, volume.hu) if one is not None)


def _pixel_digest(slice_hu: npt.NDArray[np.float32]) -> str | None:
    low, high = (max(float(one), _LOWEST_HU) for one in (slice_hu.min(), slice_hu.max()))
    if high - low < _FLAT_HU:
        return None
    whole = np.empty(slice_hu.size, dtype="<i2")
    _round(slice_hu.reshape(-1), whole)
    digest = hashlib.sha256(np.array(slice_hu.shape, dtype="<i4").tobytes())
    digest.update(whole.data)
    return digest.hexdigest()[:_DIGEST_HEX]


@compiled
def _round(hu: npt.NDArray[np.float32], whole: npt.NDArray[np.int16]) -> None:
    """Put whole HU in their place; of what does not fit into 16 bits the lowest ones stay."""
    lowest = np.float32(_LOWEST_HU)
    for i in range(len(hu)):
        measured = max(lowest, hu[i])
        whole[i] = np.int16(np.int32(np.rint(measured)))


def _sketch(digests: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(digests))[:SKETCH])


def _acquired(dataset: Dataset) -> datetime | None:
    """Return when a slice was acquired (PS3.3 C.7.6.1), else the nearest later event that is known;
    the hour of the scanner, as only differences of one patient count.
    """
    whole = "".join(filter(str.isdigit, str(dataset.get("AcquisitionDateTime") or "")[:14]))
    found = _moment(whole[:8], whole[8:14])
    for date, time in _MOMENTS:
        found = found or _moment(str(dataset.get(date) or ""), str(dataset.get(time) or ""))
    return found


def _moment(date: str, time: str) -> datetime | None:
    clock = (time.replace(":", "").strip() + "000000")[:6]
    try:
        found = datetime.strptime(date.strip() + clock, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    return found if found.year >= 1971 else None  # older ones stand for a date that is not known
