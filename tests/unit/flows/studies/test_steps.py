"""The first steps of a study: what is found and what is refused is kept, and nothing else ends
it.
"""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from prefect.logging import disable_run_logger
from pydicom import dcmread
from pydicom.dataset import Dataset

from dicom_node.center import Completeness
from dicom_node.registry.registry import StudyFiles
from feature_store.errors import StudyDefect
from feature_store.expectations.checks import Check, judged_codes
from feature_store.tables.guarded_table import StoreError
from flows.installation import Installation
from flows.settings import Settings
from flows.studies import steps
from tests.support import synthetic_studies as spoil
from tests.support.archived_studies import archive_study
from tests.support.intake_bench import Bench, center

pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_.*' is deprecated:DeprecationWarning")

Spoil = Callable[[list[Path]], list[Path]]
check_and_load = inspect.unwrap(steps.check_and_load)
extract_features = inspect.unwrap(steps.extract_features)


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Installation]:
    (tmp_path / "annulus.toml").write_text(
        f"[node]\nfolder = '{tmp_path / 'node'}'\n[center.alpha]\nae_titles = ['ALPHA']\n"
    )
    work = Installation(Settings.load(tmp_path / "annulus.toml"))
    yield work
    work.registry.close()


def tried(work: Installation, tmp_path: Path, spoiled: Spoil) -> tuple[str, tuple[Check, ...]]:
    """Archive a spoiled study and let it through the first steps; return why it ended, and what
    the store has on it.
    """
    files = spoiled(spoil.write_study(tmp_path / "study", "PATIENT-ID"))
    study_key = archive_study(work.settings.node.folder, files, "alpha")
    return _refusal(work, study_key), work.store.checks("alpha")


def _refusal(work: Installation, study_key: str) -> str:
    files = work.registry.outbox.files(study_key)
    with disable_run_logger():
        try:
            with work.store.writing_beside() as store:
                run = steps.StudyRun(work, store, files)
                extract_features(run, check_and_load(run))
        except StudyDefect as defect:
            return str(defect)
    return ""


@pytest.mark.parametrize("contours", [0, 10])
def test_voxels_are_let_go_of_where_nothing_but_features_is_made_of_them(
    tmp_path: Path, contours: int
) -> None:
    (tmp_path / "annulus.toml").write_text(
        f"[node]\nfolder = '{tmp_path / 'node'}'\n[certainty]\ncontours = {contours}\n"
        "[center.alpha]\nae_titles = ['ALPHA']\n"
    )
    work = Installation(Settings.load(tmp_path / "annulus.toml"))
    files = spoil.write_study(tmp_path / "study", "PATIENT-ID")
    study_key = archive_study(work.settings.node.folder, files, "alpha")
    with disable_run_logger(), work.store.writing_beside() as store:
        run = steps.StudyRun(work, store, work.registry.outbox.files(study_key))
        checked = check_and_load(run)
        study = checked.measured.take()
        assert study.volume.hu.max() > study.volume.hu.min()
        voxels = weakref.ref(study.volume.hu)
        with pytest.raises(LookupError):
            checked.measured.take()
        checked = replace(checked, measured=steps.MeasuredOnce(study))
        del study
        features, _ = extract_features(run, checked)
    assert features.vectors
    assert (voxels() is None) is (contours == 0)
    work.registry.close()


def test_a_good_study_leaves_what_came_of_every_suite(work: Installation, tmp_path: Path) -> None:
    sentence, (contours, regions, study, voxels) = tried(work, tmp_path, lambda files: files)
    assert sentence == ""
    assert (study.suite, study.codes) == ("study", judged_codes("study"))
    assert (contours.suite, contours.codes) == ("contours", judged_codes("contours"))
    assert (voxels.suite, voxels.codes) == ("voxels", judged_codes("voxels"))
    assert (regions.suite, regions.codes) == ("regions", judged_codes("regions"))
    assert {one.code for one in study.findings} == {"clinical-row", "matrix"}
    assert study.study is not None
    assert study.study == regions.study
    assert not any(
        b"PATIENT-ID" in path.read_bytes()
        for path in (work.settings.node.folder / "feature_store").rglob("*")
        if path.is_file()
    )


def test_a_study_that_a_rule_refuses_is_kept_with_all_that_was_found(
    work: Installation, tmp_path: Path
) -> None:
    sentence, (study,) = tried(
        work, tmp_path, lambda files: spoil.in_another_frame_of_reference(spoil.without_gtv(files))
    )
    assert sentence.startswith("No ROI is the GTV")
    assert [one.code for one in study.findings if one.sentence in sentence] == ["gtv-name"]
    assert {one.code for one in study.findings} == {"gtv-name", "clinical-row", "matrix"}


def _between_the_slices(files: list[Path]) -> list[Path]:
    structure = dcmread(files[-1])
    for drawn in structure.ROIContourSequence:
        for contour in drawn.ContourSequence:
            contour.ContourData = [
                float(value) + (2.0 if number % 3 == 2 else 0.0)
                for number, value in enumerate(contour.ContourData)
            ]
    structure.save_as(files[-1])
    return files


def test_what_only_loading_sees_is_kept_beside_what_the_suite_found(
    work: Installation, tmp_path: Path
) -> None:
    sentence, (study,) = tried(work, tmp_path, _between_the_slices)
    assert "mm off the nearest slice" in sentence
    first, *others = study.findings
    assert (first.code, first.sentence) == ("off-slice", sentence)
    assert {one.code for one in others} == {"clinical-row", "matrix"}
    assert study.codes == (*judged_codes("study"), "off-slice")


def test_a_gtv_of_one_voxel_is_kept_under_the_suite_of_the_regions(
    work: Installation, tmp_path: Path
) -> None:
    sentence, (_, regions, *_) = tried(work, tmp_path, spoil.with_one_voxel_contour)
    assert [(one.code, one.sentence) for one in regions.findings] == [("gtv-too-small", sentence)]
    assert (regions.suite, regions.codes) == ("regions", ("gtv-too-small",))


def _unusable_position(files: list[Path]) -> list[Path]:
    dataset: Dataset = dcmread(files[3])
    dataset.PixelSpacing = [0, 0]
    dataset.save_as(files[3])
    return files


def test_what_no_suite_can_judge_is_kept_too(work: Installation, tmp_path: Path) -> None:
    sentence, (study,) = tried(work, tmp_path, _unusable_position)
    assert "impossible geometry" in sentence
    code = "impossible-geometry"
    assert (study.codes, study.findings[0].code) == ((code,), code)


def test_a_file_that_changed_on_disk_is_refused_before_it_is_read(
    work: Installation, tmp_path: Path
) -> None:
    files = spoil.write_study(tmp_path / "study", "P")
    study_key = archive_study(work.settings.node.folder, files, "alpha")
    archived = work.registry.outbox.files(study_key)
    victim = archived.ct[7]
    victim.path.chmod(0o600)
    content = bytearray(victim.path.read_bytes())
    content[-1] ^= 1
    victim.path.write_bytes(content)
    told = (
        "The file of a CT slice in the archive is not the one that was received: its SHA-256 is "
        f"expected to be {victim.content_sha256[:16]}… and is not. Check the disk, remove the file "
        "and push the study anew."
    )
    assert _refusal(work, study_key) == told
    victim.path.unlink()
    assert _refusal(work, study_key) == told
    (study,) = work.store.checks("alpha")
    assert [one.code for one in study.findings] == ["changed-on-disk"]
    archived.rtstruct.path.unlink()
    assert "The file of the RTSTRUCT in the archive" in _refusal(work, study_key)


def test_a_verdict_whose_findings_cannot_be_kept_is_none(
    work: Installation, tmp_path: Path
) -> None:
    work.settings.node.folder.mkdir()
    (work.settings.node.folder / "feature_store").write_text("a file in place of the store")
    with pytest.raises(StoreError, match="cannot be"):
        tried(work, tmp_path, spoil.without_gtv)


def _settled(
    work: Installation, tmp_path: Path, spoiled: Callable[[Dataset], None]
) -> tuple[str, Check, StudyFiles]:
    """Archive a study with a spoiled RTSTRUCT, let the quiet period pass, and let it through the
    first steps; return why it ended, what was found of the study, and its files.
    """
    files = spoil.write_study(tmp_path / "study", "PATIENT-ID")
    structure = dcmread(files[-1])
    spoiled(structure)
    structure.save_as(files[-1])
    bench = Bench(work.settings.node.folder)
    bench.push(*map(dcmread, files))
    bench.clock.advance(60)
    bench.registry.studies.settle(center(completeness=Completeness.STRICT))
    (summary,) = bench.registry.studies.summaries()
    bench.close()
    sentence = _refusal(work, summary.study_key)
    study = next(one for one in work.store.checks("alpha") if one.suite == "study")
    return sentence, study, work.registry.outbox.files(summary.study_key)


def _roi(structure: Dataset, name: str) -> Dataset:
    rois: list[Dataset] = structure.StructureSetROISequence
    return next(roi for roi in rois if roi.ROIName == name)


def _drawn(structure: Dataset, name: str) -> Dataset:
    items: list[Dataset] = structure.ROIContourSequence
    number = _roi(structure, name).ROINumber
    return next(item for item in items if item.ReferencedROINumber == number)


def test_a_list_of_the_contoured_slices_only_is_worked_on_whole_with_its_warning(
    work: Installation, tmp_path: Path
) -> None:
    def gtv_only(structure: Dataset) -> None:
        gtv = _drawn(structure, "GTV-1")
        structure.StructureSetROISequence = [_roi(structure, "GTV-1")]
        structure.ROIContourSequence = [gtv]
        (frame,) = structure.ReferencedFrameOfReferenceSequence
        series = frame.RTReferencedStudySequence[0].RTReferencedSeriesSequence[0]
        series.ContourImageSequence = [one.ContourImageSequence[0] for one in gtv.ContourSequence]

    sentence, study, files = _settled(work, tmp_path, gtv_only)
    assert sentence == ""
    assert len(files.ct) == 24
    (found,) = (one for one in study.findings if one.code == "contoured-slices-listed")
    assert "all of them with contours" in found.sentence
    assert found.sentence.endswith("the whole series of 24 slices is used.")


def test_a_frame_that_only_the_gtv_names_is_a_warning_where_all_else_names_the_ct(
    work: Installation, tmp_path: Path
) -> None:
    def other_frame(structure: Dataset) -> None:
        _roi(structure, "GTV-1").ReferencedFrameOfReferenceUID = "1.2.3.77"

    sentence, study, _ = _settled(work, tmp_path, other_frame)
    assert sentence == ""
    (found,) = (one for one in study.findings if one.code == "unlisted-frame-of-reference")
    assert found.sentence == (
        "ROI 'GTV-1' names a Frame of Reference that the RTSTRUCT itself does not list, or none, "
        "expected the CT's, which it lists with this series and its instances: the contours are "
        "taken to be drawn on this CT."
    )


def test_two_rois_with_one_number_are_refused_whatever_the_node_chose(
    work: Installation, tmp_path: Path
) -> None:
    def same_number(structure: Dataset) -> None:
        number = _roi(structure, "GTV-1").ROINumber
        drawn = _drawn(structure, "Lung_L")
        _roi(structure, "Lung_L").ROINumber = drawn.ReferencedROINumber = number

    sentence, study, files = _settled(work, tmp_path, same_number)
    assert sentence.startswith("Another ROI has the same ROI Number (3006,0022) as 'GTV-1'")
    assert study.findings[0].code == "repeated-roi-number"
    assert files.choice is not None
    assert files.choice.roi_number is not None


@pytest.mark.slow
def test_a_malformed_contour_matters_in_the_gtv_only(work: Installation, tmp_path: Path) -> None:
    def in_the_lung(structure: Dataset) -> None:
        _drawn(structure, "Lung_L").ContourSequence[0].ContourData = [1, 2, 3, 4]

    assert _settled(work, tmp_path, in_the_lung)[0] == ""


def test_a_malformed_contour_of_the_gtv_is_a_verdict(work: Installation, tmp_path: Path) -> None:
    def in_the_gtv(structure: Dataset) -> None:
        _drawn(structure, "GTV-1").ContourSequence[0].ContourData = [1, 2, 3, 4]

    sentence, study, _ = _settled(work, tmp_path, in_the_gtv)
    assert study.findings[0].code == "malformed-contour"
    assert "of ROI 'GTV-1' (number 1) cannot be read as points" in sentence


def test_the_newest_rtstruct_without_a_gtv_names_the_older_one_that_has_it(
    work: Installation, tmp_path: Path
) -> None:
    files = spoil.write_study(tmp_path / "study", "PATIENT-ID")
    archive_study(work.settings.node.folder, files, "alpha")
    anew = spoil.without_gtv(spoil.drawn_anew(files))
    bench = Bench(work.settings.node.folder)
    bench.push(dcmread(anew[-1]))
    (summary,) = bench.registry.studies.summaries()
    bench.close()
    sentence = _refusal(work, summary.study_key)
    assert sentence.startswith("No ROI of the newest RTSTRUCT is the GTV")
    assert "An older RTSTRUCT of the study has one: draw the GTV in the newest too" in sentence
