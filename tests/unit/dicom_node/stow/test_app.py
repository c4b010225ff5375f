"""STOW-RS over HTTP: a real client stores, and everything that must be refused is, as PS3.18
says.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from typing import Any

import httpx
import pytest
from dicomweb_client.api import DICOMwebClient
from dicomweb_client.session_utils import create_session
from pydicom import dcmread

from dicom_node.center import ObjectKind
from dicom_node.datasets.sop_classes import EXPLICIT_VR_LITTLE_ENDIAN
from dicom_node.registry.registry import StudyState
from dicom_node.stow import PATH
from dicom_node.stow.app import StowService
from dicom_node.stow.callers import Callers
from dicom_node.stow.server import StowServer
from tests.support.certificates import Certificates
from tests.support.intake_bench import Bench, center, ct_slice, encode, whole_study
from tests.support.stow_bodies import part10_file, stow_body
from tests.support.waiting import wait_until

TOKENS = {"alpha": "a-token-of-alpha-for-tests-only", "beta": "a-token-of-beta-for-tests-only"}
AUTHORIZED = {"Authorization": f"Bearer {TOKENS['alpha']}"}
CENTERS = (center("alpha"), replace(center("beta"), accepts=(ObjectKind.RTSTRUCT,)))
FAILED, STORED, OTHER = "00081198", "00081199", "0008119A"


@pytest.fixture
def server(bench: Bench) -> Iterator[StowServer]:
    server = _server(bench)
    server.start()
    yield server
    server.stop()


def _server(bench: Bench, maximum_requests: int = 4, **options: Any) -> StowServer:
    service = StowService(
        bench.intake,
        Callers(CENTERS, TOKENS),
        bench.intake.notes,
        1 << 20,
        maximum_requests,
        5.0,
    )
    return StowServer(
        service.application(), "127.0.0.1", 0, options.get("tls"), options.get("timeout_s", 5.0)
    )


def _post(server: StowServer, *files: bytes, study: str = "", **headers: str) -> httpx.Response:
    kind = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=limit'}
    return httpx.post(
        f"http://127.0.0.1:{server.port}{PATH}{study}",
        content=stow_body(*files),
        headers={**kind, **AUTHORIZED, **headers},
        timeout=30,
        trust_env=False,
    )


def _reasons(response: httpx.Response, sequence: str = FAILED) -> list[int]:
    return [item["00081197"]["Value"][0] for item in response.json()[sequence]["Value"]]


def test_a_study_that_a_dicomweb_client_stores_is_kept_and_queued(
    server: StowServer, bench: Bench
) -> None:
    slices, drawn = whole_study()
    session = create_session()
    session.trust_env = False
    client = DICOMwebClient(
        f"http://127.0.0.1:{server.port}/dicom-web", session=session, headers=AUTHORIZED
    )
    files = [dcmread(BytesIO(part10_file(one))) for one in [drawn, *slices]]
    answer = client.store_instances(files)
    assert len(answer.ReferencedSOPSequence) == 5
    assert "FailedSOPSequence" not in answer
    assert [(one.center, one.state) for one in bench.registry.studies.summaries()] == [
        ("alpha", StudyState.QUEUED)
    ]
    kept = {file.path.read_bytes().split(b"ANNULUS ", 1)[1] for file in bench.archive.files()}
    assert kept == {encode(one, EXPLICIT_VR_LITTLE_ENDIAN) for one in [drawn, *slices]}
    assert len(client.store_instances(files).ReferencedSOPSequence) == 5  # once more, the same
    assert len(list(bench.archive.files())) == 5


def test_a_conflict_is_answered_with_409_and_the_first_stays(
    server: StowServer, bench: Bench
) -> None:
    first, second = ct_slice(0), ct_slice(0, gray=9)
    assert _post(server, part10_file(first)).status_code == 200
    answer = _post(server, part10_file(second))
    assert (answer.status_code, _reasons(answer)) == (409, [0xC002])
    assert answer.headers["content-type"] == "application/dicom+json"
    assert "other content" in answer.headers["warning"]
    (item,) = answer.json()[FAILED]["Value"]
    assert item["00081155"]["Value"] == [str(first.SOPInstanceUID)]
    mixed = _post(server, part10_file(second), part10_file(ct_slice(1)))
    assert (mixed.status_code, len(mixed.json()[STORED]["Value"]), _reasons(mixed)) == (
        202,
        1,
        [0xC002],
    )
    assert [one.kind for one in bench.registry.incidents.latest()] == ["conflicting-content"]
    assert len(list(bench.archive.quarantined.glob("*/*/*.dcm"))) == 1


def _wrong_identity() -> bytes:
    return part10_file(ct_slice(1)).replace(b"1.2.1.1.2\0", b"1.2.1.1.3\0", 1)


@pytest.mark.parametrize(
    ("file", "headers", "status", "sequence", "reason"),
    [
        (part10_file(ct_slice(0))[:-20], {}, 409, FAILED, 0xC001),
        (_wrong_identity(), {}, 409, FAILED, 0xA900),
        (part10_file(ct_slice(0), "1.2.840.10008.1.2.4.70"), {}, 409, FAILED, 0xC122),
        (
            part10_file(ct_slice(0)),
            {"Authorization": f"Bearer {TOKENS['beta']}"},
            409,
            FAILED,
            0x0122,
        ),
        (part10_file(ct_slice(0)) + bytes(1 << 20), {}, 413, FAILED, 0xA703),
        (b"\x89PNG" * 99, {}, 409, OTHER, 0xC000),
        (b"", {}, 409, OTHER, 0xC000),
    ],
    ids=["cut off", "other identity", "compressed", "SOP class", "too long", "no DICOM", "empty"],
)
def test_what_cannot_be_kept_has_its_failure_reason(
    server: StowServer,
    bench: Bench,
    file: bytes,
    headers: dict[str, str],
    status: int,
    sequence: str,
    reason: int,
) -> None:
    answer = _post(server, file, **headers)
    assert (answer.status_code, _reasons(answer, sequence)) == (status, [reason])
    assert list(bench.archive.files()) == []
    assert len(bench.registry.incidents.latest()) == 1
    assert list((bench.archive.instances / ".tmp").iterdir()) == []


def test_an_instance_of_another_study_than_the_addresss_is_refused(server: StowServer) -> None:
    answer = _post(server, part10_file(ct_slice(0)), study="/1.2.99")
    assert (answer.status_code, _reasons(answer)) == (409, [0xA900])
    assert _post(server, part10_file(ct_slice(0)), study="/1.2.1").status_code == 200


@pytest.mark.parametrize(
    ("study", "headers", "status"),
    [
        ("", {"Authorization": "Bearer nobody's"}, 401),
        ("", {"Content-Type": "application/dicom"}, 415),
        (
            "",
            {"Content-Type": "multipart/related; type=application/dicom+json; boundary=limit"},
            415,
        ),
        ("", {"Content-Encoding": "gzip"}, 415),
        ("", {"Accept": "text/html"}, 406),
        ("/..%2f..%2fx", {}, 404),
        ("/x", {}, 400),
        ("", {"Content-Type": "multipart/related; boundary=other"}, 400),
    ],
)
def test_a_request_that_cannot_be_read_is_answered_as_http_says(
    server: StowServer, bench: Bench, study: str, headers: dict[str, str], status: int
) -> None:
    answer = _post(server, part10_file(ct_slice(0)), study=study, **headers)
    assert answer.status_code == status
    assert list(bench.archive.files()) == []
    if status == 401:
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert [one.kind for one in bench.registry.incidents.latest()] == ["unknown-caller"]


@pytest.mark.parametrize(
    ("study", "headers"),
    [
        ("", [("Accept", "")]),
        ("", [("Accept", "application/dicom+xml"), ("Accept", "application/dicom+json")]),
        ("", [("Accept", "*/*"), ("Content-Encoding", "")]),
        ("", [("Accept", "*/*"), ("Content-Encoding", "Identity, identity")]),
        ("/", []),
        ("/1.2.1/", []),
    ],
)
def test_what_http_allows_is_taken_and_nobody_is_sent_elsewhere(
    server: StowServer, study: str, headers: list[tuple[str, str]]
) -> None:
    kind = ("Content-Type", 'multipart/related; type="application/dicom"; boundary=limit')
    with httpx.Client(trust_env=False, timeout=30) as client:
        client.headers.clear()
        answer = client.post(
            f"http://127.0.0.1:{server.port}{PATH}{study}",
            content=stow_body(part10_file(ct_slice(0))),
            headers=[kind, *AUTHORIZED.items(), *headers],
        )
    assert answer.status_code == 200, answer.text
    assert len(answer.json()[STORED]["Value"]) == 1


@pytest.mark.parametrize(("study", "status"), [("/", 401), ("/1.2.1//", 404)])
def test_an_address_with_slashes_at_its_end_is_not_redirected(
    server: StowServer, study: str, status: int
) -> None:
    answer = _post(server, part10_file(ct_slice(0)), study=study, Authorization="Bearer nobody's")
    assert (answer.status_code, "location" in answer.headers) == (status, False)


def test_a_disk_that_is_almost_full_is_answered_with_503(bench: Bench, server: StowServer) -> None:
    bench.archive._minimum_free_bytes = 1 << 60
    answer = _post(server, part10_file(ct_slice(0)), part10_file(ct_slice(1)))
    assert (answer.status_code, _reasons(answer)) == (503, [0xA700, 0xA700])
    assert answer.headers["retry-after"] == "60"


def test_success_waits_for_the_disk(
    bench: Bench, server: StowServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", broken)
        answer = _post(server, part10_file(ct_slice(0)))
    assert (answer.status_code, _reasons(answer)) == (503, [0xA701])
    assert list(bench.archive.files()) == []


def test_a_sender_that_goes_in_the_middle_leaves_nothing(server: StowServer, bench: Bench) -> None:
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: {AUTHORIZED['Authorization']}\r\n"
        "Content-Type: multipart/related; boundary=limit\r\nContent-Length: 99999\r\n\r\n"
    )
    temporary = bench.archive.instances / ".tmp"
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(head.encode() + stow_body(part10_file(ct_slice(0)))[:700])
        wait_until(lambda: len(list(temporary.iterdir())) == 1, 20, "the upload has begun")
    wait_until(lambda: list(temporary.iterdir()) == [], 20, "the upload is dropped")
    assert list(bench.archive.files()) == []


@pytest.mark.slow
def test_too_many_requests_are_asked_to_come_again_and_silent_connections_are_ended(
    bench: Bench,
) -> None:
    server = _server(bench, maximum_requests=0, timeout_s=1.0)
    server.start()
    try:
        with socket.create_connection(("127.0.0.1", server.port)) as silent:
            assert _post(server, part10_file(ct_slice(0))).status_code == 503
            silent.settimeout(10)
            assert silent.recv(1) == b""
    finally:
        server.stop()


def test_a_certificate_stands_for_its_centre(bench: Bench, certificates: Certificates) -> None:
    listed = (
        replace(center("alpha"), certificates=("client",)),
        replace(center("beta"), certificates=("other",)),
    )
    service = StowService(
        bench.intake, Callers(listed, TOKENS), bench.intake.notes, 1 << 20, 4, 5.0
    )
    server = StowServer(service.application(), "127.0.0.1", 0, certificates.server_context(), 5.0)
    server.start()
    url = f"https://127.0.0.1:{server.port}{PATH}"
    headers = {"Content-Type": "multipart/related; boundary=limit"}
    try:
        with httpx.Client(
            verify=certificates.client_context(), headers=headers, trust_env=False
        ) as client:
            assert client.post(url, content=stow_body(part10_file(ct_slice(0)))).status_code == 200
            stolen = {"Authorization": f"Bearer {TOKENS['beta']}"}
            assert (
                client.post(
                    url, content=stow_body(part10_file(ct_slice(1))), headers=stolen
                ).status_code
                == 403
            )
        with (
            httpx.Client(
                verify=certificates.stranger(), headers=headers, trust_env=False
            ) as client,
            pytest.raises(httpx.TransportError),
        ):
            client.post(url, content=stow_body(part10_file(ct_slice(2))))
    finally:
        server.stop()
    assert [file.center for file in bench.archive.files()] == ["alpha"]
