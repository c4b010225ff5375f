"""Small real datasets, encoded as a peer would send them, and a clock that tests set."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from dicom_node.archive.archive import Archive
from dicom_node.center import Center, Completeness, ReturnDestination
from dicom_node.datasets.sop_classes import (
    CT_IMAGE_STORAGE,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    RT_STRUCTURE_SET_STORAGE,
)
from dicom_node.intake.announcement import StoreCommand
from dicom_node.intake.intake import Intake
from dicom_node.intake.object_on_its_way import ObjectOnItsWay
from dicom_node.pseudonym import key_fingerprint
from dicom_node.registry.registry import OutboxItem, Registry, StudyState
from dicom_node.scp.commitment_service import CommitmentService
from dicom_node.scp.services import DimseServices
from tests.support.dicom_datasets import (
    dataset_of,
    set_listed_images,
    set_pixels,
    set_rois,
    square,
)

KEY = b"a key that is only used in tests"
FRAME = "1.2.3.4"
OTHER_FRAME = "1.2.3.5"
ROWS, COLUMNS, SPACING_MM, SLICE_MM = 8, 10, 2.0, 3.0
MAXIMUM_OBJECT_BYTES = 1 << 24
PIECE_BYTES = 512


class SetClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.time = datetime(2024, 5, 17, 8, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


def encode(dataset: Dataset, transfer_syntax: str = IMPLICIT_VR_LITTLE_ENDIAN) -> bytes:
    """Return the bytes of a dataset as they travel in a C-STORE."""
    buffer = DicomBytesIO()
    buffer.is_little_endian = True
    buffer.is_implicit_VR = transfer_syntax == IMPLICIT_VR_LITTLE_ENDIAN
    write_dataset(buffer, dataset)
    return buffer.getvalue()


def ct_slice(
    index: int,
    *,
    study: str = "1.2.1",
    series: str = "1.2.1.1",
    frame: str = FRAME,
    patient: str = "P1",
    origin_mm: float = 0.0,
    gray: int = 7,
) -> Dataset:
    """Return one axial slice of 8 x 10 pixels of 2 mm at z = origin + 3 mm x index."""
    dataset = dataset_of(
        CT_IMAGE_STORAGE, f"{series}.{index + 1}", study, series=series, patient=patient
    )
    dataset.Modality = "CT"
    dataset.FrameOfReferenceUID = frame
    dataset.ImagePositionPatient = [0, 0, origin_mm + SLICE_MM * index]
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing = [SPACING_MM, SPACING_MM]
    set_pixels(dataset, ROWS, COLUMNS, gray.to_bytes(2, "little") * (ROWS * COLUMNS))
    return dataset


def rtstruct(
    listed: list[str],
    *,
    study: str = "1.2.1",
    sop: str = "1.2.1.9.1",
    frame: str = FRAME,
    patient: str = "P1",
    square_mm: tuple[float, float, float] = (4.0, 6.0, 3.0),
    made: tuple[str, str] = ("20240517", "083000"),
) -> Dataset:
    """Return an RTSTRUCT with one square contour from `square_mm[0]` to `[1]` in x and y at z =
    `[2]`.
    """
    dataset = dataset_of(RT_STRUCTURE_SET_STORAGE, sop, study, series="1.2.1.9", patient=patient)
    dataset.Modality = "RTSTRUCT"
    dataset.StructureSetDate, dataset.StructureSetTime = made
    series = listed[0].rpartition(".")[0] if listed else "1.2.1.1"
    set_listed_images(dataset, study, series, frame, listed)
    set_rois(dataset, frame, [("GTV-1", [square(*square_mm)])])
    return dataset


@dataclass(frozen=True)
class StoreRequest(StoreCommand):
    """One request to store, with its encoded dataset."""

    dataset: bytes


def request(dataset: Dataset, transfer_syntax: str = EXPLICIT_VR_LITTLE_ENDIAN) -> StoreRequest:
    """Return the C-STORE request of a dataset."""
    return StoreRequest(
        sop_class_uid=str(dataset.SOPClassUID),
        sop_instance_uid=str(dataset.SOPInstanceUID),
        context_class_uid=str(dataset.SOPClassUID),
        transfer_syntax=transfer_syntax,
        dataset=encode(dataset, transfer_syntax),
    )


def take(intake: Intake, center_name: str, *requests: StoreRequest) -> None:
    """Take requests as the listening AE takes those of an association and STOW-RS the parts of a
    body: piece by piece, and at its end everything is in the registry.

    Raises
    ------
    NodeError
        What the first of them is refused with; those after it are not sent.
    """
    try:
        for one in requests:
            arriving = ObjectOnItsWay(intake, center_name, one, MAXIMUM_OBJECT_BYTES)
            try:
                for start in range(0, len(one.dataset), PIECE_BYTES):
                    arriving.write(one.dataset[start : start + PIECE_BYTES])
                error = arriving.finish()
            finally:
                arriving.discard()
            if error is not None:
                raise error
    finally:
        is_indexed = intake.flush()
    assert is_indexed


def center(
    name: str = "alpha",
    *,
    completeness: Completeness = Completeness.LENIENT,
    return_to: ReturnDestination | None = None,
) -> Center:
    """Return a centre with a quiet period of one minute."""
    return Center(
        name=name,
        ae_titles=(name.upper(),),
        completeness=completeness,
        quiet_period_s=60.0,
        return_to=return_to,
    )


@dataclass
class Bench:
    """An archive and a registry in one folder, as the node uses them."""

    folder: Path
    clock: SetClock = field(default_factory=SetClock)
    minimum_free_bytes: int = 0
    registry_url: str | None = None
    replacing: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.archive = Archive(self.folder, self.minimum_free_bytes)
        self.archive.open(key_fingerprint(KEY))
        url = self.registry_url or f"sqlite:///{self.folder / 'registry.sqlite'}"
        self.registry = Registry(url, self.archive.instances, self.clock)
        self.intake = Intake(self.archive, self.registry, KEY, self.replacing)

    @property
    def services(self) -> DimseServices:
        """What the node's AE offers."""
        commitment = CommitmentService(
            self.intake.verify,
            self.registry.commitments.queue,
            self.registry.deliveries.take_commitment_report,
        )
        return DimseServices(self.intake, commitment, MAXIMUM_OBJECT_BYTES)

    def push(self, *datasets: Dataset, center_name: str = "alpha") -> None:
        """Send datasets one after the other on one association."""
        take(self.intake, center_name, *(request(one) for one in datasets))

    def complete(self, number: int = 1) -> str:
        """Push a whole study, the `number`-th, and return its pseudonym."""
        study, series = f"1.2.{number}", f"1.2.{number}.1"
        slices = [ct_slice(index, study=study, series=series) for index in range(3)]
        listed = [str(one.SOPInstanceUID) for one in slices]
        before = {one.study_key for one in self.registry.studies.summaries()}
        self.push(*slices, rtstruct(listed, study=study, sop=f"{study}.9.1"))
        (key,) = {one.study_key for one in self.registry.studies.summaries()} - before
        return key

    def quarantined(self, number: int = 1, sentence: str = "No GTV.") -> str:
        """Push a whole study, the `number`-th, and quarantine it; return its pseudonym."""
        key = self.complete(number)
        digest = self.claim().content_digest
        self.registry.outbox.finish(key, digest, None, StudyState.QUARANTINED, sentence, None)
        return key

    def claim(self, owner: str = "worker", lease_s: float = 60.0) -> OutboxItem:
        """Claim the oldest study that is due; there must be one."""
        item = self.registry.outbox.claim(owner, lease_s)
        assert item is not None
        return item

    def state(self, study_key: str) -> tuple[StudyState, str | None]:
        """Return the state of a study and its sentence."""
        return next(
            (one.state, one.sentence)
            for one in self.registry.studies.summaries()
            if one.study_key == study_key
        )

    def close(self) -> None:
        self.intake.stop()
        self.registry.close()
        self.archive.close()

    def reopen(self) -> Bench:
        self.close()
        bench = Bench(
            self.folder, self.clock, self.minimum_free_bytes, self.registry_url, self.replacing
        )
        bench.intake.reindex()
        return bench


def whole_study(count: int = 4) -> tuple[list[Dataset], Dataset]:
    """Return the slices of a study and the RTSTRUCT that lists them."""
    slices = [ct_slice(index) for index in range(count)]
    return slices, rtstruct([str(one.SOPInstanceUID) for one in slices])
