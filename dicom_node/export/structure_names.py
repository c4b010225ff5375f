"""Names of contoured structures that say nothing of a person, and what stands for the others.

A name stays when each of its words is one that structures are named with (AAPM TG-263 and what is
seen in the field) or a short number; "GTV_Smith" does not.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

_WORD: Final = re.compile(r"[^\W\d_]+")
_NUMBER: Final = re.compile(r"\d+")
_REST: Final = re.compile(r"(?:[ _.+\-/()^~]|(?<!\d)\d{1,4}(?!\d))*")
_WORDS: Final = frozenset(
    """
    gtv ctv ptv itv igtv gtvp gtvn ctvp ctvn ptvp ptvn gtvt gtvs p n t m pre post op primary prim
    tumor tumour mass node nodes nodal ln mets boost total sum all union low high int body external
    skin patient couch table bolus contour outline lung lungs heart pericardium esophagus oesophagus
    trachea carina bronchus bronchial tree proximal aorta arch cava vena svc ivc pa pv vessels great
    liver spleen stomach duodenum bowel bowelbag colon rectum kidney kidneys bladder spinal spine
    cord canal spinalcord spinalcanal prv brachial plexus brachialplexus thyroid larynx parotid
    mandible brain brainstem chest wall chestwall rib ribs sternum vertebra vertebrae bone bones
    clavicle humerus femur pelvis diaphragm breast ant anterior ventricle atrium lad coronary artery
    left right l r lt rt upper lower middle lobe sup superior inf inferior med medial lat lateral
    ipsi contra ipsilateral contralateral central ring shell margin exp expansion minus plus and or
    not opt z zz ct pet mri mr kv cbct mip mid ave avg average exp insp inhale exhale phase ex in ap
    pa eval dose gy mm cm iso v final copy new old hu density artifact artefact air fiducial marker
    markers clip clips stent port pacemaker
    """.split()  # noqa: SIM905 - a list of so many words is read as text
)


def plain_structure_name(
    name: str, number: int | None, keep: Collection[str] = (), never: Collection[str] = ()
) -> str:
    """Return a structure's name if it says nothing of a person, otherwise ``ROI`` and its number.

    Parameters
    ----------
    name : str
        ROI Name (3006,0026) or ROI Observation Label (3006,0085).
    number : int or None
        ROI Number (3006,0022).
    keep : collection of str
        Names that somebody has looked at and lets stay.
    never : collection of str
        Words, in small letters, that the patient is named by: a name that has one of them does not
        stay.
    """
    if not name or name in keep:
        return name
    words = {word.lower() for word in _WORD.findall(name)}
    numbers = set(_NUMBER.findall(name))
    if (
        words <= _WORDS
        and (words | numbers).isdisjoint(never)
        and _REST.fullmatch(_WORD.sub("", name))
    ):
        return name
    return "ROI" if number is None else f"ROI {number}"
