"""Keyed pseudonyms: the only names of patients, studies and instances outside the registry and the
files.
"""

from __future__ import annotations

import base64
import hmac
import re

from dicom_node.wording import counted

LENGTH = 16
"""Characters of a pseudonym: 80 bits, so that a million of them collide with a probability below
1e-12.
"""

_PSEUDONYM = re.compile(rf"[a-z2-7]{{{LENGTH}}}")
_MINIMUM_KEY_BYTES = 16
_LONGEST_SHIFT_S = 100 * 365 * 86400
_DIGEST_BYTES = LENGTH * 5 // 8


def pseudonym(key: bytes, *parts: str) -> str:
    """Return the keyed pseudonym of `parts`.

    HMAC-SHA256 (RFC 2104) over the parts, each preceded by its length so that ``("ab", "c")`` and
    ``("a", "bc")`` differ, in lower-case base32 (RFC 4648).

    Parameters
    ----------
    key : bytes
        The secret, at least 16 bytes; the same for the life of the archive.
    *parts : str
        What is named; the first says which kind of name it is.

    Returns
    -------
    str
        16 characters of ``a-z2-7``.

    Raises
    ------
    ValueError
        If the key is too short or there is nothing to name.
    """
    return base64.b32encode(keyed_digest(key, *parts)[:_DIGEST_BYTES]).decode().lower()


def is_pseudonym(text: str) -> bool:
    """Say whether a text can be a pseudonym; what somebody typed may be what no database takes."""
    return _PSEUDONYM.fullmatch(text) is not None


def keyed_digest(key: bytes, *parts: str) -> bytes:
    """Return the 32 bytes of which `pseudonym` writes the first; the same errors.

    Parameters
    ----------
    key : bytes
        The secret.
    *parts : str
        What is named.
    """
    if len(key) < _MINIMUM_KEY_BYTES:
        raise ValueError(
            f"The pseudonym key has {counted(len(key), 'byte')}, expected at least "
            f"{_MINIMUM_KEY_BYTES}."
        )
    if not parts:
        raise ValueError("A pseudonym needs at least one part to stand for, found none.")
    encoded = [part.encode() for part in parts]
    return hmac.digest(
        key, b"".join(len(one).to_bytes(8, "big") + one for one in encoded), "sha256"
    )


def patient_key(key: bytes, center: str, patient_id: str) -> str:
    """Return the pseudonym of a patient of `center` with the Patient ID (0010,0020), blanks around
    it ignored.
    """
    return pseudonym(key, "patient", center, patient_id.strip())


def study_key(key: bytes, center: str, study_instance_uid: str) -> str:
    """Return the pseudonym of a study of `center` with the Study Instance UID (0020,000D)."""
    return pseudonym(key, "study", center, study_instance_uid)


def instance_key(key: bytes, center: str, sop_instance_uid: str) -> str:
    """Return the pseudonym of an instance of `center` with the SOP Instance UID (0008,0018)."""
    return pseudonym(key, "instance", center, sop_instance_uid)


def image_key(key: bytes, sop_instance_uid: str) -> str:
    """Return the pseudonym of an instance with the SOP Instance UID (0008,0018), whichever centre
    sent it: the same image is recognised at another centre.
    """
    return pseudonym(key, "image", sop_instance_uid)


def person_key(key: bytes, *names: str) -> str:
    """Return the pseudonym of a person by what names them, whichever centre sent it: the same
    person is recognised at another centre.
    """
    return pseudonym(key, "person", *names)


def clock_shift_s(key: bytes, patient: str) -> int:
    """Return by how many seconds the clock of a patient is shifted: up to a hundred years, always
    the same for one patient key.
    """
    return int.from_bytes(keyed_digest(key, "clock", patient)[:8], "big") % _LONGEST_SHIFT_S


def key_fingerprint(key: bytes) -> str:
    """Return what an archive keeps to recognise its key; the key cannot be had from it."""
    return pseudonym(key, "fingerprint")
