"""The files of a complete study are all of them or a sentence, with the ROI and the CT that are
scored.
"""

from __future__ import annotations

import pytest

from dicom_node.errors import UnknownStudyError
from dicom_node.registry.ct_choice import Answer, Evidence, NameVerdict
from dicom_node.registry.registry import Choice
from tests.support.intake_bench import Bench


def test_the_files_of_a_study_are_its_rtstruct_and_its_slices(bench: Bench) -> None:
    key = bench.complete()
    files = bench.registry.outbox.files(key)
    assert files.rtstruct.sop_instance_uid == "1.2.1.9.1"
    assert [one.sop_instance_uid for one in files.ct] == ["1.2.1.1.1", "1.2.1.1.2", "1.2.1.1.3"]
    assert all(one.path.is_file() for one in (files.rtstruct, *files.ct))
    assert files == bench.registry.outbox.files(key, files.content_digest)


def test_a_study_of_which_a_file_has_gone_is_sent_again(bench: Bench) -> None:
    key = bench.complete()
    gone = bench.registry.outbox.files(key).ct[1].path
    bench.registry.instances.forget([str(gone.relative_to(bench.folder / "archive"))])
    with pytest.raises(
        UnknownStudyError, match=f"Of the 4 files of study {key}, 1 is no longer in the archive"
    ):
        bench.registry.outbox.files(key)


def test_the_row_of_the_outbox_says_which_roi_and_which_ct_and_why(bench: Bench) -> None:
    key = bench.complete()
    choice = bench.registry.outbox.files(key).choice
    assert choice == Choice(
        roi_number=1,
        roi_verdict=NameVerdict.ONE,
        older_has_gtv=False,
        series_instance_uid="1.2.1.1",
        decided_by=Evidence.LISTED_SERIES,
        answers={
            Evidence.CONTOUR_IMAGES: Answer.SILENT,
            Evidence.LISTED_SERIES: Answer.NAMES_IT,
            Evidence.LISTED_IMAGES: Answer.NAMES_IT,
            Evidence.FRAME_OF_REFERENCE: Answer.NAMES_IT,
            Evidence.GEOMETRY: Answer.NAMES_IT,
        },
    )
    assert choice.in_words == (
        "The GTV is ROI number 1, the one of its name; the CT series is chosen by the Series "
        "Instance UID that the RTSTRUCT lists."
    )
