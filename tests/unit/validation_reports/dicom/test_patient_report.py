"""The structured report: valid, complete, the same bytes for the same score, and never of two
patients.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from models.combined.certainty import ScoreRange
from models.combined.combined_model import Risk
from tests.support.dciodvfy import errors_in
from tests.support.scored_cohorts import PROVENANCE, made_cohort
from validation_reports.dicom.files import write_dicom
from validation_reports.dicom.patient_report import build_structured_report
from validation_reports.dicom.references import ModelReference, RoiReference
from validation_reports.dicom.uids import derived_uid
from validation_reports.errors import StructuredReportError
from validation_reports.not_estimable import NotEstimable
from validation_reports.report.latest_performance import center_performances
from validation_reports.report.validation_report import build_report
from validation_reports.statistics.discrimination import Concordance

STUDIES = (
    "pat1",
    "sts/STS_001",
    "sts/STS_002",
    "sts/STS_003",
    "sts/STS_008",
    "sts/STS_019",
    "sts/STS_025",
)
MODEL = ModelReference("demo-nsclc", "1.0", "ab" * 32, True, "Research on external validation.")
NOT_VALIDATED = NotEstimable("This model has not been validated at centre centre-a yet.")
RISK = Risk(0.4321, True, {365: 0.61, 730: 0.37, 1095: 0.22}, {"gtv": 0.3, "ring_6mm": 0.1321})


def _study(folder: Path) -> tuple[list[Dataset], Dataset]:
    ct: list[Dataset] = [
        pydicom.dcmread(path, stop_before_pixels=True)
        for path in sorted((folder / "ct").rglob("*.dcm"))
    ]
    (rtstruct,) = (path for path in (folder / "rtstruct").rglob("*") if path.is_file())
    return ct, pydicom.dcmread(rtstruct)


def _report(ct: list[Dataset], rtstruct: Dataset, **changes: Any) -> Dataset:
    given: dict[str, Any] = {
        "roi": RoiReference(1, "GTV-1"),
        "risk": RISK,
        "model": MODEL,
        "software_version": "0.1.0",
        "warnings": ("The tube voltage is missing.", "The slices are 6 mm apart, expected 2-5 mm."),
        "created_at": datetime(2026, 3, 4, 5, 6, 7, 89, tzinfo=UTC),
        "sop_instance_uid": derived_uid("content", "model", "report"),
        "series_instance_uid": derived_uid("content", "model", "series"),
        "center": "centre-a",
        "performance": NOT_VALIDATED,
    }
    return build_structured_report(ct, rtstruct, **(given | changes))


@pytest.fixture(scope="module")
def pat1(real_data: Path) -> tuple[list[Dataset], Dataset]:
    return _study(real_data / "pat1")


@pytest.mark.peers
@pytest.mark.real_data
@pytest.mark.parametrize("study", STUDIES)
def test_dciodvfy_finds_no_error(
    study: str, real_data: Path, tmp_path: Path, peer: Callable[[str], str]
) -> None:
    ct, rtstruct = _study(real_data / study)
    path = tmp_path / "report.dcm"
    write_dicom(_report(ct, rtstruct), path)
    assert errors_in(peer("dciodvfy"), path, name="Comprehensive3DSR") == []


@pytest.mark.peers
@pytest.mark.real_data
def test_a_viewer_shows_score_group_survival_model_contour_and_warnings(
    pat1: tuple[list[Dataset], Dataset], tmp_path: Path, peer: Callable[[str], str]
) -> None:
    path = tmp_path / "report.dcm"
    write_dicom(_report(*pat1), path)
    shown = subprocess.run(
        [peer("dsrdump"), "+Pl", "+Pu", str(path)], capture_output=True, text=True, check=True
    ).stdout  # long texts and UIDs in full
    for expected in (
        'survival at 12 months")="0.61"',
        'survival at 24 months")="0.37"',
        'survival at 36 months")="0.22"',
        '="0.4321"',
        '15508007,SCT,"High"',
        "DEMONSTRATION MODEL, NOT FOR CLINICAL USE",
        MODEL.digest,
        'Tracking Identifier")="GTV-1"',
        "The tube voltage is missing.",
        str(pat1[1].SOPInstanceUID),
        str(pat1[0][0].SeriesInstanceUID),
    ):
        assert expected in shown


@pytest.mark.peers
@pytest.mark.real_data
def test_where_the_score_lies_over_other_contours_is_told_where_it_is_known(
    pat1: tuple[list[Dataset], Dataset], tmp_path: Path, peer: Callable[[str], str]
) -> None:
    path = tmp_path / "report.dcm"
    write_dicom(_report(*pat1, over_contours=ScoreRange(20, 20, 0.25, 0.625, 0.15)), path)
    assert errors_in(peer("dciodvfy"), path, name="Comprehensive3DSR") == []
    shown = subprocess.run(
        [peer("dsrdump"), "+Pl", str(path)], capture_output=True, text=True, check=True
    ).stdout
    for expected in (
        'perturbed contours, 10th percentile")="0.25"',
        'perturbed contours, 90th percentile")="0.625"',
        'fall into the other risk group")="15.0"',
        "3 of them fall into the group of low risk, so the group is uncertain.",
    ):
        assert expected in shown
    write_dicom(_report(*pat1), path.with_name("without.dcm"))
    assert b"perturbed contours" not in path.with_name("without.dcm").read_bytes()


@pytest.mark.real_data
def test_same_score_same_bytes_and_nothing_from_the_clock(
    pat1: tuple[list[Dataset], Dataset], tmp_path: Path
) -> None:
    first, second = tmp_path / "first.dcm", tmp_path / "deeper" / "second.dcm"
    write_dicom(_report(*pat1), first)
    write_dicom(_report(*deepcopy(pat1)), second)
    assert first.read_bytes() == second.read_bytes()
    today = f"{datetime.now(tz=UTC):%Y%m%d}".encode()
    assert today not in first.read_bytes()
    assert list(tmp_path.rglob(".*")) == []


@pytest.mark.peers
@pytest.mark.real_data
def test_a_report_tells_how_the_model_does_at_this_centre_or_that_nobody_knows(
    pat1: tuple[list[Dataset], Dataset], tmp_path: Path, peer: Callable[[str], str]
) -> None:
    validated = build_report([made_cohort("centre-a", 80, 1)], PROVENANCE, n_resamples=20)
    (known,) = center_performances(validated, "20260304T050607000000Z-center-centre-a")
    c = known.concordance
    assert isinstance(c, Concordance)
    path = tmp_path / "report.dcm"
    write_dicom(_report(*pat1, performance=known), path)
    assert errors_in(peer("dciodvfy"), path, name="Comprehensive3DSR") == []
    shown = subprocess.run(
        [peer("dsrdump"), "+Pl", str(path)], capture_output=True, text=True, check=True
    ).stdout
    shown = shown[shown.index("Performance of this model") :]
    for expected in (
        f'concordance index of overall survival")="{c.estimate:.6g}"',
        f'Lower limit of the confidence interval")="{c.lower:.6g}"',
        f'Upper limit of the confidence interval")="{c.upper:.6g}"',
        f'analysed in the validation")="{known.n}"',
        f'patients analysed")="{known.n_events}"',
        f'at this centre")="{known.calibration.verdict}: Deaths: ',
        'Date of the validation")="20260304"',
        'of the validation report")="20260304T050607000000Z-center-centre-a"',
    ):
        assert expected in shown
    assert "SpecificCharacterSet" not in pydicom.dcmread(path)
    unknown = _report(*pat1).ContentSequence[-1]
    assert [item.get("TextValue") for item in unknown.ContentSequence] == [NOT_VALIDATED.sentence]


@pytest.mark.real_data
def test_another_warning_gives_other_bytes(
    pat1: tuple[list[Dataset], Dataset], tmp_path: Path
) -> None:
    first, second = tmp_path / "first.dcm", tmp_path / "second.dcm"
    write_dicom(_report(*pat1), first)
    write_dicom(_report(*pat1, warnings=()), second)
    assert first.read_bytes() != second.read_bytes()


@pytest.mark.real_data
def test_a_report_names_the_one_that_it_supersedes(pat1: tuple[list[Dataset], Dataset]) -> None:
    first = _report(*pat1)
    second = _report(
        *pat1, predecessor=first, sop_instance_uid=derived_uid("content 2", "model", "report")
    )
    (study,) = second.PredecessorDocumentsSequence
    (series,) = study.ReferencedSeriesSequence
    assert study.StudyInstanceUID == first.StudyInstanceUID
    assert series.SeriesInstanceUID == first.SeriesInstanceUID
    assert [one.ReferencedSOPInstanceUID for one in series.ReferencedSOPSequence] == [
        first.SOPInstanceUID
    ]
    assert (first.InstanceNumber, second.InstanceNumber) == (1, 2)
    assert "PredecessorDocumentsSequence" not in first


@pytest.mark.real_data
def test_every_instance_is_evidence(pat1: tuple[list[Dataset], Dataset]) -> None:
    report = _report(*pat1)
    (study,) = report.CurrentRequestedProcedureEvidenceSequence
    named = {
        item.ReferencedSOPInstanceUID
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }
    assert named == {ct.SOPInstanceUID for ct in pat1[0]} | {pat1[1].SOPInstanceUID}
    assert report.StudyInstanceUID == pat1[0][0].StudyInstanceUID


@pytest.mark.real_data
def test_a_contour_of_another_study_is_evidence_of_a_report_in_the_study_of_the_ct(
    pat1: tuple[list[Dataset], Dataset],
) -> None:
    ct, rtstruct = deepcopy(pat1)
    rtstruct.StudyInstanceUID = "1.2.3.99"
    report = _report(ct, rtstruct)
    assert report.StudyInstanceUID == ct[0].StudyInstanceUID
    evidence = {
        str(item.StudyInstanceUID): [
            str(one.ReferencedSOPInstanceUID)
            for series in item.ReferencedSeriesSequence
            for one in series.ReferencedSOPSequence
        ]
        for sequence in (
            "CurrentRequestedProcedureEvidenceSequence",
            "PertinentOtherEvidenceSequence",
        )
        for item in report.get(sequence) or ()
    }
    assert evidence["1.2.3.99"] == [rtstruct.SOPInstanceUID]
    assert len(evidence[ct[0].StudyInstanceUID]) == len(ct)


@pytest.mark.real_data
def test_the_notice_is_absent_for_a_model_that_is_no_demonstration(
    pat1: tuple[list[Dataset], Dataset],
) -> None:
    model = ModelReference("nsclc", "2.1", "cd" * 32, False, "Prognosis after radiotherapy.")
    report = _report(*pat1, model=model)
    texts = [
        str(element.value)
        for element in report.iterall()
        if element.keyword in ("TextValue", "SeriesDescription")
    ]
    assert "Intended use: Prognosis after radiotherapy." in texts
    assert not any("DEMONSTRATION" in text for text in texts)


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("charset", "name", "written"),
    [
        ("ISO_IR 100", "Müller^Jörg", "ISO_IR 100"),
        ("ISO_IR 192", "山田^太郎", "ISO_IR 192"),
        ("", "Doe^Jane", None),
    ],
)
def test_names_of_any_script_come_back_whole(
    pat1: tuple[list[Dataset], Dataset],
    tmp_path: Path,
    charset: str,
    name: str,
    written: str | None,
) -> None:
    ct, rtstruct = deepcopy(pat1)
    for dataset in (*ct, rtstruct):
        dataset.SpecificCharacterSet = charset
        dataset.PatientName = name
    path = tmp_path / "report.dcm"
    write_dicom(_report(ct, rtstruct), path)
    back = pydicom.dcmread(path)
    assert str(back.PatientName) == name
    assert back.get("SpecificCharacterSet") == written


@pytest.mark.real_data
def test_a_roi_name_outside_the_source_character_set_makes_it_utf8(
    pat1: tuple[list[Dataset], Dataset], tmp_path: Path
) -> None:
    ct, rtstruct = deepcopy(pat1)
    ct[0].SpecificCharacterSet = "ISO_IR 100"
    path = tmp_path / "report.dcm"
    write_dicom(_report(ct, rtstruct, roi=RoiReference(3, "腫瘍 GTV")), path)
    back = pydicom.dcmread(path)
    assert back.SpecificCharacterSet == "ISO_IR 192"
    assert "腫瘍 GTV" in str(back)


@pytest.mark.peers
@pytest.mark.real_data
def test_absent_and_impossible_attributes_do_not_stop_a_report(
    pat1: tuple[list[Dataset], Dataset], tmp_path: Path, peer: Callable[[str], str]
) -> None:
    ct, rtstruct = deepcopy(pat1)
    with pydicom.config.disable_value_validation():
        for keyword in (
            "PatientBirthDate",
            "StudyDate",
            "StudyTime",
            "ReferringPhysicianName",
            "AccessionNumber",
        ):
            delattr(ct[0], keyword)
        ct[0].PatientSex = "male"
        ct[0].PatientBirthDate = "about 1950"
        ct[0].StudyID = "a study identifier that is too long"
    path = tmp_path / "report.dcm"
    write_dicom(_report(ct, rtstruct), path)
    assert errors_in(peer("dciodvfy"), path, name="Comprehensive3DSR") == []
    assert ct[0].PatientSex == "male", "the given dataset was changed"


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("keyword", "vr", "value"),
    [
        ("ReconstructionDiameter", "FD", b"5 mm"),
        ("ExposureTimeInuS", "FD", b"\0\0\0\0"),
        ("AcquisitionNumber", "IS", b"1e400 "),
        ("StudyDate", "DA", b"20200102\\20200103 "),
        ("StudyTime", "TM", b"-0000 "),
        ("StudyTime", "TM", b"\\ "),
    ],
)
def test_what_cannot_be_read_in_a_header_does_not_stop_a_report(
    pat1: tuple[list[Dataset], Dataset], keyword: str, vr: str, value: bytes
) -> None:
    ct, rtstruct = deepcopy(pat1)
    tag = Tag(keyword)
    ct[0][tag] = RawDataElement(tag, vr, len(value), value, 0, False, True)
    report = _report(ct, rtstruct)
    assert report.PatientID == pat1[0][0].PatientID
    assert not report.get(keyword)


@pytest.mark.real_data
def test_time_is_written_in_the_zone_of_the_source(pat1: tuple[list[Dataset], Dataset]) -> None:
    ct, rtstruct = deepcopy(pat1)
    ct[0].TimezoneOffsetFromUTC = "+0530"
    report = _report(ct, rtstruct)
    assert (str(report.ContentTime), str(report.InstanceCreationTime)) == ("103607", "103607")
    assert str(_report(*pat1).ContentTime) == "050607"


@pytest.mark.real_data
@pytest.mark.parametrize("offset", ["+2500", "-9900", "+0160", "+01:00", "01", "+0100\\+0200"])
def test_a_zone_that_no_place_has_is_none(pat1: tuple[list[Dataset], Dataset], offset: str) -> None:
    ct, rtstruct = deepcopy(pat1)
    ct[0].TimezoneOffsetFromUTC = offset
    assert str(_report(ct, rtstruct).ContentTime) == "050607"


@pytest.mark.real_data
def test_two_patients_are_refused_without_naming_them(pat1: tuple[list[Dataset], Dataset]) -> None:
    ct, rtstruct = deepcopy(pat1)
    rtstruct.PatientID = "SECRET-77"
    with pytest.raises(StructuredReportError, match="name 2 patients") as caught:
        _report(ct, rtstruct)
    assert "SECRET" not in str(caught.value)


@pytest.mark.real_data
def test_without_identifiers_the_names_must_agree(pat1: tuple[list[Dataset], Dataset]) -> None:
    ct, rtstruct = deepcopy(pat1)
    for dataset in (*ct, rtstruct):
        dataset.PatientID = ""
    assert _report(ct, rtstruct).PatientID == ""
    rtstruct.PatientName = "OTHER^"
    with pytest.raises(StructuredReportError, match="name 2 patients"):
        _report(ct, rtstruct)


@pytest.mark.real_data
def test_what_cannot_stand_in_a_report_is_refused(pat1: tuple[list[Dataset], Dataset]) -> None:
    ct, rtstruct = pat1
    other = deepcopy(ct[0])
    other.SeriesInstanceUID = "1.2.3"
    cases: list[tuple[list[Dataset], Dataset, dict[str, Any], str]] = [
        ([], rtstruct, {}, "No CT instance"),
        ([*ct, other], rtstruct, {}, "2 series"),
        ([*ct, ct[0]], rtstruct, {}, "given twice"),
        ([rtstruct], rtstruct, {}, "expected CT Image Storage"),
        (ct, ct[0], {}, "expected RT Structure Set Storage."),
        (
            ct,
            rtstruct,
            {"risk": replace(RISK, linear_predictor=float("nan"))},
            "not a finite number",
        ),
        (ct, rtstruct, {"risk": replace(RISK, survival={365: float("nan")})}, "at 365 days is nan"),
        (ct, rtstruct, {"risk": replace(RISK, survival={365: 1.01})}, "expected a probability"),
        (ct, rtstruct, {"software_version": "x" * 65}, "65 characters"),
        (ct, rtstruct, {"created_at": datetime(2026, 1, 1)}, "no time zone"),  # noqa: DTZ001
        (ct, rtstruct, {"sop_instance_uid": "../../x"}, "not a UID"),
        (
            ct,
            rtstruct,
            {"sop_instance_uid": "1.2.3", "series_instance_uid": "1.2.3"},
            "are the same",
        ),
    ]
    for instances, structures, changes, sentence in cases:
        with pytest.raises(StructuredReportError, match=sentence):
            _report(instances, structures, **changes)
