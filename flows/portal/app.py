"""The ASGI application: who asks, what the request is answered with, and what is written down of
it.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Callable
from http import HTTPStatus
from ipaddress import ip_address
from typing import Final
from urllib.parse import parse_qs, urlencode, urlsplit

import anyio
from anyio import to_thread
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from dicom_node.errors import NodeError
from dicom_node.settings import SettingsError
from feature_store.errors import FeatureStoreError
from feature_store.wording import counted
from flows.installation import Installation
from flows.portal import study_views, views
from flows.portal.files import PAGE_POLICY
from flows.portal.look import Look, NotHereError, NothingYetError, Shared, page
from flows.portal.sessions import Sessions, WrongTries
from flows.portal.users import LONGEST_PASSWORD, User, is_password, read_users
from models.errors import ModelError
from validation_reports.portal_pages.pages import style, style_name

View = Callable[[Look], Response]
COOKIE: Final = "annulus_session"
_FORM_BYTES: Final = 4096
_HASHES_AT_ONCE: Final = 2
_SAFE: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_access = logging.getLogger("flows.portal.access")
_log = logging.getLogger(__name__)

PAGES: Final[dict[str, View]] = {
    "/": views.start,
    "/worklist": views.worklist,
    "/studies/{study_key}": study_views.study,
    "/studies/{study_key}/slices": study_views.slices,
    "/studies/{study_key}/slices/{number}.png": study_views.slice_png,
    "/studies/{study_key}/explanation": study_views.explanation,
    "/studies/{study_key}/runs": study_views.runs,
    "/centers/{center}": views.center,
    "/reports/": views.reports,
    "/reports/{report}/": views.report,
    "/reports/{report}/{file:path}": views.report_file,
    "/{report}/report.html": views.report_of_before,
    "/expectations/": views.expectations,
    "/expectations/{file}": views.expectation_page,
}
"""Every page by its address."""


class Portal:
    """The web application of the portal: answers browsers, and writes nothing.

    Parameters
    ----------
    work : Installation
        What is shown.
    """

    def __init__(self, work: Installation) -> None:
        self._shared = Shared(work)
        self._settings = work.settings.portal
        self._users_folder = work.settings.portal_folder()
        self._sessions = Sessions(self._settings.session_hours * 3600)
        self._wrong_tries = WrongTries()
        self._hashing = anyio.CapacityLimiter(_HASHES_AT_ONCE)

    def application(self) -> Starlette:
        """Return the ASGI application."""
        application = Starlette(
            routes=[
                Route("/health", _health, methods=["GET"]),
                Route("/static/{name}", _static, methods=["GET"]),
                Route("/favicon.ico", _no_icon, methods=["GET"]),
                Route("/login", self._login_form, methods=["GET"]),
                Route("/login", self._log_in, methods=["POST"]),
                Route("/logout", self._log_out, methods=["POST"]),
                *(Route(path, self._seen(view), methods=["GET"]) for path, view in PAGES.items()),
            ],
            exception_handlers={HTTPStatus.NOT_FOUND: self._nothing_here},
        )
        application.state.proxies = self._settings.proxies
        return application

    def _seen(self, view: View) -> Callable[[Request], Response]:
        """Return a view as Starlette calls it, for who may look."""

        def respond(request: Request) -> Response:
            try:
                user = self._who(request)
            except SettingsError as error:
                return _told(request, None, self._cannot(None, error))
            if user is None:
                return _told(request, None, _to_login(request))
            look = Look(self._shared, user, request.query_params, request.path_params)
            try:
                answer = view(look)
            except NotHereError:
                answer = _not_found(user)
            except NothingYetError:
                answer = look.page("nothing_yet", "Annulus")
            except (NodeError, FeatureStoreError, SettingsError, ModelError) as error:
                answer = self._cannot(user, error)
            return _told(request, user, answer)

        return respond

    def _cannot(self, user: User | None, error: Exception) -> Response:
        _log.warning("A page cannot be shown: %s.", error)
        words = str(error) if user is not None else "The portal's users cannot be read."
        return page(
            "error", "This cannot be shown now", user, HTTPStatus.SERVICE_UNAVAILABLE, words=words
        )

    def _nothing_here(self, request: Request, _error: Exception) -> Response:
        try:
            user = self._who(request)
        except SettingsError:
            user = None
        return _told(request, user, _not_found(user) if user else _to_login(request))

    def _who(self, request: Request) -> User | None:
        """Return who asks: the user of the session, or the one that a proxy names.

        Raises
        ------
        SettingsError
            If the users cannot be read.
        """
        users = read_users(self._users_folder)
        header = self._settings.user_header
        if header is not None and _is_through_a_proxy(request):
            return users.get(request.headers.get(header, ""))
        return self._sessions.user(request.cookies.get(COOKIE), users)

    def _login_form(self, request: Request) -> Response:
        return _told(request, None, self._form(_local(request.query_params.get("next", "/"))))

    def _form(self, after: str, words: str = "", status: HTTPStatus = HTTPStatus.OK) -> Response:
        try:
            nobody = not read_users(self._users_folder)
        except SettingsError:
            nobody = False
        return page("login", "Log in", None, status, after=after, words=words, nobody=nobody)

    async def _log_in(self, request: Request) -> Response:
        form = await _form_of(request)
        if form is None or not _is_own_form(request):
            return _told(request, None, self._form("/", "Log in here.", HTTPStatus.FORBIDDEN))
        name, password = form.get("name", ""), form.get("password", "")
        after, address = _local(form.get("after", "/")), _address(request)
        if (wait_s := self._wrong_tries.wait_s(name, address)) > 0:
            words = (
                f"Too many wrong passwords: try again in {counted(round(wait_s / 60), 'minute')}."
            )
            answer = self._form(after, words, HTTPStatus.TOO_MANY_REQUESTS)
            answer.headers["Retry-After"] = str(int(wait_s) + 1)
            return _told(request, None, answer)
        try:
            user = read_users(self._users_folder).get(name)
        except SettingsError as error:
            return _told(request, None, self._cannot(None, error))
        kept = user.password if user is not None else None
        is_right = len(password) <= LONGEST_PASSWORD and await to_thread.run_sync(
            is_password, password, kept, limiter=self._hashing
        )
        if user is None or not is_right:
            self._wrong_tries.was_wrong(name, address)
            words = "Name or password is wrong."
            return _told(request, None, self._form(after, words, HTTPStatus.UNAUTHORIZED))
        self._wrong_tries.was_right(name, address)
        found = RedirectResponse(after, HTTPStatus.SEE_OTHER)
        found.set_cookie(
            COOKIE,
            self._sessions.begin(user),
            max_age=int(self._settings.session_hours * 3600),
            secure=_is_encrypted(request),
            httponly=True,
            samesite="lax",
        )
        return _told(request, user, found)

    def _log_out(self, request: Request) -> Response:
        if not _is_own_form(request):
            return _told(request, None, RedirectResponse("/", HTTPStatus.SEE_OTHER))
        self._sessions.end(request.cookies.get(COOKIE))
        answer = RedirectResponse("/login", HTTPStatus.SEE_OTHER)
        answer.delete_cookie(COOKIE)
        return _told(request, None, answer)


def _told(request: Request, user: User | None, answer: Response) -> Response:
    """Write down who asked for what, and complete the answer's headers."""
    address, name, status = _address(request), user.name if user else "-", answer.status_code
    # What there is not may be anything that somebody typed, a patient's name too
    path = request.url.path if status != HTTPStatus.NOT_FOUND and user else _known(request)
    told = {"address": address, "user": name, "path": path, "status": status}
    _access.info(
        "%s %s %s %s %d",
        address,
        name,
        request.method,
        path,
        status,
        extra={"audit": {"event": "portal-asked", **told}},
    )
    for header, value in _SAFE.items():
        answer.headers[header] = value
    answer.headers.setdefault("Content-Security-Policy", PAGE_POLICY)
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _not_found(user: User) -> Response:
    words = "There is nothing here that you may see."
    return page("error", "Nothing here", user, HTTPStatus.NOT_FOUND, words=words)


def _to_login(request: Request) -> Response:
    query = urlencode({"next": _local(request.url.path)})
    return RedirectResponse(f"/login?{query}", HTTPStatus.SEE_OTHER)


def _health(_request: Request) -> Response:
    return PlainTextResponse("the portal answers\n")


def _static(request: Request) -> Response:
    if not hmac.compare_digest(request.path_params["name"].encode(), style_name().encode()):
        return PlainTextResponse("not found\n", HTTPStatus.NOT_FOUND)
    kept = {**_SAFE, "Cache-Control": "public, max-age=31536000, immutable"}
    return Response(style(), media_type="text/css; charset=utf-8", headers=kept)


def _no_icon(_request: Request) -> Response:
    return Response(status_code=HTTPStatus.NO_CONTENT)


async def _form_of(request: Request) -> dict[str, str] | None:
    """Return the fields of a form; `None` for anything else, or one that is too long."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > _FORM_BYTES:
            return None
    if kind != "application/x-www-form-urlencoded":
        return None
    try:
        fields = parse_qs(
            body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=10
        )
    except ValueError:  # too many fields
        return None
    return {name: values[0] for name, values in fields.items()}


def _is_own_form(request: Request) -> bool:
    """Say whether a form was sent from a page of the portal itself, as browsers tell."""
    if site := request.headers.get("sec-fetch-site"):
        return site == "same-origin"
    origin = request.headers.get("origin")
    try:
        return origin is None or urlsplit(origin).netloc == request.headers.get("host")
    except ValueError:  # an address that no browser has
        return False


def _local(address: str) -> str:
    """Return an address of the portal itself; the start page in place of any other."""
    is_local = address.startswith("/") and not address.startswith("//") and "\\" not in address
    return address if is_local and address.isprintable() else "/"


def _known(request: Request) -> str:
    """Return an address where it names nothing, else that it was something."""
    path = request.url.path
    return path if path in PAGES or path in {"/login", "/logout"} else "?"


def _is_encrypted(request: Request) -> bool:
    """Say whether the browser speaks TLS, to a proxy that says so."""
    return request.url.scheme == "https" or (
        _is_through_a_proxy(request) and request.headers.get("x-forwarded-proto") == "https"
    )


def _is_through_a_proxy(request: Request) -> bool:
    """Say whether a request comes from one of the addresses that the settings believe."""
    try:
        return request.client is not None and (
            ip_address(request.client.host) in request.app.state.proxies
        )
    except ValueError:
        return False


def _address(request: Request) -> str:
    """Return where a request comes from; of one through a proxy, where the proxy had it from."""
    if _is_through_a_proxy(request):
        *_, last = request.headers.get("x-forwarded-for", "").split(",")
        try:
            return str(ip_address(last.strip()))
        except ValueError:
            pass
    return request.client.host if request.client else ""
