"""The ASGI application: ``POST /dicom-web/studies`` and ``POST /dicom-web/studies/{study}`` (PS3.18
section 10.5).

The body goes to the archive while it comes; the event loop only hands its pieces to a thread, and a
sender that is faster than the disk is held back by TCP.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Final

import anyio
from anyio import to_thread
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route, Router

from dicom_node.audit import AuditEvent, record
from dicom_node.center import Center
from dicom_node.datasets.identity import is_uid
from dicom_node.errors import NodeError
from dicom_node.intake.intake import Intake
from dicom_node.intake.pace import Pace
from dicom_node.intake.places import Places
from dicom_node.intake.prompt_notes import TakesIncidents
from dicom_node.stow import PATH
from dicom_node.stow.callers import Callers, Denial
from dicom_node.stow.multipart import MultipartError, boundary_of
from dicom_node.stow.store_response import MEDIA_TYPE, http_status, store_response, warning_text
from dicom_node.stow.upload import Upload

_log = logging.getLogger(__name__)

_RETRY_AFTER_S: Final = "60"
_DRAIN_BYTES: Final = 1 << 23
_DRAIN_S: Final = 5.0
_UNKNOWN_SENDERS: Final = "STOW-RS"
_ACCEPTABLE: Final = {MEDIA_TYPE, "application/json", "application/*", "*/*"}


class _RefusedError(Exception):
    """A request is answered without its body having been read."""

    def __init__(
        self, status: HTTPStatus, sentence: str, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(sentence)
        self.status = status
        self.headers = headers


class StowService:
    """Stores what centres send over HTTP.

    Parameters
    ----------
    intake : Intake
        What keeps the instances.
    callers : Callers
        Who may send.
    incidents : TakesIncidents
        Where refused callers are recorded.
    maximum_object_bytes : int
        Longest dataset.
    maximum_requests : int
        Beyond so many at once a caller is asked to come again.
    silence_s : float
        Seconds without a byte of the body after which a request is ended.
    bytes_per_s : float
        The slowest that a body may come on the whole, beyond `silence_s`; 0 is no limit.
    share : int, optional
        Requests of one centre at once; see `Places`.
    """

    def __init__(
        self,
        intake: Intake,
        callers: Callers,
        incidents: TakesIncidents,
        maximum_object_bytes: int,
        maximum_requests: int,
        silence_s: float,
        bytes_per_s: float = 0.0,
        share: int | None = None,
    ) -> None:
        self._intake = intake
        self._callers = callers
        self._incidents = incidents
        self._maximum_object_bytes = maximum_object_bytes
        self._silence_s = silence_s
        self._bytes_per_s = bytes_per_s
        self._places = Places(maximum_requests, callers.names, share)

    def application(self) -> Starlette:
        """Return the ASGI application."""
        places = (PATH, f"{PATH}/{{study}}")
        # A slash at the end names the same; a redirect would have a stranger choose where to.
        addresses = [place + end for place in places for end in ("", "/")]
        routes = [Route(one, self._respond, methods=["POST"]) for one in addresses]
        return Starlette(routes=[Mount("", Router(routes, redirect_slashes=False))])

    async def _respond(self, request: Request) -> Response:
        try:
            center = await to_thread.run_sync(self._identify, request)
            boundary = _check_head(request)
            self._take_place(center)
        except _RefusedError as refused:
            await _drain(request.stream())
            return _plain(refused.status, str(refused), refused.headers)
        try:
            return await self._store(request, center, boundary)
        finally:
            self._places.leave(center.name)

    def _take_place(self, center: Center) -> None:
        if not self._places.take(center.name):
            sentence = "As many requests as allowed are running: send it again later."
            raise _RefusedError(
                HTTPStatus.SERVICE_UNAVAILABLE, sentence, {"Retry-After": _RETRY_AFTER_S}
            )

    async def _store(self, request: Request, center: Center, boundary: bytes) -> Response:
        study = request.path_params.get("study")
        upload = Upload(self._intake, center, study, boundary, self._maximum_object_bytes)
        address = _address(request)
        body = request.stream()
        pace = Pace(self._silence_s, self._bytes_per_s)
        try:
            while piece := await _next_piece(body, pace):
                await to_thread.run_sync(upload.feed, piece)
            outcomes = await to_thread.run_sync(upload.end)
        except MultipartError as error:
            _log.warning("%s: a STOW-RS request was refused. %s", center.name, error)
            self._told(center, address, HTTPStatus.BAD_REQUEST, len(upload.outcomes), 0)
            await _drain(body)
            return _plain(HTTPStatus.BAD_REQUEST, str(error), {"Connection": "close"})
        except TimeoutError:
            self._told(center, address, HTTPStatus.REQUEST_TIMEOUT, len(upload.outcomes), 0)
            return _plain(
                HTTPStatus.REQUEST_TIMEOUT, "nothing came for too long", {"Connection": "close"}
            )
        except ClientDisconnect:
            _log.info("%s: a STOW-RS request was not completed by its sender.", center.name)
            return _plain(HTTPStatus.BAD_REQUEST, "the body ends too early")
        finally:
            upload.discard()
        status = http_status(outcomes)
        headers = (
            {"Retry-After": _RETRY_AFTER_S} if status is HTTPStatus.SERVICE_UNAVAILABLE else {}
        )
        if warning := warning_text(outcomes):
            headers["Warning"] = f'299 annulus "{warning}"'
        failed = sum(one.error is not None for one in outcomes)
        self._told(center, address, status, len(outcomes), failed)
        return Response(json.dumps(store_response(outcomes)), status, headers, MEDIA_TYPE)

    def _identify(self, request: Request) -> Center:
        address = _address(request)
        certificate = getattr(request.state, "certificate", None)
        answer = self._callers.identify(request.headers.get("authorization"), certificate, address)
        if isinstance(answer, Center):
            return answer
        self._deny(answer, address)
        known = answer.status is not HTTPStatus.UNAUTHORIZED
        words = (
            "This caller may not store here."
            if known
            else "A token or certificate of a centre is needed."
        )
        raise _RefusedError(
            answer.status, words, None if known else {"WWW-Authenticate": 'Bearer realm="annulus"'}
        )

    def _deny(self, denial: Denial, address: str) -> None:
        _log.warning("A STOW-RS request was rejected. %s", denial.sentence)
        self._intake.metrics.web_request(denial.center, denial.status)
        record(AuditEvent.STOW_REJECTED, address=address, center=denial.center, kind=denial.kind)
        try:
            # One row whatever their number: everybody may call, and none of them is known.
            self._incidents.record(denial.kind, denial.sentence, denial.center, _UNKNOWN_SENDERS)
        except NodeError as error:
            _log.error("The rejection could not be recorded. %s", error)

    def _told(
        self, center: Center, address: str, status: HTTPStatus, parts: int, failed: int
    ) -> None:
        self._intake.metrics.web_request(center.name, status)
        record(
            AuditEvent.STOW_ANSWERED,
            center=center.name,
            address=address,
            status=int(status),
            parts=parts,
            failed=failed,
        )


async def _next_piece(body: AsyncIterator[bytes], pace: Pace) -> bytes:
    """Return the next piece of a body; empty at its end, which starlette marks so itself.

    Raises
    ------
    TimeoutError
        If it does not come, or everything comes too slowly.
    """
    began = time.monotonic()
    async with asyncio.timeout(pace.silence_s):
        piece = await anext(body, b"")
    pace.heard(len(piece), time.monotonic() - began)
    if pace.is_too_slow:
        raise TimeoutError
    return piece


async def _drain(body: AsyncIterator[bytes]) -> None:
    """Read what a refused sender has under way, within limits: it listens when it has sent."""
    left = _DRAIN_BYTES
    try:
        with anyio.move_on_after(_DRAIN_S):
            async for piece in body:
                left -= len(piece)
                if left < 0:
                    break
    except ClientDisconnect:
        return


def _check_head(request: Request) -> bytes:
    """Return the boundary of the body, or raise what keeps it from being read."""
    accepted = _listed(request, "accept")
    if accepted and accepted.isdisjoint(_ACCEPTABLE):
        raise _RefusedError(HTTPStatus.NOT_ACCEPTABLE, f"Expected Accept: {MEDIA_TYPE}.")
    if _listed(request, "content-encoding") - {"identity"}:
        raise _RefusedError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Expected a body without Content-Encoding."
        )
    study = request.path_params.get("study")
    if study is not None and not is_uid(study):
        raise _RefusedError(
            HTTPStatus.BAD_REQUEST,
            "The study in the address is not a UID: expected digits and dots.",
        )
    try:
        boundary, kind = boundary_of(request.headers.get("content-type", ""))
    except MultipartError as error:
        raise _RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, str(error)) from error
    if kind != "application/dicom":
        raise _RefusedError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Expected parts of type application/dicom."
        )
    return boundary


def _listed(request: Request, name: str) -> set[str]:
    """Return what a header lists, without parameters: on one line or several, and nothing where it
    is empty (RFC 9110 sections 5.3 and 5.6.1).
    """
    lines = ",".join(request.headers.getlist(name))
    listed = {one.partition(";")[0].strip().lower() for one in lines.split(",")}
    return listed - {""}


def _plain(status: HTTPStatus, sentence: str, headers: dict[str, str] | None = None) -> Response:
    return PlainTextResponse(f"{sentence}\n", status, headers)


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
