"""A report is sent until it is taken; every failure is a sentence, and a warning is a delivery."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID
from pynetdicom import AE, evt

from deploy.local.processes import free_port
from dicom_node.center import ReturnDestination, ReturnedObject
from dicom_node.datasets.sop_classes import (
    COMPREHENSIVE_3D_SR_STORAGE,
    ENCAPSULATED_PDF_STORAGE,
    EXPLICIT_VR_LITTLE_ENDIAN,
    KEY_OBJECT_SELECTION_STORAGE,
    SECONDARY_CAPTURE_STORAGE,
    SEGMENTATION_STORAGE,
    STORAGE_COMMITMENT,
    STORAGE_COMMITMENT_INSTANCE,
    VERIFICATION,
)
from dicom_node.errors import UnreachableError
from dicom_node.network.commitment_messages import (
    CommitmentReport,
    CommitmentRequest,
    Reference,
)
from dicom_node.registry.registry import StudyState
from dicom_node.scu import report_delivery
from dicom_node.scu.caller import Caller, echo
from dicom_node.scu.commitment_results import report_commitments
from dicom_node.scu.report_delivery import deliver_due
from tests.support.certificates import Certificates
from tests.support.intake_bench import Bench, center, whole_study

# pynetdicom drops the socket of a refused connection without closing it.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"
)


@contextmanager
def _pacs(
    port: int, status: int = 0x0000, *, takes_reports: bool = True
) -> Iterator[list[Dataset]]:
    """A listening AE that answers every report with one status and keeps it."""
    received: list[Dataset] = []

    def take(event: evt.Event) -> int:
        received.append(event.dataset)
        return status

    entity = AE("PACS")
    entity.require_called_aet = True
    entity.add_supported_context(VERIFICATION)
    if takes_reports:
        entity.add_supported_context(COMPREHENSIVE_3D_SR_STORAGE)
    server = entity.start_server(
        ("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, take)]
    )
    assert server is not None
    try:
        yield received
    finally:
        entity.shutdown()


def _report(
    path: Path, sop_class: str = COMPREHENSIVE_3D_SR_STORAGE, uid: str = "1.2.3.4.5"
) -> Path:
    report = Dataset()
    report.file_meta = FileMetaDataset()
    report.file_meta.TransferSyntaxUID = UID(EXPLICIT_VR_LITTLE_ENDIAN)
    report.SOPClassUID = sop_class
    report.SOPInstanceUID = uid
    report.save_as(path, enforce_file_format=True)
    return path


@pytest.fixture
def queued(bench: Bench, tmp_path: Path) -> Bench:
    """A scored study whose report waits."""
    slices, drawn = whole_study()
    bench.push(*slices, drawn)
    item = bench.registry.outbox.claim("worker", 60)
    assert item is not None
    report = _report(tmp_path / "report.dcm")
    bench.registry.outbox.finish(
        item.study_key, item.content_digest, "m" * 64, StudyState.SCORED, None, report
    )
    return bench


def _deliver(bench: Bench, port: int, ae_title: str = "PACS") -> int:
    centers = [center("beta"), center(return_to=ReturnDestination(ae_title, "127.0.0.1", port))]
    return deliver_due(
        bench.registry.deliveries,
        Caller("ANNULUS"),
        centers,
        first_retry_s=5.0,
        longest_retry_s=15.0,
    )


def _failure(bench: Bench) -> str:
    ((_, sentence, _),) = bench.registry.deliveries.undelivered()
    assert sentence is not None
    return sentence


def test_a_report_is_delivered_once(queued: Bench) -> None:
    with _pacs(port := free_port()) as received:
        assert _deliver(queued, port) == 1
        assert _deliver(queued, port) == 0
    assert [one.SOPInstanceUID for one in received] == ["1.2.3.4.5"]
    assert [one.delivered for one in queued.registry.studies.summaries()] == [True]


@pytest.mark.slow
def test_a_pacs_that_is_down_is_tried_again_with_growing_pauses_until_it_takes_the_report(
    queued: Bench,
) -> None:
    port = free_port()
    for pause in (5.0, 10.0, 15.0, 15.0):
        assert _deliver(queued, port) == 0
        ((_, sentence, due),) = queued.registry.deliveries.undelivered()
        assert sentence is not None
        assert f"PACS at 127.0.0.1:{port} is not reached" in sentence
        assert (due - queued.clock()).total_seconds() == pause
        queued.clock.advance(pause - 1)
        assert queued.registry.deliveries.due(["alpha"]) == []
        queued.clock.advance(1)
    with _pacs(port) as received:
        assert _deliver(queued, port) == 1
    assert len(received) == 1


def test_a_refusal_is_not_a_delivery_and_names_the_status(queued: Bench) -> None:
    with _pacs(port := free_port(), 0xA700):
        assert _deliver(queued, port) == 0
    assert (
        _failure(queued) == f"PACS at 127.0.0.1:{port} did not take the report, with status 0xA700"
    )


def test_a_warning_is_a_delivery(queued: Bench) -> None:
    with _pacs(port := free_port(), 0xB000):
        assert _deliver(queued, port) == 1
    assert queued.registry.deliveries.undelivered() == []


@pytest.mark.slow
def test_a_pacs_that_knows_another_title_or_takes_no_reports_is_told(queued: Bench) -> None:
    with _pacs(port := free_port()):
        _deliver(queued, port, "OTHER")
    assert "rejected our association" in _failure(queued)
    queued.clock.advance(60)
    with _pacs(port := free_port(), takes_reports=False):
        _deliver(queued, port)
    assert "takes Comprehensive 3D SR Storage" in _failure(queued)


def test_a_report_that_has_gone_is_told(queued: Bench, tmp_path: Path) -> None:
    (tmp_path / "report.dcm").unlink()
    with _pacs(port := free_port()):
        assert _deliver(queued, port) == 0
    assert "The report's file cannot be read (FileNotFoundError)" in _failure(queued)


@contextmanager
def _committing_pacs(port: int, answer: int, result: str) -> Iterator[list[Dataset]]:
    """A PACS that takes reports, answers a commitment request, and reports a result on the same
    association.
    """
    asked: list[Dataset] = []

    def act(event: Any) -> tuple[int, None]:
        asked.append(event.action_information)
        if result == "abort":
            event.assoc.abort()
        return answer, None

    def after(event: Any) -> None:
        if (
            result in {"silence", "abort"}
            or event.message.__class__.__name__ != "N_ACTION_RSP"
            or answer
        ):
            return
        request = asked[-1]
        outcome = Dataset()
        outcome.TransactionUID = request.TransactionUID
        if result in {"committed", "failed, unnamed"}:
            outcome.ReferencedSOPSequence = request.ReferencedSOPSequence
        else:
            outcome.FailedSOPSequence = request.ReferencedSOPSequence
            outcome.FailedSOPSequence[0].FailureReason = 0x0110
        kind = 1 if result == "committed" else 2
        event.assoc.send_n_event_report(
            outcome, kind, STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE
        )

    entity = AE("PACS")
    entity.add_supported_context(COMPREHENSIVE_3D_SR_STORAGE)
    entity.add_supported_context(STORAGE_COMMITMENT)
    handlers: list[Any] = [
        (evt.EVT_C_STORE, lambda _: 0x0000),
        (evt.EVT_N_ACTION, act),
        (evt.EVT_DIMSE_SENT, after),
    ]
    assert entity.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers) is not None
    try:
        yield asked
    finally:
        entity.shutdown()


def test_a_report_that_is_committed_at_once_is_delivered(queued: Bench) -> None:
    with _committing_pacs(port := free_port(), 0x0000, "committed") as asked:
        assert _deliver(queued, port) == 1
    assert queued.registry.deliveries.undelivered() == []
    assert [one.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for one in asked] == ["1.2.3.4.5"]


@pytest.mark.slow
def test_a_report_that_is_not_committed_is_sent_again(queued: Bench) -> None:
    with _committing_pacs(port := free_port(), 0x0000, "failed"):
        assert _deliver(queued, port) == 0
        assert "says that it did not commit it" in _failure(queued)
    with _committing_pacs(port := free_port(), 0x0000, "committed"):
        assert _deliver(queued, port) == 1


@pytest.mark.slow
def test_a_failure_that_names_no_instance_is_no_commitment(queued: Bench) -> None:
    with _committing_pacs(port := free_port(), 0x0000, "failed, unnamed"):
        assert _deliver(queued, port) == 0
    assert "has not answered yet" in _failure(queued)


@pytest.mark.slow
def test_a_result_that_comes_later_delivers_and_one_that_does_not_come_sends_again(
    queued: Bench,
) -> None:
    with _committing_pacs(port := free_port(), 0x0000, "silence") as asked:
        assert _deliver(queued, port) == 0
        assert "has not answered yet" in _failure(queued)
        assert _deliver(queued, port) == 0  # not due
        assert len(asked) == 1
        queued.clock.advance(901)
        assert _deliver(queued, port) == 0
    first, second = (CommitmentReport(one.TransactionUID, (), ()) for one in asked)
    queued.registry.deliveries.take_commitment_report(
        "alpha", first
    )  # superseded by the second request
    queued.registry.deliveries.take_commitment_report("beta", second)  # another centre's word
    assert len(queued.registry.deliveries.undelivered()) == 1
    queued.registry.deliveries.take_commitment_report("alpha", second)
    assert queued.registry.deliveries.undelivered() == []
    assert [one.delivered for one in queued.registry.studies.summaries()] == [True]


def test_a_pacs_that_will_not_commit_has_the_report_all_the_same(queued: Bench) -> None:
    with _committing_pacs(port := free_port(), 0x0110, "silence"):
        assert _deliver(queued, port) == 1
    assert queued.registry.deliveries.undelivered() == []


@pytest.mark.slow
def test_a_pacs_that_goes_before_it_says_whether_it_commits_is_asked_again(queued: Bench) -> None:
    with _committing_pacs(port := free_port(), 0x0000, "abort"):
        assert _deliver(queued, port) == 0
    assert "did not answer our request to commit it." in _failure(queued)
    queued.clock.advance(5)
    with _committing_pacs(port := free_port(), 0x0000, "committed"):
        assert _deliver(queued, port) == 1


def test_a_pacs_that_ends_every_request_to_commit_has_the_report_all_the_same(
    queued: Bench,
) -> None:
    with _committing_pacs(port := free_port(), 0x0000, "abort"):
        for delivered in (0, 0, 1):
            assert _deliver(queued, port) == delivered
            queued.clock.advance(15)
    assert queued.registry.deliveries.undelivered() == []


def test_a_pacs_that_has_the_report_already_has_it(queued: Bench) -> None:
    with _pacs(port := free_port(), 0x0111):
        assert _deliver(queued, port) == 1


@pytest.mark.slow
def test_a_pacs_that_aborts_in_the_middle_gets_the_report_when_it_is_back(queued: Bench) -> None:
    entity = AE("PACS")
    entity.add_supported_context(COMPREHENSIVE_3D_SR_STORAGE)

    def abort(event: Any) -> int:
        event.assoc.abort()
        return 0x0000

    handlers: list[Any] = [(evt.EVT_C_STORE, abort)]
    port = free_port()
    assert entity.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers) is not None
    try:
        assert _deliver(queued, port) == 0
    finally:
        entity.shutdown()
    assert "without an answer in time" in _failure(queued)
    queued.clock.advance(5)
    with _pacs(port := free_port()) as received:
        assert _deliver(queued, port) == 1
    assert len(received) == 1


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a..b", "x" * 200])
def test_a_host_that_no_name_server_knows_is_told_and_tried_again(queued: Bench, host: str) -> None:
    destination = ReturnDestination("PACS", host, 104)
    asked = CommitmentRequest("1.2.9", (Reference("1.2", "1.2.3"),))
    queued.registry.commitments.queue("alpha", "PACS", asked)
    centers = [center(return_to=destination)]
    deliveries, commitments = queued.registry.deliveries, queued.registry.commitments
    assert deliver_due(deliveries, Caller("ANNULUS"), centers, 5.0, 15.0) == 0
    assert "check that the host is spelt right" in _failure(queued)
    verify = queued.intake.verify
    assert report_commitments(commitments, Caller("ANNULUS"), centers, verify, 5.0, 15.0) == 0
    with pytest.raises(UnreachableError, match="check that the host is spelt right"):
        echo(destination, Caller("ANNULUS"))


def test_a_pacs_that_speaks_no_tls_is_told(queued: Bench, certificates: Certificates) -> None:
    caller = Caller("ANNULUS", certificates.client_context())
    with _pacs(port := free_port()):
        centers = [center(return_to=ReturnDestination("PACS", "127.0.0.1", port))]
        assert deliver_due(queued.registry.deliveries, caller, centers, 5.0, 15.0) == 0
    assert "that it speaks TLS as we do" in _failure(queued)


def test_a_failed_association_ends_the_visit_and_everything_that_waits_backs_off(
    queued: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = {f"{number}" * 64: _report(tmp_path / f"{number}.dcm") for number in range(3)}
    queued.registry.deliveries.queue("alpha", "centre-report", "m" * 64, more)
    calls: list[int] = []
    associate = Caller.associate

    def counted(*arguments: Any, **more: Any) -> Any:
        calls.append(1)
        return associate(*arguments, **more)

    monkeypatch.setattr(Caller, "associate", counted)
    assert _deliver(queued, free_port()) == 0
    assert len(calls) == 1
    waiting = queued.registry.deliveries.undelivered()
    assert [(due - queued.clock()).total_seconds() for _, _, due in waiting] == [5.0] * 4


def test_an_error_that_nobody_foresaw_is_a_failed_attempt(
    queued: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unforeseen(_path: Path) -> Dataset:
        raise KeyError("PATIENT^NAME")

    monkeypatch.setattr(report_delivery, "dcmread", unforeseen)
    with _pacs(port := free_port()):
        assert _deliver(queued, port) == 0
    assert "could not be sent (KeyError at" in _failure(queued)
    assert "PATIENT" not in _failure(queued)


@pytest.fixture
def with_regions(bench: Bench, tmp_path: Path) -> Bench:
    """A scored study whose report names a segmentation; both wait."""
    slices, drawn = whole_study()
    bench.push(*slices, drawn)
    item = bench.claim()
    regions = _report(tmp_path / "seg.dcm", SEGMENTATION_STORAGE, "1.2.3.4.6")
    bench.registry.outbox.finish(
        item.study_key,
        item.content_digest,
        "m" * 64,
        StudyState.SCORED,
        None,
        _report(tmp_path / "report.dcm"),
        beside={ReturnedObject.SEG: regions},
    )
    return bench


@contextmanager
def _taking(
    port: int, *classes: str, answers: dict[str, int | None] | None = None
) -> Iterator[list[str]]:
    """An AE that takes these SOP Classes; an answer of None breaks the association."""
    received: list[str] = []

    def take(event: evt.Event) -> int:
        received.append(str(event.dataset.SOPInstanceUID))
        answer = (answers or {}).get(str(event.dataset.SOPClassUID), 0x0000)
        if answer is None:
            event.assoc.abort()
        return answer or 0x0000

    entity = AE("PACS")
    for one in classes:
        entity.add_supported_context(one)
    server = entity.start_server(
        ("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, take)]
    )
    assert server is not None
    try:
        yield received
    finally:
        entity.shutdown()


@pytest.mark.slow
def test_the_segmentation_goes_before_the_report_that_names_it(with_regions: Bench) -> None:
    port = free_port()
    for _ in range(4):  # while the PACS is down, neither overtakes the other
        assert _deliver(with_regions, port) == 0
        with_regions.clock.advance(15)
    both = (SEGMENTATION_STORAGE, COMPREHENSIVE_3D_SR_STORAGE)
    with _taking(port, *both) as received:
        assert _deliver(with_regions, port) == 2
        assert _deliver(with_regions, port) == 0
    assert received == ["1.2.3.4.6", "1.2.3.4.5"]


@pytest.mark.slow
def test_a_class_that_is_not_taken_is_said_and_does_not_hold_the_report(
    with_regions: Bench,
) -> None:
    port = free_port()
    with _taking(port, COMPREHENSIVE_3D_SR_STORAGE, ENCAPSULATED_PDF_STORAGE) as received:
        assert _deliver(with_regions, port) == 1
    assert received == ["1.2.3.4.5"]
    assert _failure(with_regions) == (
        f"PACS at 127.0.0.1:{port} accepted no presentation context for Segmentation Storage: let "
        "it take that SOP Class, or leave the object out of the centre's `returns`; other objects "
        "do not wait for it."
    )
    assert [one.delivered for one in with_regions.registry.studies.summaries()] == [True]
    with_regions.clock.advance(15)
    with _taking(port, SEGMENTATION_STORAGE) as received:  # once the PACS has learnt to
        assert _deliver(with_regions, port) == 1
    assert received == ["1.2.3.4.6"]
    assert with_regions.registry.deliveries.undelivered() == []


def test_an_object_that_is_refused_does_not_hold_the_report(with_regions: Bench) -> None:
    port = free_port()
    both = (SEGMENTATION_STORAGE, COMPREHENSIVE_3D_SR_STORAGE)
    with _taking(port, *both, answers={SEGMENTATION_STORAGE: 0xC000}) as received:
        assert _deliver(with_regions, port) == 1
    assert received == ["1.2.3.4.6", "1.2.3.4.5"]
    assert "did not take the report, with status 0xC000" in _failure(with_regions)


def test_an_object_over_which_the_pacs_breaks_down_holds_the_report_for_three_attempts(
    with_regions: Bench,
) -> None:
    port = free_port()
    both = (SEGMENTATION_STORAGE, COMPREHENSIVE_3D_SR_STORAGE)
    with _taking(port, *both, answers={SEGMENTATION_STORAGE: None}) as received:
        for _ in range(4):
            _deliver(with_regions, port)
            with_regions.clock.advance(15)
    assert received.count("1.2.3.4.5") == 1
    assert received[:3] == ["1.2.3.4.6"] * 3


@pytest.fixture
def with_pages(bench: Bench, tmp_path: Path) -> Bench:
    """A scored study whose page waits as PDF and as picture, with a note for what was before."""
    slices, drawn = whole_study()
    bench.push(*slices, drawn)
    item = bench.claim()
    classes = {
        ReturnedObject.PDF: ENCAPSULATED_PDF_STORAGE,
        ReturnedObject.SC: SECONDARY_CAPTURE_STORAGE,
        ReturnedObject.NOTE: KEY_OBJECT_SELECTION_STORAGE,
    }
    beside = {
        kind: _report(tmp_path / f"{kind}.dcm", sop_class, f"1.2.3.5.{number}")
        for number, (kind, sop_class) in enumerate(classes.items())
    }
    bench.registry.outbox.finish(
        item.study_key,
        item.content_digest,
        "m" * 64,
        StudyState.SCORED,
        None,
        _report(tmp_path / "report.dcm"),
        beside=beside,
    )
    return bench


@pytest.mark.parametrize("takes_pdf", [True, False])
def test_the_page_goes_as_picture_where_the_association_takes_no_pdf(
    with_pages: Bench, *, takes_pdf: bool
) -> None:
    port = free_port()
    pages = (ENCAPSULATED_PDF_STORAGE,) if takes_pdf else ()
    taken = (
        *pages,
        SECONDARY_CAPTURE_STORAGE,
        COMPREHENSIVE_3D_SR_STORAGE,
        KEY_OBJECT_SELECTION_STORAGE,
    )
    with _taking(port, *taken) as received:
        assert _deliver(with_pages, port) == 3
        assert _deliver(with_pages, port) == 0
    page = "1.2.3.5.0" if takes_pdf else "1.2.3.5.1"
    assert received == [page, "1.2.3.4.5", "1.2.3.5.2"]
    if not takes_pdf:
        assert '(a patient\'s page goes as a picture with "sc" there)' in _failure(with_pages)
    assert len(with_pages.registry.deliveries.undelivered()) == (0 if takes_pdf else 1)


def test_a_note_that_is_not_taken_is_said_and_what_it_retires_after_stays(
    with_pages: Bench,
) -> None:
    port = free_port()
    with _taking(port, ENCAPSULATED_PDF_STORAGE, COMPREHENSIVE_3D_SR_STORAGE) as received:
        assert _deliver(with_pages, port) == 2
    assert received == ["1.2.3.5.0", "1.2.3.4.5"]
    assert "no presentation context for Key Object Selection Document Storage" in _failure(
        with_pages
    )
