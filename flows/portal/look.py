"""One request of somebody who may look: what it asks of, and what of that the user may see."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from starlette.datastructures import QueryParams
from starlette.responses import HTMLResponse

from dicom_node.registry.registry import Registry, StudyRecord
from flows.installation import Installation
from flows.own_server import api_url
from flows.portal.health import ServerAnswers
from flows.portal.pictures import StudyPictures
from flows.portal.report_index import ReportIndex
from flows.portal.users import User
from models.bundle.facts import BundleFacts
from models.errors import ModelError
from validation_reports.portal_pages.pages import render


class NotHereError(LookupError):
    """There is no such page, or the user may not see it; which of both is not told."""


class NothingYetError(LookupError):
    """The node has not been started yet: there is no registry, and nobody but the node makes
    one.
    """


class Shared:
    """What all requests share.

    Parameters
    ----------
    work : Installation
        Settings, registry, store and bundle.
    """

    def __init__(self, work: Installation) -> None:
        self.work = work
        self.reports = ReportIndex(work.settings.reports_folder())
        self.pictures = StudyPictures(work)
        self.server_answers = ServerAnswers(api_url(work.settings))
        self._facts: dict[str, BundleFacts] = {}
        self._lock = threading.Lock()

    def registry(self) -> Registry:
        """Return the registry, which the node makes when it is started first.

        Raises
        ------
        NothingYetError
            If there is none.
        """
        node = self.work.settings.node
        with self._lock:
            is_open = "registry" in vars(self.work)
            if not is_open and node.registry_url is None and not node.registry_file.exists():
                raise NothingYetError
            return self.work.registry

    def facts_of(self, model_digest: str) -> BundleFacts | str:
        """Return what must be known of a model wherever its score is shown, or why that cannot be
        known.
        """
        with self._lock:
            found = self._facts.get(model_digest) or self._facts_read(model_digest)
            if isinstance(found, BundleFacts):
                self._facts[model_digest] = found
            return found

    def _facts_read(self, model_digest: str) -> BundleFacts | str:
        model = self.work.settings.model
        if model_digest not in {model.digest, *model.earlier}:
            return "The settings pin no bundle of this digest any more."
        try:
            return self.work.with_model(model_digest).bundle.facts
        except ModelError as error:
            return str(error)


@dataclass(frozen=True)
class Look:
    """One request for a page: who asks, for what, and when.

    Parameters
    ----------
    shared : Shared
        What all requests share.
    user : User
        Who looks.
    query : QueryParams
        What the address asks for.
    names : mapping of str to str
        The parts of the address that name something.
    now : datetime
        The time, aware.
    """

    shared: Shared
    user: User
    query: QueryParams
    names: Mapping[str, str]
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def work(self) -> Installation:
        """The installation that the portal shows."""
        return self.shared.work

    @property
    def registry(self) -> Registry:
        """The registry of the installation's node."""
        return self.shared.registry()

    @property
    def sees_all(self) -> bool:
        """Whether the user may see every centre, and what is of none."""
        return self.user.centers is None

    def centers(self) -> list[str]:
        """Return the centres of the settings that the user may see."""
        every = [center.name for center in self.work.settings.centers()]
        return [name for name in every if self.user.may_see(name)]

    def study(self) -> StudyRecord:
        """Return the study that the address names.

        Raises
        ------
        NotHereError
            If there is none that the user may see.
        """
        record = self.registry.worklist.study(self.names["study_key"])
        if record is None or not self.user.may_see(record.summary.center):
            raise NotHereError
        return record

    def page(self, template: str, title: str, **values: Any) -> HTMLResponse:
        """Return a page of the portal."""
        return page(template, title, self.user, **values)


def page(
    template: str,
    title: str,
    user: User | None,
    status: HTTPStatus = HTTPStatus.OK,
    **values: Any,
) -> HTMLResponse:
    """Return a page of the portal; without a user it has no way to the others."""
    return HTMLResponse(render(template, title=title, user=user, **values), status)
