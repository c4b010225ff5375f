"""A study leaves the archive as files that fit together, that readers read, and in which nobody is
named.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from dicom_node.datasets.sop_classes import CT_IMAGE_STORAGE
from dicom_node.export.export import Exporter, export_studies
from tests.support.intake_bench import KEY, Bench, request, take, whole_study
from tests.support.raw_values import with_value

# Everything that names somebody or something in the study below; none of it may be in any byte that
# goes out.
PERSON = {
    "PatientName": "Zwartkruis-Pérez^Wilhelmina=黒^木",
    "PatientID": "MRN-8842-9917",
    "PatientBirthDate": "19610213",
    "AccessionNumber": "ACC5550123",
    "ReferringPhysicianName": "Quackenbush^Dr",
    "InstitutionName": "Hospital of the Seven Lakes",
    "OperatorsName": "Radtech^Olga",
    "StudyID": "ST-77123",
    "StudyDescription": "Zwartkruis planning",
    "SeriesDescription": "Planning for Wilhelmina",
    "ProtocolName": "Thorax Zwartkruis",
    "PatientComments": "lives at Lakeside 12",
    "ImageComments": "see MRN-8842-9917",
    "StationName": "CT1",
    "Manufacturer": "Scans for Zwartkruis",
    "StudyDate": "20240517",
    "StudyTime": "083000",
}

COMMON_WORDS = {
    "CT1",
    "for",
    "of",
    "the",
    "see",
    "at",
    "12",
    "planning",
    "Planning",
    "Thorax",
    "Scans",
    "lives",
    "Dr",
}
COMMON_WORDS |= {"Seven", "083000"}


def _study() -> list[Dataset]:
    slices, drawn = whole_study()
    for one in [*slices, drawn]:
        one.SpecificCharacterSet = "ISO_IR 192"
        for keyword, value in PERSON.items():
            setattr(one, keyword, value)
        one.private_block(0x0009, "LAKES", create=True).add_new(1, "LO", "Zwartkruis")
    for one in slices:
        one.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    for one in [*slices, drawn]:
        _rename(one)
    drawn.StructureSetROISequence[0].ROIName = "GTV Zwartkruis"
    drawn.StructureSetROISequence[0].ROIDescription = "drawn by Quackenbush"
    drawn.StructureSetLabel, drawn.ReviewerName = "Zwartkruis", "Quackenbush^Dr"
    return [*slices, drawn]


ROOT = "1.2.752.99999."


def _rename(dataset: Dataset) -> None:
    """Give the objects UIDs that are long enough to be looked for."""
    for element in dataset.iterall():
        if element.VR == "UI" and not str(element.value).startswith("1.2.840.10008"):
            element.value = ROOT + str(element.value)[2:]
    assert str(dataset.SOPInstanceUID).startswith(ROOT)


@pytest.fixture
def exported(bench: Bench, tmp_path: Path) -> tuple[Bench, Path]:
    bench.push(*_study())
    done, refused = export_studies(Exporter(bench.registry, KEY, tmp_path / "out"))
    assert (len(done), refused) == (1, [])
    return bench, done[0]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_nothing_that_names_somebody_survives_in_any_byte(exported: tuple[Bench, Path]) -> None:
    bench, folder = exported
    files = sorted(folder.glob("*"))
    assert len(files) == 5
    content = b"".join(file.read_bytes() + str(file).encode() for file in files).lower()
    words = {
        word
        for value in PERSON.values()
        for word in value.replace("^", " ").replace("=", " ").split()
    }
    words |= {"lakes", "gtv zwartkruis", ROOT}
    words -= COMMON_WORDS
    for word in sorted(words):
        assert word.lower().encode() not in content, word
    archived = b"".join(file.path.read_bytes() for file in bench.archive.files()).lower()
    assert all(word.lower().encode() in archived for word in words)


def test_what_goes_out_fits_together_and_keeps_what_is_measured(
    exported: tuple[Bench, Path],
) -> None:
    _, folder = exported
    datasets = [dcmread(file) for file in folder.glob("*.dcm")]
    slices = [one for one in datasets if one.SOPClassUID == CT_IMAGE_STORAGE]
    (drawn,) = (one for one in datasets if one.SOPClassUID != CT_IMAGE_STORAGE)
    assert {one.StudyInstanceUID for one in datasets} == {drawn.StudyInstanceUID}
    frame = drawn.ReferencedFrameOfReferenceSequence[0]
    series = frame.RTReferencedStudySequence[0].RTReferencedSeriesSequence[0]
    assert {one.FrameOfReferenceUID for one in slices} == {frame.FrameOfReferenceUID}
    assert {one.SeriesInstanceUID for one in slices} == {series.SeriesInstanceUID}
    listed = {image.ReferencedSOPInstanceUID for image in series.ContourImageSequence}
    assert listed == {one.SOPInstanceUID for one in slices}
    originals = [one for one in _study() if one.SOPClassUID == CT_IMAGE_STORAGE]
    assert sorted(float(one.ImagePositionPatient[2]) for one in slices) == [0.0, 3.0, 6.0, 9.0]
    assert {one.PixelData for one in slices} == {one.PixelData for one in originals}
    assert (drawn.StructureSetROISequence[0].ROIName, drawn.StructureSetLabel) == (
        "ROI 1",
        "RTSTRUCT",
    )
    assert drawn.ROIContourSequence[0].ContourSequence[0].ContourData == [
        4,
        4,
        3,
        6,
        4,
        3,
        6,
        6,
        3,
        4,
        6,
        3,
    ]
    assert {one.file_meta.MediaStorageSOPInstanceUID == one.SOPInstanceUID for one in datasets} == {
        True
    }
    assert (slices[0].StationName, slices[0].Manufacturer) == ("CT1", "")


def test_the_same_study_is_the_same_bytes_again(
    exported: tuple[Bench, Path], tmp_path: Path
) -> None:
    bench, folder = exported
    (again,) = export_studies(Exporter(bench.registry, KEY, tmp_path / "again"))[0]
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == {
        file.name: file.read_bytes() for file in again.iterdir()
    }


def test_one_study_that_cannot_go_stops_no_other_and_is_told(bench: Bench, tmp_path: Path) -> None:
    bench.push(*_study())
    slices, drawn = whole_study()  # without an Image Type nobody knows where its pixels are from
    bench.push(*slices, drawn)
    out = tmp_path / "out"
    done, refused = export_studies(Exporter(bench.registry, KEY, out))
    assert len(done) == 1
    assert "--trust-derived" in refused[0]
    assert len(list(out.rglob("*.dcm"))) == 5
    assert export_studies(
        Exporter(bench.registry, KEY, out, trust_derived=True), center="beta"
    ) == ([], [])


def test_what_is_exported_is_readable_by_its_owner_only(exported: tuple[Bench, Path]) -> None:
    _, folder = exported
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    folders = (folder, *folder.parents[:2])
    assert {path.stat().st_mode & 0o777 for path in folders} == {0o700}


def test_a_value_that_nobody_can_read_stops_no_other_study(bench: Bench, tmp_path: Path) -> None:
    bench.complete(2)
    slices, drawn = whole_study()
    bad = with_value(slices[0], 0x00180060, "DS", b"DOE")
    for one in [*slices[1:], drawn]:
        bench.push(one)
    take(bench.intake, "alpha", replace(request(slices[0]), dataset=bad))
    exporter = Exporter(bench.registry, KEY, tmp_path / "out", trust_derived=True)
    done, refused = export_studies(exporter)
    assert len(done) + len(refused) == 2
    assert done, refused
    for path in (tmp_path / "out").rglob("*.dcm"):
        assert b"DOE" not in path.read_bytes()
    assert not any("DOE" in one for one in refused)
