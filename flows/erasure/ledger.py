"""The ledger of an erasure: which steps are done, the person for as long as it is not finished, and
the signed certificate at its end.

All of it lies in the folder of the list of erased people. What names the person is in one file,
which only its owner reads and which goes when the certificate is written.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dicom_node.archive.erased_people import ErasedPeople
from dicom_node.durable_files import write_durably
from dicom_node.errors import NodeError
from dicom_node.pseudonym import keyed_digest
from flows.erasure.person import Person
from flows.erasure.report_folders import Outcome

CERTIFICATE, STEPS, UNFINISHED = ".certificate.json", ".steps.json", ".unfinished.json"
SCHEMA = "annulus-erasure/1"


class CertificateError(NodeError, ValueError):
    """A certificate is not what this installation has signed."""


@dataclass(frozen=True)
class Ledger:
    """The files of one erasure.

    Parameters
    ----------
    folder : Path
        Of the list of erased people.
    id : str
        The erasure's number.
    """

    folder: Path
    id: str

    @property
    def certificate(self) -> Path:
        """Where the certificate is."""
        return self.folder / f"{self.id}{CERTIFICATE}"

    @property
    def unfinished(self) -> Path:
        """Where the person is kept for as long as the erasure is not finished."""
        return self.folder / f"{self.id}{UNFINISHED}"

    def begin(self, person: Person) -> None:
        """Keep the person until the end: after the first step nothing else here names all that must
        still be looked for.
        """
        write_durably(self.unfinished, json.dumps(asdict(person)).encode(), mode=0o600)

    def person(self) -> Person:
        """Return the person of an erasure that is not finished."""
        found = json.loads(self.unfinished.read_text(encoding="utf-8"))
        outcome = found.pop("outcome")
        follow_ups = tuple((float(days), bool(died)) for days, died in outcome["follow_ups"])
        return Person(
            center=found.pop("center"),
            outcome=Outcome(outcome["center"], tuple(outcome["linear_predictors"]), follow_ups),
            **{name: tuple(value) for name, value in found.items()},
        )

    def steps(self) -> dict[str, list[str]]:
        """Return what each finished step has done."""
        path = self.folder / f"{self.id}{STEPS}"
        if not path.is_file():
            return {}
        found: dict[str, list[str]] = json.loads(path.read_text(encoding="utf-8"))
        return found

    def finish_step(self, name: str, done: list[str]) -> None:
        """Write that a step is done, and what it did."""
        content = json.dumps({**self.steps(), name: done}, indent=1).encode()
        write_durably(self.folder / f"{self.id}{STEPS}", content)

    def certify(self, certificate: Mapping[str, Any], key: bytes) -> None:
        """Sign and write the certificate, and then forget the person."""
        signed = {**certificate, "signature": _signature(certificate, key)}
        write_durably(self.certificate, json.dumps(signed, indent=1).encode() + b"\n")
        self.unfinished.unlink(missing_ok=True)


def unfinished(erased: ErasedPeople) -> list[Ledger]:
    """Return the erasures that were begun and are not finished."""
    found = sorted(erased.folder.glob(f"*{UNFINISHED}"))
    return [Ledger(erased.folder, path.name.removesuffix(UNFINISHED)) for path in found]


def verified(path: Path, key: bytes) -> dict[str, Any]:
    """Return a certificate that this installation has signed.

    Parameters
    ----------
    path : Path
        The file.
    key : bytes
        The pseudonym key.

    Raises
    ------
    CertificateError
        If it cannot be read, or its signature is not of this installation's key.
    """
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        signature = str(found.pop("signature"))
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise CertificateError(
            f"{path.name} cannot be read as a certificate of erasure: give the file that "
            "`python -m flows erase` has named."
        ) from error
    if not hmac.compare_digest(signature, _signature(found, key)):
        raise CertificateError(
            f"The signature of {path.name} is not of this installation's key: it was changed after "
            "it was written, or another installation has signed it."
        )
    return found


def _signature(certificate: Mapping[str, Any], key: bytes) -> str:
    content = json.dumps(certificate, sort_keys=True, separators=(",", ":"))
    return keyed_digest(key, "certificate of erasure", content).hex()
