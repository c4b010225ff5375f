"""By what the patients that trained a bundle are recognised, and nothing else is learnt of them.

Each bundle has a salt of its own, so that two bundles cannot be compared with each other and no
list made beforehand fits. What is salted are the marks that the feature store keeps: digests of the
Hounsfield units of slices, which any installation makes alike, and digests of SOP Instance UIDs and
of persons, which are keyed, so that only an installation with the same pseudonym key recognises
them. No UID and no name can be read or tried out without that key.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from models.errors import BundleError

_DIGEST_HEX = 20
_SALT = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class TrainingDigests:
    """Salted digests of what trained a bundle.

    Parameters
    ----------
    salt : str
        32 hexadecimal digits.
    pixels, instances : tuple of tuple of str
        By CT, the smallest digests of its slices' Hounsfield units and SOP Instance UIDs, in no
        order of patients.
    persons : tuple of str
        Digests of the persons.

    Raises
    ------
    BundleError
        If the salt is not one.
    """

    salt: str
    pixels: tuple[tuple[str, ...], ...] = ()
    instances: tuple[tuple[str, ...], ...] = ()
    persons: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _SALT.fullmatch(self.salt):
            raise BundleError(
                "The salt of the bundle's digests is not 32 hexadecimal digits: train again."
            )

    def salted(self, marks: Iterable[str]) -> tuple[str, ...]:
        """Return marks as this bundle has them, in their order."""
        return tuple(_salted(self.salt, mark) for mark in marks)


def training_digests(
    pixels: Sequence[tuple[str, ...]],
    instances: Sequence[tuple[str, ...]],
    persons: Iterable[str],
) -> TrainingDigests:
    """Salt the marks of what trains a bundle; the same marks give the same digests.

    Parameters
    ----------
    pixels, instances : sequence of tuple of str
        By CT, marks of its slices as the feature store keeps them.
    persons : iterable of str
        Marks of the persons.
    """
    known = sorted({*persons})
    content = repr((sorted(pixels), sorted(instances), known)).encode()
    salt = hashlib.sha256(b"salt of training digests" + content).hexdigest()[:32]

    def of(sketches: Sequence[tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
        salted = (tuple(sorted(_salted(salt, mark) for mark in sketch)) for sketch in sketches)
        return tuple(sorted(sketch for sketch in salted if sketch))

    return TrainingDigests(
        salt, of(pixels), of(instances), tuple(sorted(_salted(salt, mark) for mark in known))
    )


def _salted(salt: str, mark: str) -> str:
    return hashlib.sha256(f"{salt}{mark}".encode()).hexdigest()[:_DIGEST_HEX]
